//! An upstream session over Streamable HTTP, protocol revisions 2025-03-26 to
//! 2025-11-25; `sse` is the older transport over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use crate::protocol::ProtocolVersion;
use crate::upstream::UpstreamError;
use crate::upstream::background::WorkToCome;
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::outbox::{IGNORES_ANSWERS, Posted};
use crate::upstream::session::Opening;
use crate::wire::{self, Response};

mod client;
mod exchange;
mod listen;
mod notices;
mod sse;
mod stream;

pub(super) use client::HttpClients;
pub(super) use exchange::{ANSWER_LIMIT_BYTES, CallFailure};
use exchange::{Channel, SESSION_ID};
pub(super) use listen::Listening;
use notices::Notices;
pub(super) use sse::SseSession;

const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// A session, or for a server that issues no session id, what one handshake found out.
pub(super) struct HttpSession {
    channel: Arc<Channel>,
    notices: Arc<Notices>,
    /// Dropping it ends the listening.
    listener: Option<AbortOnDropHandle<()>>,
    /// Cancelled when there is a stream to listen to.
    listening_begun: CancellationToken,
    /// Cancelled when the server lets us listen no longer.
    listening_ended: CancellationToken,
    /// For the end of the session.
    _work: WorkToCome,
}

impl HttpSession {
    /// Performs the handshake. The session ends when it is dropped; so does a
    /// half-made one.
    pub(super) async fn open(
        opening: Opening<'_>,
        url: &Url,
        client: reqwest::Client,
        injected: &HeaderMap,
    ) -> Result<(Self, Handshake), UpstreamError> {
        let Opening { server, initialize, switchboard, listening, health, background, work } = opening;
        let headers = with_media_types(injected);
        let mut channel = Channel {
            server: server.clone(),
            url: url.clone(),
            client,
            headers,
            switchboard,
            background: background.clone(),
            replies: Arc::default(),
            given_up: CancellationToken::new(),
            health,
        };
        let asked = Arc::new(channel.clone());
        let answer = asked.ask(0, initialize.render(0)).await.map_err(|failure| failure.error)?;
        if let Some(session_id) = answer.session_id {
            channel
                .headers
                .insert(SESSION_ID, visible(session_id).ok_or_else(|| asked.invalid("its session id is malformed"))?);
        }
        // From here on, dropping it ends what the server has opened.
        let mut session = Self {
            channel: Arc::new(channel),
            notices: Arc::default(),
            listener: None,
            listening_begun: CancellationToken::new(),
            listening_ended: CancellationToken::new(),
            _work: work,
        };
        let handshake = handshake::read_initialize(server, &answer.response)?;
        session.speak(handshake.version);
        session.channel.tell(handshake::initialized_notification()).await.map_err(|failure| failure.error)?;
        if let Some(listening) = listening.filter(|_| session.has_id()) {
            let (channel, ended) = (Arc::clone(&session.channel), session.listening_ended.clone().drop_guard());
            let begun = session.listening_begun.clone();
            session.listener = Some(AbortOnDropHandle::new(tokio::spawn(async move {
                let _ended = ended;
                channel.listen(listening, begun).await;
            })));
        } else {
            session.listening_ended.cancel();
        }
        Ok((session, handshake))
    }

    /// Sends a request and waits for its response.
    pub(super) async fn call(&self, id: u64, request: &wire::Request) -> Result<Response, CallFailure> {
        tokio::select! {
            biased;
            answer = self.channel.ask(id, request.render(id)) => Ok(answer?.response),
            () = self.channel.given_up.cancelled() => Err(self.channel.closed(IGNORES_ANSWERS).into()),
        }
    }

    /// Whether the server was given up.
    pub(super) fn is_closed(&self) -> bool {
        self.channel.given_up.is_cancelled()
    }

    /// Sends a message that has no answer, after those sent so before.
    pub(super) fn notify(&self, message: Bytes) {
        if self.notices.send(&self.channel, message) == Posted::Lost {
            tracing::warn!(upstream.server = %self.channel.server, "a message too many for the server is lost");
        }
    }

    /// Whether the server keeps state for this session.
    pub(super) fn has_id(&self) -> bool {
        self.channel.headers.contains_key(SESSION_ID)
    }

    /// Resolves when nothing is listened to, be it no longer or never.
    pub(super) async fn listening_ended(&self) {
        self.listening_ended.cancelled().await;
    }

    /// Cancelled when there was a stream to listen to.
    pub(super) fn listening_begun(&self) -> &CancellationToken {
        &self.listening_begun
    }

    fn speak(&mut self, version: ProtocolVersion) {
        // The header came with this revision; older servers may refuse what they do not know.
        if version >= ProtocolVersion::V2025_06_18 {
            let value = HeaderValue::from_static(version.as_str());
            Arc::make_mut(&mut self.channel).headers.insert(PROTOCOL_VERSION, value);
        }
    }
}

impl Drop for HttpSession {
    fn drop(&mut self) {
        // First, so that the server does not see a stream of a session that it has ended.
        self.listener = None;
        if self.has_id() {
            let channel = Arc::clone(&self.channel);
            self.channel.background.spawn(async move { channel.delete_session().await });
        }
    }
}

fn with_media_types(injected: &HeaderMap) -> HeaderMap {
    let mut headers = injected.clone();
    // These two are the session's own.
    headers.remove(SESSION_ID);
    headers.remove(PROTOCOL_VERSION);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers
}

/// A session id consists of visible ASCII characters only.
fn visible(session_id: HeaderValue) -> Option<HeaderValue> {
    let bytes = session_id.as_bytes();
    (!bytes.is_empty() && bytes.iter().all(u8::is_ascii_graphic)).then_some(session_id)
}
