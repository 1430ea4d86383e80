//! Streamable HTTP as the revisions 2025-03-26 to 2025-11-25 have it: with
//! `initialize` and sessions. Newer revisions are told to fall back.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::downstream::call::CallLink;
use crate::downstream::event_stream::{EventStream, NotResumable};
use crate::downstream::session::{Delivery, Session};
use crate::downstream::{
    Exchange, MAX_BODY_BYTES, Refused, credentials, initialize, methods, own_token, reply, sessions,
};
use crate::gateway::Gateway;
use crate::protocol::ProtocolVersion;
use crate::slow_lane;
use crate::wire::{Id, Message, Request, code, error_response_with_data, result_parts};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// MCP's own code for a revision that is not served, of 2026-07-28.
const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;

/// An answer that takes longer comes as a stream: clients and proxies give up on a
/// response that does not begin.
const STREAM_AFTER: Duration = Duration::from_secs(1);

pub(super) async fn serve(gateway: &Arc<Gateway>, exchange: Exchange, body: Body) -> Response {
    let answer = match exchange.head.method {
        Method::POST => post(gateway, exchange, body).await,
        Method::GET => get(gateway, &exchange),
        Method::DELETE => delete(gateway, &exchange),
        _ => Ok(method_not_allowed()),
    };
    answer.unwrap_or_else(|refused| *refused)
}

fn method_not_allowed() -> Response {
    let mut response = reply::plain_error(
        StatusCode::METHOD_NOT_ALLOWED,
        "use POST to send messages, GET to listen and DELETE to end the session",
    );
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, GET, DELETE"));
    response
}

async fn post(gateway: &Arc<Gateway>, mut exchange: Exchange, body: Body) -> Result<Response, Refused> {
    check_media_types(&exchange.head.headers)?;
    let body = read_body(gateway, &mut exchange, body).await?;
    let exchange = &exchange;
    let message = Message::parse(body)
        .map_err(|error| Box::new(reply::rpc_error(StatusCode::BAD_REQUEST, None, error.code(), &error.to_string())))?;
    own_token::check(exchange, &message)?;
    match message {
        Message::Request(request) if request.method() == "initialize" => {
            Box::pin(open_session(gateway, exchange, &request)).await
        }
        Message::Request(request) => {
            let session = session(gateway, exchange, Some(&request.id()))?;
            Ok(respond(gateway, exchange, &session, request).await)
        }
        Message::Notification(notification) => {
            let session = session(gateway, exchange, None)?;
            Box::pin(methods::notified(gateway, exchange, &session, notification)).await;
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
        Message::Response(response) => {
            session(gateway, exchange, None)?.answer(&response);
            Ok(reply::empty(StatusCode::ACCEPTED))
        }
    }
}

async fn open_session(gateway: &Arc<Gateway>, exchange: &Exchange, request: &Request) -> Result<Response, Refused> {
    let introduction = initialize::introduce(gateway, exchange, request)
        .await
        .map_err(|refused| Box::new(refused.response(&request.id())))?;
    let session = sessions::open(gateway, exchange, Delivery::PerCall).ok_or_else(|| {
        let message = "no session could be opened: see the gateway's log";
        Box::new(reply::rpc_error(StatusCode::SERVICE_UNAVAILABLE, Some(&request.id()), code::INTERNAL_ERROR, message))
    })?;
    session.declare(&introduction.client);
    let mut response = reply::json(StatusCode::OK, result_parts(&request.id(), introduction.result));
    let session_id = HeaderValue::from_str(&session.id).expect("a session id is visible ASCII");
    response.headers_mut().insert(SESSION_ID, session_id);
    Ok(response)
}

/// As one JSON body where the answer is all that there is to say, and soon; otherwise
/// as a stream that begins with what comes before it.
async fn respond(gateway: &Arc<Gateway>, exchange: &Exchange, session: &Arc<Session>, request: Request) -> Response {
    if !methods::is_forwarded(request.method(), session) {
        return reply::json(StatusCode::OK, Box::pin(methods::answer(gateway, exchange, session, &request)).await);
    }
    let link = session.begin_call(request.id());
    let side: Arc<CallLink> = Arc::clone(&link);
    let caller = methods::caller(exchange, session, request.method(), side);
    let waiting = Waiting(&link);
    let mut answer = Box::pin(methods::forward(Arc::clone(gateway), Arc::clone(session), caller, request));
    let answered = tokio::select! {
        biased;
        answered = &mut answer => Some(answered),
        () = link.stream_opened() => None,
        () = tokio::time::sleep(STREAM_AFTER) => None,
    };
    std::mem::forget(waiting);
    match (answered, link.stream()) {
        (Some(Some(parts)), None) => reply::json(StatusCode::OK, parts),
        (Some(answered), _) => {
            let stream = link.open_stream();
            let body = stream.read();
            finish(stream, answered);
            reply::event_stream(body)
        }
        (None, _) => {
            let stream = Arc::clone(link.open_stream());
            let body = stream.read();
            // Not with the connection: what comes later can be read on another one.
            tokio::spawn(slow_lane::wait(async move { finish(&stream, answer.await) }));
            reply::event_stream(body)
        }
    }
}

/// A client that waits for its answer; dropped only when it has gone.
struct Waiting<'a>(&'a CallLink);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// The response ends the stream of its call; there is none for a call that was cancelled.
fn finish(stream: &EventStream, answer: Option<[Bytes; 3]>) {
    if let Some(parts) = answer {
        stream.send(parts.concat().into());
    }
    stream.end();
}

/// The stream for what belongs to no call, or one that broke.
fn get(gateway: &Arc<Gateway>, exchange: &Exchange) -> Result<Response, Refused> {
    let headers = &exchange.head.headers;
    if !accepts(headers, "text/event-stream") {
        return Err(refused(StatusCode::NOT_ACCEPTABLE, None, "Accept must list text/event-stream"));
    }
    let session = session(gateway, exchange, None)?;
    let body = match headers.get(LAST_EVENT_ID) {
        Some(event) => session.resume(event.to_str().unwrap_or_default()).map_err(not_resumable)?,
        None => session.listen(),
    };
    credentials::keep(gateway, exchange, &session);
    Ok(reply::event_stream(body))
}

/// Clients that missed nothing, but got no result, come back to a stream for ever,
/// unless they are told that there is none; 405 says that to all of them.
fn not_resumable(reason: NotResumable) -> Refused {
    match reason {
        NotResumable::Forgotten => {
            let message = "Last-Event-ID is not of a stream that can be resumed: GET without it to listen anew";
            refused(StatusCode::BAD_REQUEST, None, message)
        }
        NotResumable::Ended => {
            let message = "the stream of this Last-Event-ID has ended, and nothing follows that event";
            let mut response = reply::plain_error(StatusCode::METHOD_NOT_ALLOWED, message);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST, DELETE"));
            Box::new(response)
        }
    }
}

fn delete(gateway: &Arc<Gateway>, exchange: &Exchange) -> Result<Response, Refused> {
    let session = session(gateway, exchange, None)?;
    sessions::close(gateway, &session);
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

/// Reads the body; the exchange is that of whoever its sender is by then.
pub(super) async fn read_body(gateway: &Gateway, exchange: &mut Exchange, body: Body) -> Result<Bytes, Refused> {
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.map_err(|error| {
        tracing::debug!(request.id = %exchange.id, %error, "the body could not be read");
        let message = format!("the body could not be read, or is longer than {} MiB", MAX_BODY_BYTES >> 20);
        refused(StatusCode::PAYLOAD_TOO_LARGE, None, &message)
    })?;
    exchange.renew(gateway).await?;
    Ok(body)
}

fn session(gateway: &Gateway, exchange: &Exchange, id: Option<&Id>) -> Result<Arc<Session>, Refused> {
    check_version_header(&exchange.head.headers, id)?;
    let Some(session_id) = exchange.head.headers.get(SESSION_ID) else {
        let message = "Mcp-Session-Id is missing: send initialize first, then its answer's session id";
        return Err(refused(StatusCode::BAD_REQUEST, id, message));
    };
    let session_id = session_id.to_str().unwrap_or_default();
    gateway
        .sessions
        .find(session_id, &exchange.endpoint, &exchange.caller(), Delivery::PerCall)
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
