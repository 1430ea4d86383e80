//! HTTP+SSE, the transport of revision 2024-11-05, for clients that know no other:
//! one stream for all that the client is told, and a second path for what it says.

use std::sync::{Arc, Weak};

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};
use http::header::{ALLOW, HeaderValue};
use http::{Method, StatusCode};

use crate::downstream::call::CallLink;
use crate::downstream::initialize::Introduction;
use crate::downstream::session::{Delivery, Session};
use crate::downstream::{Exchange, Refused, initialize, legacy, methods, own_token, reply, sessions};
use crate::gateway::Gateway;
use crate::pipeline::Endpoint;
use crate::slow_lane;
use crate::wire::{Message, Request, code, error_response, result_parts};

/// The parameter of the message path that names the session.
const SESSION_PARAMETER: &str = "sessionId";

/// `GET /sse`: opens a session, which lasts as long as its stream.
pub(super) async fn listen(gateway: &Arc<Gateway>, exchange: &Exchange) -> Response {
    if exchange.head.method != Method::GET {
        return not_allowed("GET", "use GET to open the stream; its first event says where messages go");
    }
    let Some(session) = sessions::open(gateway, exchange, Delivery::OneStream) else {
        return reply::plain_error(StatusCode::SERVICE_UNAVAILABLE, "no session could be opened");
    };
    let path = format!("{}?{SESSION_PARAMETER}={}", message_path(&exchange.endpoint), session.id);
    session.general().announce("endpoint", &path);
    let closing = CloseWithStream { gateway: Arc::downgrade(gateway), session: Arc::clone(&session) };
    let frames = session.listen().into_data_stream();
    let frames = stream::unfold((frames, closing), async |(mut frames, closing)| {
        let frame = frames.next().await?;
        Some((frame, (frames, closing)))
    });
    reply::event_stream(Body::from_stream(frames))
}

/// `POST /message?sessionId=…`: takes one message; what answers it comes on the stream.
pub(super) async fn receive(gateway: &Arc<Gateway>, exchange: Exchange, body: Body) -> Response {
    if exchange.head.method != Method::POST {
        return not_allowed("POST", "use POST to send messages");
    }
    match take(gateway, exchange, body).await {
        Ok(()) => reply::empty(StatusCode::ACCEPTED),
        Err(refused) => *refused,
    }
}

async fn take(gateway: &Arc<Gateway>, mut exchange: Exchange, body: Body) -> Result<(), Refused> {
    let body = legacy::read_body(gateway, &mut exchange, body).await?;
    let session = find_session(gateway, &exchange)?;
    let message = Message::parse(body)
        .map_err(|error| Box::new(reply::rpc_error(StatusCode::BAD_REQUEST, None, error.code(), &error.to_string())))?;
    own_token::check(&exchange, &message)?;
    match message {
        Message::Request(request) => {
            let gateway = Arc::clone(gateway);
            // Before anything else is taken: a cancellation may come right behind.
            let link = methods::is_forwarded(request.method(), &session).then(|| session.begin_call(request.id()));
            // The answer comes on another connection, however long it takes.
            let answering = async move { answer(&gateway, &exchange, &session, request, link).await };
            tokio::spawn(slow_lane::wait(answering));
        }
        Message::Notification(notification) => methods::notified(gateway, &exchange, &session, notification).await,
        Message::Response(response) => session.answer(&response),
    }
    Ok(())
}

fn find_session(gateway: &Gateway, exchange: &Exchange) -> Result<Arc<Session>, Refused> {
    let query = exchange.head.uri.query().unwrap_or_default();
    let id = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == SESSION_PARAMETER);
    let Some((_, id)) = id else {
        let message = format!("the parameter {SESSION_PARAMETER} is missing: send messages where the stream says");
        return Err(Box::new(reply::plain_error(StatusCode::BAD_REQUEST, &message)));
    };
    gateway
        .sessions
        .find(&id, &exchange.endpoint, &exchange.caller(), Delivery::OneStream)
        .ok_or_else(|| Box::new(reply::plain_error(StatusCode::NOT_FOUND, "session not found: open a new stream")))
}

/// Answers a request, with its `link` if it is forwarded.
async fn answer(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    session: &Arc<Session>,
    request: Request,
    link: Option<Arc<CallLink>>,
) {
    let id = request.id();
    if session.declared().is_none() && !matches!(request.method(), "initialize" | "ping") {
        let refusal = error_response(Some(&id), code::INVALID_REQUEST, "send initialize first");
        return session.general().send(refusal);
    }
    let answer = match &link {
        _ if request.method() == "initialize" => Some(introduce(gateway, exchange, session, &request).await),
        Some(link) => {
            let side: Arc<CallLink> = Arc::clone(link);
            let caller = methods::caller(exchange, session, request.method(), side);
            let answer = methods::forward(Arc::clone(gateway), Arc::clone(session), caller, request).await;
            answer.map(|parts| parts.concat().into())
        }
        None => Some(methods::answer(gateway, exchange, session, &request).await.concat().into()),
    };
    if let Some(answer) = answer {
        session.general().send(answer);
    }
    // Only now the call has ended.
    drop(link);
}

async fn introduce(gateway: &Gateway, exchange: &Exchange, session: &Session, request: &Request) -> Bytes {
    let id = request.id();
    match initialize::introduce(gateway, exchange, request).await {
        Ok(Introduction { client, result }) if session.declare(&client) => result_parts(&id, result).concat().into(),
        Ok(_) => error_response(Some(&id), code::INVALID_REQUEST, "this session is initialized already"),
        Err(refused) => refused.message(&id),
    }
}

/// Where a client of this endpoint sends its messages.
fn message_path(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Group(group) => format!("/v0/groups/{group}/message"),
        Endpoint::Server(server) => format!("/v0/servers/{server}/message"),
        Endpoint::Main | Endpoint::Api => "/message".to_owned(),
    }
}

fn not_allowed(allowed: &'static str, message: &str) -> Response {
    let mut response = reply::plain_error(StatusCode::METHOD_NOT_ALLOWED, message);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Dropped with the stream: the session ends with its connection.
struct CloseWithStream {
    gateway: Weak<Gateway>,
    session: Arc<Session>,
}

impl Drop for CloseWithStream {
    fn drop(&mut self) {
        if let Some(gateway) = self.gateway.upgrade() {
            sessions::close(&gateway, &self.session);
        }
    }
}
