//! Messages that have no answer, on their way to a server one after the other while
//! nobody waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::upstream::http::exchange::Channel;
use crate::upstream::outbox::{ASIDES, Posted, is_dispensable};

/// So long the next message waits for the server to take one.
const PATIENCE: Duration = Duration::from_secs(5);
/// A message that is not taken within this time is lost.
const TAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The queue of one session.
#[derive(Default)]
pub(super) struct Notices(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    messages: VecDeque<(Arc<Channel>, Bytes)>,
    is_delivering: bool,
}

impl Notices {
    /// Sends a message when those before it have been taken.
    pub(super) fn send(self: &Arc<Self>, channel: &Arc<Channel>, message: Bytes) -> Posted {
        let mut waiting = self.0.lock();
        if waiting.messages.len() >= ASIDES / 2 && is_dispensable(&message) {
            return Posted::Taken;
        }
        if waiting.messages.len() >= ASIDES {
            return Posted::Lost;
        }
        waiting.messages.push_back((Arc::clone(channel), message));
        if !waiting.is_delivering {
            waiting.is_delivering = true;
            // Only while there is something to deliver: it keeps the channel, and with it this queue.
            channel.background.spawn(Arc::clone(self).deliver());
        }
        Posted::Taken
    }

    async fn deliver(self: Arc<Self>) {
        while let Some((channel, message)) = self.next() {
            let (taken, is_taken) = oneshot::channel();
            let background = channel.background.clone();
            background.spawn(async move {
                channel.tell_in_time(message).await;
                let _ = taken.send(());
            });
            let _ = tokio::time::timeout(PATIENCE, is_taken).await;
        }
    }

    fn next(&self) -> Option<(Arc<Channel>, Bytes)> {
        let mut waiting = self.0.lock();
        let next = waiting.messages.pop_front();
        waiting.is_delivering = next.is_some();
        next
    }
}

impl Channel {
    async fn tell_in_time(&self, message: Bytes) {
        match tokio::time::timeout(TAKE_TIMEOUT, self.tell(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                tracing::debug!(upstream.server = %self.server, error = %failure.error, "a message was not taken");
            }
            Err(_) => tracing::warn!(upstream.server = %self.server, "a message was not taken in time"),
        }
    }
}
