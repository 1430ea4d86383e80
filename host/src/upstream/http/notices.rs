//! Messages that have no answer, on their way to a server one after the other while
//! nobody waits for them.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::upstream::http::exchange::{ASIDE_TIMEOUT, Channel};

/// How many may wait for the one that is under way.
const QUEUE_MESSAGES: usize = 32;

/// The queue of one session; there is none before the first message.
#[derive(Default)]
pub(super) struct Notices(OnceLock<mpsc::Sender<Bytes>>);

impl Notices {
    /// Sends a message when those before it have been taken.
    pub(super) fn send(&self, channel: &Arc<Channel>, message: Bytes) {
        let queue = self.0.get_or_init(|| {
            let (sender, queue) = mpsc::channel(QUEUE_MESSAGES);
            channel.background.spawn(deliver(Arc::clone(channel), queue));
            sender
        });
        if queue.try_send(message).is_err() {
            tracing::debug!(upstream.server = %channel.server, "a message too many for the server is lost");
        }
    }
}

/// Until the session has ended, and what waits then is sent.
async fn deliver(channel: Arc<Channel>, mut queue: mpsc::Receiver<Bytes>) {
    while let Some(message) = queue.recv().await {
        match tokio::time::timeout(ASIDE_TIMEOUT, channel.tell(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                tracing::debug!(upstream.server = %channel.server, error = %failure.error, "a message was not taken");
            }
            Err(_) => tracing::debug!(upstream.server = %channel.server, "a message was not taken in time"),
        }
    }
}
