//! An upstream session over HTTP with server-sent events, protocol revision
//! 2024-11-05: one stream brings everything, and names the endpoint to post to.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::names::ServerName;
use crate::upstream::UpstreamError;
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::http::exchange::Channel;
use crate::upstream::inbox::{Inbox, Pending};
use crate::upstream::outbox::{IGNORES_ANSWERS, Outbox, Posted};
use crate::upstream::session::Opening;
use crate::wire::{self, Response};

mod outbox;
mod stream;

use outbox::{POSTS_AT_ONCE, Postbox};
use stream::EventStream;

/// A session: the connection that its stream of events came on. Ends when it is dropped.
pub(in crate::upstream) struct SseSession {
    server: ServerName,
    outbox: Outbox,
    pending: Arc<Pending>,
    /// Cancelled when the stream has ended.
    closed: CancellationToken,
    /// Dropping it ends the stream.
    _closing: DropGuard,
}

impl SseSession {
    /// Connects, learns the endpoint and performs the handshake.
    pub(in crate::upstream) async fn open(
        opening: Opening<'_>,
        url: &Url,
        client: reqwest::Client,
        injected: &HeaderMap,
    ) -> Result<(Self, Handshake), UpstreamError> {
        let Opening { server, initialize, switchboard, health, background, work, .. } = opening;
        let mut channel = Channel {
            server: server.clone(),
            url: url.clone(),
            client,
            headers: injected.clone(),
            switchboard: Arc::clone(&switchboard),
            background: background.clone(),
            replies: Arc::default(),
            given_up: CancellationToken::new(),
            health,
        };
        let mut stream = EventStream::open(&channel).await?;
        channel.url = stream.read_endpoint(&channel).await?;
        channel.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));

        let closing = CancellationToken::new();
        let (outbox, outgoing) = Outbox::new(POSTS_AT_ONCE);
        let pending = Arc::new(Pending::default());
        let inbox = Inbox {
            server: server.clone(),
            pending: Arc::clone(&pending),
            switchboard,
            outbox: outbox.downgrade(),
            closing: closing.clone(),
        };
        background.spawn(stream.read(inbox, work));
        let postbox = Postbox::new(channel, Arc::clone(&pending));
        background.spawn(Arc::clone(&postbox).post_all(outgoing, closing.clone()));
        let (server_name, closed) = (server.clone(), closing.clone());
        let session = Self { server: server_name, outbox, pending, closed, _closing: closing.drop_guard() };
        let handshake = handshake::read_initialize(server, &session.call(0, &initialize, session.room().await).await?)?;
        postbox.post_in_turn(handshake::initialized_notification(), None).await;
        if session.is_closed() { Err(session.explain_end()) } else { Ok((session, handshake)) }
    }

    /// Sends a request and waits for its response. If the caller gives up, the server
    /// is left to finish it.
    pub(in crate::upstream) async fn call(
        &self,
        id: u64,
        request: &wire::Request,
        room: OwnedSemaphorePermit,
    ) -> Result<Response, UpstreamError> {
        let Some(answer) = self.pending.expect(id) else { return Err(self.explain_end()) };
        if !self.outbox.send(request.render(id), room) {
            return Err(self.explain_end());
        }
        answer.wait().await.unwrap_or_else(|| Err(self.explain_end()))
    }

    /// Waits for room for a call.
    pub(in crate::upstream) async fn room(&self) -> OwnedSemaphorePermit {
        self.outbox.room().await
    }

    /// Sends a message that has no answer.
    pub(in crate::upstream) fn notify(&self, message: Bytes) {
        if self.outbox.send_aside(message) == Posted::Lost {
            self.pending.close(Some(IGNORES_ANSWERS.to_owned()));
        }
    }

    /// Whether the stream has ended.
    pub(in crate::upstream) fn is_closed(&self) -> bool {
        self.pending.is_closed() || self.outbox.is_closed()
    }

    /// Resolves when the stream has ended.
    pub(in crate::upstream) async fn stream_ended(&self) {
        self.closed.cancelled().await;
    }

    fn explain_end(&self) -> UpstreamError {
        let how = self.pending.give_up_reason().unwrap_or_else(|| "the event stream ended".to_owned());
        UpstreamError::Closed { server: self.server.clone(), how }
    }
}
