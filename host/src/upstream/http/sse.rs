//! An upstream session over HTTP with server-sent events, protocol revision
//! 2024-11-05: one stream brings everything, and names the endpoint to post to.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::names::ServerName;
use crate::upstream::UpstreamError;
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::http::exchange::{Channel, REPLIES_AT_ONCE};
use crate::upstream::inbox::{Inbox, Pending};
use crate::upstream::session::Opening;
use crate::wire::{self, Response};

mod outbox;
mod stream;

use outbox::Postbox;
use stream::EventStream;

/// How many messages may wait to be posted.
const OUTBOX_MESSAGES: usize = 64;

/// A session: the connection that its stream of events came on. Ends when it is dropped.
pub(in crate::upstream) struct SseSession {
    server: ServerName,
    outbox: mpsc::Sender<Bytes>,
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
        let Opening { server, initialize, switchboard, background, work, .. } = opening;
        let mut channel = Channel {
            server: server.clone(),
            url: url.clone(),
            client,
            headers: injected.clone(),
            switchboard: Arc::clone(&switchboard),
            background: background.clone(),
            replies: Arc::new(Semaphore::new(REPLIES_AT_ONCE)),
        };
        let mut stream = EventStream::open(&channel).await?;
        channel.url = stream.read_endpoint(&channel).await?;
        channel.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));

        let closing = CancellationToken::new();
        let (outbox, outgoing) = mpsc::channel(OUTBOX_MESSAGES);
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
        let handshake = handshake::read_initialize(server, &session.call(0, &initialize).await?)?;
        postbox.post_first(handshake::initialized_notification()).await;
        if session.is_closed() { Err(session.explain_end()) } else { Ok((session, handshake)) }
    }

    /// Sends a request and waits for its response. If the caller gives up, the server
    /// is left to finish it.
    pub(in crate::upstream) async fn call(&self, id: u64, request: &wire::Request) -> Result<Response, UpstreamError> {
        let Some(answer) = self.pending.expect(id) else { return Err(self.explain_end()) };
        if self.outbox.send(request.render(id)).await.is_err() {
            return Err(self.explain_end());
        }
        answer.wait().await.unwrap_or_else(|| Err(self.explain_end()))
    }

    /// Sends a message that has no answer, unless too many wait already.
    pub(in crate::upstream) fn notify(&self, message: Bytes) {
        if self.outbox.try_send(message).is_err() {
            tracing::debug!(upstream.server = %self.server, "a message too many for the server is lost");
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
