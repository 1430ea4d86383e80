//! What goes to the server of a session: each message is a POST of its own.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::upstream::http::exchange::Channel;
use crate::upstream::inbox::Pending;
use crate::upstream::malformed::asked_id;

/// How many messages may be on their way at once. Some servers hold the reply to the
/// POST until they have dealt with what it brought, so others must not wait for it.
const POSTS_AT_ONCE: usize = 256;
/// For a message that nobody waits for an answer to.
const POST_TIMEOUT: Duration = Duration::from_secs(30);
/// So long the first call waits for a server to take what ends the handshake.
const FIRST_POST_PATIENCE: Duration = Duration::from_secs(5);

/// Posts the messages of one session.
pub(super) struct Postbox {
    /// The endpoint, with the headers of every message to it.
    channel: Channel,
    pending: Arc<Pending>,
    at_once: Arc<Semaphore>,
}

impl Postbox {
    pub(super) fn new(channel: Channel, pending: Arc<Pending>) -> Arc<Self> {
        Arc::new(Self { channel, pending, at_once: Arc::new(Semaphore::new(POSTS_AT_ONCE)) })
    }

    /// Posts the message that ends the handshake. Waits until the server has taken it,
    /// because what is posted at the same time may overtake it.
    pub(super) async fn post_first(self: &Arc<Self>, message: Bytes) {
        let (postbox, (taken, is_taken)) = (Arc::clone(self), oneshot::channel());
        self.channel.background.spawn(async move {
            postbox.post(message).await;
            let _ = taken.send(());
        });
        // A server may hold its reply back for long; then the calls go on, and so does the message.
        let _ = tokio::time::timeout(FIRST_POST_PATIENCE, is_taken).await;
    }

    /// Posts until the session is closed.
    pub(super) async fn post_all(self: Arc<Self>, mut outgoing: mpsc::Receiver<Bytes>, closing: CancellationToken) {
        let posting = async {
            while let Some(message) = outgoing.recv().await {
                let permit = Arc::clone(&self.at_once).acquire_owned().await.expect("this semaphore is never closed");
                let (postbox, closing) = (Arc::clone(&self), closing.clone());
                self.channel.background.spawn(async move {
                    let _permit = permit;
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
