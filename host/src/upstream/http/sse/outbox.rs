//! What goes to the server of a session: each message is a POST of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::upstream::http::exchange::Channel;
use crate::upstream::inbox::Pending;
use crate::upstream::malformed::asked_id;
use crate::upstream::outbox::Outgoing;

/// How many calls may be on their way at once. Some servers hold the reply to the
/// POST until they have dealt with what it brought, so others must not wait for it.
pub(super) const POSTS_AT_ONCE: usize = 256;
/// For a message that nobody waits for an answer to.
const POST_TIMEOUT: Duration = Duration::from_secs(30);
/// So long others wait for a server to take what goes in turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// Posts the messages of one session.
pub(super) struct Postbox {
    /// The endpoint, with the headers of every message to it.
    channel: Channel,
    pending: Arc<Pending>,
}

impl Postbox {
    pub(super) fn new(channel: Channel, pending: Arc<Pending>) -> Arc<Self> {
        Arc::new(Self { channel, pending })
    }

    /// Posts a message that is no call, for one the end of the handshake. Waits until the
    /// server has taken it, because what is posted at the same time may overtake it.
    pub(super) async fn post_in_turn(self: &Arc<Self>, message: Bytes, room: Option<OwnedSemaphorePermit>) {
        let (postbox, (taken, is_taken)) = (Arc::clone(self), oneshot::channel());
        self.channel.background.spawn(async move {
            let _room = room;
            postbox.post(message).await;
            let _ = taken.send(());
        });
        // A server may hold its reply back for long; then the others go on, and so does the message.
        let _ = tokio::time::timeout(PATIENCE, is_taken).await;
    }

    /// Posts until the session is closed.
    pub(super) async fn post_all(
        self: Arc<Self>,
        mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
        closing: CancellationToken,
    ) {
        let (in_turn, asides) = mpsc::unbounded_channel();
        self.channel.background.spawn(Arc::clone(&self).post_asides(asides, closing.clone()));
        let posting = async {
            while let Some(Outgoing { message, is_call, room }) = outgoing.recv().await {
                if !is_call {
                    // Its receiver ends with the session only.
                    let _ = in_turn.send((message, room));
                    continue;
                }
                let (postbox, closing) = (Arc::clone(&self), closing.clone());
                self.channel.background.spawn(async move {
                    let _room = room;
                    tokio::select! {
                        () = postbox.post(message) => {}
                        () = closing.cancelled() => {}
                    }
                });
            }
        };
        tokio::select! {
            () = posting => {}
            () = closing.cancelled() => {}
        }
        closing.cancel();
    }

    /// One after the other: the order of what is said about one request counts.
    async fn post_asides(
        self: Arc<Self>,
        mut asides: mpsc::UnboundedReceiver<(Bytes, OwnedSemaphorePermit)>,
        closing: CancellationToken,
    ) {
        let posting = async {
            while let Some((message, room)) = asides.recv().await {
                self.post_in_turn(message, Some(room)).await;
            }
        };
        tokio::select! {
            () = posting => {}
            () = closing.cancelled() => {}
        }
    }

    /// Posts one message; if it is not taken, whoever waits for an answer to it is told.
    async fn post(&self, message: Bytes) {
        let id = asked_id(&message);
        let posted = match id {
            Some(_) => self.channel.tell(message).await,
            None => match tokio::time::timeout(POST_TIMEOUT, self.channel.tell(message)).await {
                Ok(posted) => posted,
                Err(_) => return tracing::debug!(upstream.server = %self.channel.server, "a message was not taken"),
            },
        };
        let Err(failure) = posted else { return };
        let is_unknown_session = failure.status() == Some(StatusCode::NOT_FOUND.as_u16());
        if !self.pending.answer(id, Err(failure.error)) {
            tracing::debug!(upstream.server = %self.channel.server, "a message was refused");
        }
        if is_unknown_session {
            // Its stream may stay open for long, through a proxy for one.
            self.pending.close(Some("the MCP server no longer knew the session".to_owned()));
        }
    }
}
