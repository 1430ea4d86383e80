//! What goes back over HTTP, and the one place where refusals become JSON-RPC
//! errors and status codes. Details stay in the log.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::response::Response;
use bytes::{Buf, Bytes};
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use http_body::{Frame, SizeHint};

use crate::pipeline::{Denial, Stage};
use crate::walk::Refusal;
use crate::wire::{Id, code, error_response};

/// A body in parts that are written one after another without being joined.
struct Parts {
    parts: VecDeque<Bytes>,
    remaining: u64,
}

impl http_body::Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let part = self.parts.pop_front();
        self.remaining -= part.as_ref().map_or(0, |part| part.remaining() as u64);
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}

/// A JSON body made of parts.
pub(crate) fn json(status: StatusCode, parts: impl IntoIterator<Item = Bytes>) -> Response {
    let parts: VecDeque<Bytes> = parts.into_iter().collect();
    let remaining = parts.iter().map(|part| part.len() as u64).sum();
    let mut response = Response::new(Body::new(Parts { parts, remaining }));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A stream of events, which nobody on the way may hold back or keep.
pub(crate) fn event_stream(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// An empty body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer outside JSON-RPC: `{"error": "…"}`.
pub(crate) fn plain_error(status: StatusCode, message: &str) -> Response {
    let body = serde_json::json!({ "error": message }).to_string();
    json(status, [body.into()])
}

/// A JSON-RPC error with a status of its own: what is wrong is the HTTP request.
pub(crate) fn rpc_error(status: StatusCode, id: Option<&Id>, code: i64, message: &str) -> Response {
    json(status, [error_response(id, code, message)])
}

/// 401, or 503 if the authenticator could not decide.
pub(crate) fn unauthenticated(denial: &Denial, headers: &HeaderMap) -> Response {
    match denial {
        Denial::Unauthenticated { .. } | Denial::Hidden { .. } | Denial::Refused { .. } => {
            let message = if headers.contains_key(AUTHORIZATION) {
                "invalid MCP client token"
            } else {
                "missing MCP client access token"
            };
            let mut response = plain_error(StatusCode::UNAUTHORIZED, message);
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
        Denial::Unavailable { decider } => {
            plain_error(StatusCode::SERVICE_UNAVAILABLE, &policy_unavailable(decider.stage))
        }
    }
}

/// The JSON-RPC error for a call that got no answer.
pub(crate) fn refusal(id: &Id, refusal: &Refusal) -> Bytes {
    let (code, message) = match refusal {
        Refusal::InvalidParams(problem) => (code::INVALID_PARAMS, problem.clone()),
        Refusal::NotFound { what: "resource", .. } => (code::RESOURCE_NOT_FOUND, refusal.to_string()),
        Refusal::NotFound { .. } => (code::INVALID_PARAMS, refusal.to_string()),
        Refusal::Policy(denial) => policy_error(denial),
        Refusal::Headers(error) => {
            tracing::error!(%error, "the injected headers cannot be sent");
            (code::POLICY_UNAVAILABLE, policy_unavailable(Stage::HeaderInjector))
        }
        Refusal::Upstream(error) => (code::INTERNAL_ERROR, error.to_string()),
        Refusal::TaskNotKept => (code::INTERNAL_ERROR, refusal.to_string()),
        Refusal::Overloaded | Refusal::AuditFull | Refusal::Unrecorded => (code::OVERLOADED, refusal.to_string()),
        Refusal::BrokenDown => (code::INTERNAL_ERROR, refusal.to_string()),
    };
    error_response(Some(id), code, &message)
}

/// The JSON-RPC error for a list that a policy did not allow to be made.
pub(crate) fn denial(id: &Id, denial: &Denial) -> Bytes {
    let (code, message) = policy_error(denial);
    error_response(Some(id), code, &message)
}

fn policy_error(denial: &Denial) -> (i64, String) {
    match denial {
        Denial::Unavailable { decider } => (code::POLICY_UNAVAILABLE, policy_unavailable(decider.stage)),
        // The one reason that is meant for the caller.
        Denial::Refused { by } if by.decider.stage == Stage::Guard => (code::POLICY_REFUSED, by.reason.text.clone()),
        Denial::Refused { .. } | Denial::Hidden { .. } | Denial::Unauthenticated { .. } => {
            (code::POLICY_REFUSED, "refused by policy".to_owned())
        }
    }
}

fn policy_unavailable(stage: Stage) -> String {
    format!("the policy that decides this is unavailable ({stage}): see the gateway's log")
}
