//! Streamable HTTP as the revisions 2025-03-26 to 2025-11-25 have it: with
//! `initialize` and sessions. Newer revisions are told to fall back.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::downstream::sessions::Session;
use crate::downstream::{Exchange, MAX_BODY_BYTES, methods, reply};
use crate::gateway::Gateway;
use crate::pipeline;
use crate::protocol::ProtocolVersion;
use crate::upstream::{Cancellation, ClientDeclaration, NoClient, Pairing};
use crate::walk::Caller;
use crate::wire::{Id, Message, Request, code, error_response_with_data};

mod initialize;

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// MCP's own code for a revision that is not served, of 2026-07-28.
const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;

/// What is wrong with the HTTP request, already as the answer.
type Refused = Box<Response>;

pub(super) async fn serve(gateway: &Arc<Gateway>, exchange: &Exchange, body: Body) -> Response {
    let answer = match exchange.head.method {
        Method::POST => post(gateway, exchange, body).await,
        Method::DELETE => delete(gateway, exchange).await,
        _ => Ok(method_not_allowed()),
    };
    answer.unwrap_or_else(|refused| *refused)
}

/// There is no stream of its own for notifications yet, so GET is refused, as the transport allows.
fn method_not_allowed() -> Response {
    let mut response =
        reply::plain_error(StatusCode::METHOD_NOT_ALLOWED, "use POST to send messages and DELETE to end the session");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
    response
}

async fn post(gateway: &Arc<Gateway>, exchange: &Exchange, body: Body) -> Result<Response, Refused> {
    check_media_types(&exchange.head.headers)?;
    let body = read_body(exchange, body).await?;
    let message = Message::parse(body)
        .map_err(|error| Box::new(reply::rpc_error(StatusCode::BAD_REQUEST, None, error.code(), &error.to_string())))?;
    match message {
        Message::Request(request) if request.method() == "initialize" => {
            initialize::initialize(gateway, exchange, &request).await
        }
        Message::Request(request) => {
            let caller = caller(gateway, exchange, request.method(), Some(&request.id()))?;
            Ok(reply::json(StatusCode::OK, methods::answer(gateway, caller, request).await))
        }
        // Nothing that a client notifies of, or answers, concerns an upstream yet.
        Message::Notification(notification) => {
            caller(gateway, exchange, notification.method(), None)?;
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
        Message::Response(_) => {
            caller(gateway, exchange, "response", None)?;
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
    }
}

async fn delete(gateway: &Gateway, exchange: &Exchange) -> Result<Response, Refused> {
    let session = session(gateway, exchange, None)?;
    gateway.sessions.close(&session);
    gateway.upstreams.end_paired(&session.id).await;
    Ok(reply::empty(StatusCode::NO_CONTENT))
}

fn check_media_types(headers: &HeaderMap) -> Result<(), Refused> {
    let is_json = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, None, "Content-Type must be application/json"));
    }
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        return Err(refused(
            StatusCode::NOT_ACCEPTABLE,
            None,
            "Accept must list both application/json and text/event-stream",
        ));
    }
    Ok(())
}

/// Without the header anything is acceptable, as HTTP has it.
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let kind = media_type.split('/').next().unwrap_or_default();
    accepted.peek().is_none()
        || accepted.flat_map(|value| value.split(',')).any(|range| {
            let range = range.split(';').next().unwrap_or_default().trim();
            range == "*/*"
                || range.eq_ignore_ascii_case(media_type)
                || range.strip_suffix("/*").is_some_and(|accepted| accepted.eq_ignore_ascii_case(kind))
        })
}

async fn read_body(exchange: &Exchange, body: Body) -> Result<Bytes, Refused> {
    axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
        tracing::debug!(request.id = %exchange.id, %error, "the body could not be read");
        let message = format!("the body could not be read, or is longer than {} MiB", MAX_BODY_BYTES >> 20);
        refused(StatusCode::PAYLOAD_TOO_LARGE, None, &message)
    })
}

/// Whom the message acts for, by its session.
fn caller(gateway: &Gateway, exchange: &Exchange, method: &str, id: Option<&Id>) -> Result<Caller, Refused> {
    check_version_header(&exchange.head.headers, id)?;
    let session = session(gateway, exchange, id)?;
    Ok(Caller {
        request: policy_request(exchange, method),
        principal: Arc::clone(&exchange.principal),
        client: ClientDeclaration::plain(session.protocol_version),
        session: Some(Pairing { id: Arc::clone(&session.id), counterpart: Arc::new(NoClient) }),
        counterpart: Arc::new(NoClient),
        cancellation: Cancellation::default(),
        log_level: None,
        reaches_disabled: false,
    })
}

fn policy_request(exchange: &Exchange, method: &str) -> pipeline::Request {
    pipeline::Request { id: Arc::clone(&exchange.id), endpoint: exchange.endpoint.clone(), method: method.into() }
}

fn session(gateway: &Gateway, exchange: &Exchange, id: Option<&Id>) -> Result<Arc<Session>, Refused> {
    let Some(session_id) = exchange.head.headers.get(SESSION_ID) else {
        let message = "Mcp-Session-Id is missing: send initialize first, then its answer's session id";
        return Err(refused(StatusCode::BAD_REQUEST, id, message));
    };
    let session_id = session_id.to_str().unwrap_or_default();
    gateway
        .sessions
        .find(session_id, &exchange.endpoint, &exchange.principal)
        .ok_or_else(|| refused(StatusCode::NOT_FOUND, id, "session not found: send initialize to start a new one"))
}

/// A revision that is not served here: the answer says which are, so that a
/// client that probed for a newer era can fall back.
fn check_version_header(headers: &HeaderMap, id: Option<&Id>) -> Result<(), Refused> {
    let Some(value) = headers.get(PROTOCOL_VERSION) else { return Ok(()) };
    let requested = value.to_str().unwrap_or("(not text)");
    if ProtocolVersion::parse(requested).is_some() {
        return Ok(());
    }
    let supported = ProtocolVersion::ALL.map(ProtocolVersion::as_str);
    let data = serde_json::json!({ "supported": supported, "requested": requested }).to_string();
    let message = format!("unsupported protocol version '{}'", requested.escape_default());
    let body = error_response_with_data(id, UNSUPPORTED_PROTOCOL_VERSION, &message, Some(&data));
    Err(Box::new(reply::json(StatusCode::BAD_REQUEST, [body])))
}

fn refused(status: StatusCode, id: Option<&Id>, message: &str) -> Refused {
    Box::new(reply::rpc_error(status, id, code::INVALID_REQUEST, message))
}

/// What is wrong with a request's parameters.
fn invalid_params(request: &Request, message: &str) -> Refused {
    Box::new(reply::rpc_error(StatusCode::BAD_REQUEST, Some(&request.id()), code::INVALID_PARAMS, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(value))])
    }

    #[test]
    fn both_media_types_must_be_acceptable() {
        let both = |headers: &HeaderMap| accepts(headers, "application/json") && accepts(headers, "text/event-stream");
        assert!(both(&HeaderMap::new()));
        for good in [
            "application/json, text/event-stream",
            "*/*",
            "text/*;q=0.5,application/*",
            "Text/Event-Stream,application/JSON",
        ] {
            assert!(both(&accept(good)), "{good}");
        }
        for bad in ["application/json", "text/event-stream", "text/html", ""] {
            assert!(!both(&accept(bad)), "{bad}");
        }
    }
}
