//! What is sent to an MCP endpoint, and what comes back for it.

use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::names::ServerName;
use crate::upstream::UpstreamError;
use crate::upstream::background::Background;
use crate::upstream::error::{is_loopback, shown_url};
use crate::upstream::health::ServerHealth;
use crate::upstream::http::notices::Notices;
use crate::upstream::outbox::Posted;
use crate::upstream::switchboard::Switchboard;
use crate::wire::{Message, Response};

/// The most that an answer may hold: large files come as base64 in one message, and
/// a gateway that takes any number of bytes can be filled up by one server.
pub(in crate::upstream) const ANSWER_LIMIT_BYTES: usize = 64 << 20;
/// As much of a refusal is read as tells why.
const REFUSAL_LIMIT_BYTES: usize = 64 << 10;
/// For the end of a session.
const DELETE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";

/// An endpoint, with the headers of every message to it.
#[derive(Clone)]
pub(super) struct Channel {
    pub(super) server: ServerName,
    pub(super) url: Url,
    pub(super) client: reqwest::Client,
    pub(super) headers: HeaderMap,
    /// Takes what the server sends on its own.
    pub(super) switchboard: Arc<Switchboard>,
    /// Where work goes on that nobody waits for.
    pub(super) background: Background,
    /// The answers to the server's own requests, and progress about them.
    pub(super) replies: Arc<Notices>,
    /// Cancelled when an answer had to be dropped: who waits for it may wait for ever.
    pub(super) given_up: CancellationToken,
    /// Told when the server begins to answer.
    pub(super) health: Option<Arc<ServerHealth>>,
}

/// What came back for a request.
pub(super) struct Answer {
    pub(super) response: Response,
    /// The session that the server opened with it, if any.
    pub(super) session_id: Option<HeaderValue>,
}

/// Why nothing came back for a request.
#[derive(Debug)]
pub(in crate::upstream) struct CallFailure {
    pub(in crate::upstream) error: UpstreamError,
    /// The server did not look at the request, because it does not know the session:
    /// the request can safely be sent again on another one.
    pub(in crate::upstream) session_gone: bool,
}

impl CallFailure {
    /// The HTTP status, where that is what went wrong.
    pub(super) fn status(&self) -> Option<u16> {
        match self.error {
            UpstreamError::HttpStatus { status, .. } => Some(status),
            _ => None,
        }
    }
}

impl From<UpstreamError> for CallFailure {
    fn from(error: UpstreamError) -> Self {
        Self { error, session_gone: false }
    }
}

impl Channel {
    /// Sends request `id` and waits for its response.
    pub(super) async fn ask(self: &Arc<Self>, id: u64, body: Bytes) -> Result<Answer, CallFailure> {
        let reply = self.send(Method::POST, Some(body)).await?;
        if !reply.status().is_success() {
            return Box::pin(self.read_refusal(id, reply)).await;
        }
        let session_id = reply.headers().get(SESSION_ID).cloned();
        let response = match media_type(&reply) {
            MediaType::Json => self.read_json(id, reply).await?,
            MediaType::EventStream => Box::pin(self.read_stream(id, reply)).await?,
            MediaType::Other => return Err(self.invalid("it is neither JSON nor an event stream").into()),
        };
        Ok(Answer { response, session_id })
    }

    /// Sends a message that has no response.
    pub(super) async fn tell(&self, body: Bytes) -> Result<(), CallFailure> {
        let reply = self.send(Method::POST, Some(body)).await?;
        if reply.status().is_success() { Ok(()) } else { Err(self.refusal(reply.status()).into()) }
    }

    /// Ends the session. A server that does not know how is left as it is.
    pub(super) async fn delete_session(&self) {
        let outcome = tokio::time::timeout(DELETE_TIMEOUT, self.send(Method::DELETE, None)).await;
        if !matches!(outcome, Ok(Ok(_))) {
            tracing::debug!(upstream.server = %self.server, "an upstream session could not be ended");
        }
    }

    async fn send(&self, method: Method, body: Option<Bytes>) -> Result<reqwest::Response, UpstreamError> {
        let mut request = reqwest::Request::new(method, self.url.clone());
        *request.headers_mut() = self.headers.clone();
        *request.body_mut() = body.map(Into::into);
        self.execute(request).await
    }

    /// Asks for a stream, from its start or from what came after an event.
    pub(super) async fn open_stream(&self, after: Option<HeaderValue>) -> Result<reqwest::Response, UpstreamError> {
        let mut request = reqwest::Request::new(Method::GET, self.url.clone());
        let mut headers = self.headers.clone();
        headers.remove(CONTENT_TYPE);
        headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(after) = after {
            headers.insert(LAST_EVENT_ID, after);
        }
        *request.headers_mut() = headers;
        let reply = self.execute(request).await?;
        match media_type(&reply) {
            _ if !reply.status().is_success() => Err(self.refusal(reply.status())),
            MediaType::EventStream => Ok(reply),
            MediaType::Json | MediaType::Other => Err(self.invalid("it is no event stream")),
        }
    }

    async fn execute(&self, request: reqwest::Request) -> Result<reqwest::Response, UpstreamError> {
        let reply = self.client.execute(request).await.map_err(|error| self.explain(&error))?;
        if let Some(health) = &self.health {
            health.note_reply();
        }
        Ok(reply)
    }

    async fn read_json(&self, id: u64, mut reply: reqwest::Response) -> Result<Response, UpstreamError> {
        let body = self.read_body(&mut reply, ANSWER_LIMIT_BYTES).await?;
        match Message::parse(body) {
            Ok(Message::Response(response)) if response.id().as_u64() == Some(id) => Ok(response),
            Ok(Message::Response(_)) => Err(self.invalid("it answers another request")),
            Ok(Message::Request(_) | Message::Notification(_)) => Err(self.invalid("it is not a response")),
            Err(error) => Err(self.invalid(&error.to_string())),
        }
    }

    /// The way back for the answer to a request of the server's.
    pub(super) fn backchannel(self: &Arc<Self>) -> impl Fn(Bytes) + Send + Sync + 'static {
        // Weak: who is to answer may be kept by the session itself.
        let channel: Weak<Self> = Arc::downgrade(self);
        move |response| {
            let Some(channel) = channel.upgrade() else { return };
            if channel.replies.send(&channel, response) == Posted::Lost {
                tracing::warn!(upstream.server = %channel.server, "a server asks and does not take the answers");
                channel.given_up.cancel();
            }
        }
    }

    pub(super) fn spawn_bounded(&self, limit: Duration, work: impl Future<Output = ()> + Send + 'static) {
        self.background.spawn(async move {
            // Nobody waits for it, and its failure changes nothing.
            let _ = tokio::time::timeout(limit, work).await;
        });
    }

    async fn read_body(&self, reply: &mut reqwest::Response, limit_bytes: usize) -> Result<Bytes, UpstreamError> {
        let announced = reply.content_length().unwrap_or(0);
        if announced > limit_bytes as u64 {
            return Err(self.too_large(limit_bytes));
        }
        let mut next = async || reply.chunk().await.map_err(|error| self.explain(&error));
        // A body that came in one piece is taken as it is.
        let first = next().await?.unwrap_or_default();
        let Some(second) = next().await? else { return Ok(first) };
        let mut whole = BytesMut::with_capacity((announced as usize).max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut piece = Some(second);
        while let Some(bytes) = piece {
            if whole.len() + bytes.len() > limit_bytes {
                return Err(self.too_large(limit_bytes));
            }
            whole.extend_from_slice(&bytes);
            piece = next().await?;
        }
        Ok(whole.freeze())
    }

    /// An answer with an error status may still hold a JSON-RPC error for this very
    /// request, which then is the upstream's answer. Refused credentials never are:
    /// a client must not take them for its own.
    async fn read_refusal(&self, id: u64, mut reply: reqwest::Response) -> Result<Answer, CallFailure> {
        let status = reply.status();
        let error = self.refusal(status);
        if matches!(error, UpstreamError::Unauthorized { .. }) {
            return Err(error.into());
        }
        let body = self.read_body(&mut reply, REFUSAL_LIMIT_BYTES).await.unwrap_or_default();
        match Message::parse(body.clone()) {
            // Before its words are looked at: a tool may speak of sessions of its own.
            Ok(Message::Response(response)) if response.id().as_u64() == Some(id) => {
                Ok(Answer { response, session_id: None })
            }
            _ => Err(CallFailure { error, session_gone: self.tells_of_no_session(status, &body) }),
        }
    }

    /// The specification says 404 for a session that is gone; many servers say 400
    /// and mean it, also to those who have no session.
    fn tells_of_no_session(&self, status: StatusCode, body: &[u8]) -> bool {
        let has_session = self.headers.contains_key(SESSION_ID);
        let body = String::from_utf8_lossy(body).to_ascii_lowercase();
        match status {
            StatusCode::NOT_FOUND => has_session || body.contains("session"),
            StatusCode::BAD_REQUEST => body.contains("session") || body.contains("not initialized"),
            _ => false,
        }
    }

    fn refusal(&self, status: StatusCode) -> UpstreamError {
        let (server, status) = (self.server.clone(), status.as_u16());
        match status {
            401 | 403 => UpstreamError::Unauthorized { server, status },
            _ => UpstreamError::HttpStatus { server, status },
        }
    }

    /// What went wrong on the way, told by its innermost cause; the rest may quote
    /// the URL.
    pub(super) fn explain(&self, error: &reqwest::Error) -> UpstreamError {
        let mut cause: &dyn std::error::Error = error;
        let mut refused = false;
        while let Some(source) = cause.source() {
            cause = source;
            refused |= is_refusal(cause);
        }
        let (server, url) = (self.server.clone(), shown_url(&self.url));
        if refused {
            UpstreamError::Refused { server, url, is_loopback: is_loopback(&self.url) }
        } else if error.is_connect() || error.is_builder() {
            UpstreamError::Unreachable { server, url, problem: cause.to_string() }
        } else {
            tracing::debug!(upstream.server = %server, problem = %cause, "the connection failed during a call");
            self.closed("the connection was closed")
        }
    }

    pub(super) fn invalid(&self, problem: &str) -> UpstreamError {
        UpstreamError::InvalidAnswer { server: self.server.clone(), problem: problem.to_owned() }
    }

    pub(super) fn too_large(&self, limit_bytes: usize) -> UpstreamError {
        UpstreamError::TooLarge { server: self.server.clone(), limit_bytes }
    }

    pub(super) fn closed(&self, how: &str) -> UpstreamError {
        UpstreamError::Closed { server: self.server.clone(), how: how.to_owned() }
    }
}

fn is_refusal(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

enum MediaType {
    Json,
    EventStream,
    Other,
}

fn media_type(reply: &reqwest::Response) -> MediaType {
    let value = reply.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if essence.eq_ignore_ascii_case(b"application/json") {
        MediaType::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        MediaType::EventStream
    } else {
        MediaType::Other
    }
}
