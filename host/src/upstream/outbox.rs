//! What waits to be sent on a session, in order. Calls wait for room; everything else
//! has room of its own that calls cannot take, because a call may wait for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::wire::Message;

/// How many messages that are no calls may wait.
pub(super) const ASIDES: usize = 256;

/// Why a session is given up with which that room did not suffice.
pub(super) const IGNORES_ANSWERS: &str = "the MCP server does not take the answers to its own requests";

/// One message on its way.
pub(super) struct Outgoing {
    pub(super) message: Bytes,
    /// Whether a call: nothing else is answered.
    pub(super) is_call: bool,
    /// Free again once it is on its way.
    pub(super) room: OwnedSemaphorePermit,
}

/// Where the messages of one session are put.
pub(super) struct Outbox {
    /// Bounded by the room that each message holds.
    sender: mpsc::UnboundedSender<Outgoing>,
    calls: Arc<Semaphore>,
    asides: Arc<Semaphore>,
}

/// Keeps no session open.
#[derive(Clone)]
pub(super) struct WeakOutbox {
    sender: mpsc::WeakUnboundedSender<Outgoing>,
    asides: Arc<Semaphore>,
}

/// What became of a message that is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Posted {
    /// It is sent in its turn, or nobody would miss it.
    Taken,
    /// There was no room for it, though somebody may wait for it.
    Lost,
}

impl Outbox {
    /// Room for so many calls at a time.
    pub(super) fn new(calls: usize) -> (Self, mpsc::UnboundedReceiver<Outgoing>) {
        let (sender, outgoing) = mpsc::unbounded_channel();
        let (calls, asides) = (Arc::new(Semaphore::new(calls)), Arc::new(Semaphore::new(ASIDES)));
        (Self { sender, calls, asides }, outgoing)
    }

    /// Waits for room for a call.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.calls).acquire_owned().await.expect("this semaphore is never closed")
    }

    /// Sends a call; `false` once the session has ended.
    pub(super) fn send(&self, message: Bytes, room: OwnedSemaphorePermit) -> bool {
        self.sender.send(Outgoing { message, is_call: true, room }).is_ok()
    }

    /// Sends a message that is no call.
    pub(super) fn send_aside(&self, message: Bytes) -> Posted {
        post(&self.sender, &self.asides, message)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn downgrade(&self) -> WeakOutbox {
        WeakOutbox { sender: self.sender.downgrade(), asides: Arc::clone(&self.asides) }
    }
}

impl WeakOutbox {
    /// As [`Outbox::send_aside`]; of a session that has ended nothing is missed.
    pub(super) fn send_aside(&self, message: Bytes) -> Posted {
        match self.sender.upgrade() {
            Some(sender) => post(&sender, &self.asides, message),
            None => Posted::Taken,
        }
    }
}

fn post(sender: &mpsc::UnboundedSender<Outgoing>, asides: &Arc<Semaphore>, message: Bytes) -> Posted {
    if asides.available_permits() <= ASIDES / 2 && is_dispensable(&message) {
        return Posted::Taken;
    }
    let Ok(room) = Arc::clone(asides).try_acquire_owned() else { return Posted::Lost };
    // That the session has ended is found out elsewhere.
    let _ = sender.send(Outgoing { message, is_call: false, room });
    Posted::Taken
}

/// Whether nobody waits for it. A client may say any number of such things.
pub(super) fn is_dispensable(message: &Bytes) -> bool {
    match Message::parse(message.clone()) {
        Ok(Message::Notification(notification)) => notification.method() != "notifications/cancelled",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const ANSWER: Bytes = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    const PROGRESS: Bytes = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);

    #[tokio::test]
    async fn calls_and_progress_leave_room_for_answers_and_all_go_in_order() {
        let (outbox, mut outgoing) = Outbox::new(1);
        assert!(outbox.send(Bytes::from_static(b"call"), outbox.room().await));
        assert!(outbox.room().now_or_never().is_none(), "one call at a time");
        for _ in 0..ASIDES {
            assert_eq!(outbox.send_aside(PROGRESS), Posted::Taken);
        }
        for _ in 0..ASIDES / 2 {
            assert_eq!(outbox.downgrade().send_aside(ANSWER), Posted::Taken);
        }
        assert_eq!(outbox.send_aside(ANSWER), Posted::Lost);
        let mut sent = Vec::new();
        while let Ok(message) = outgoing.try_recv() {
            sent.push(message.message);
        }
        assert_eq!((sent.len(), &sent[0][..]), (1 + ASIDES, &b"call"[..]));
        assert!(sent[1..=ASIDES / 2].iter().all(|message| *message == PROGRESS));
        assert!(sent[ASIDES / 2 + 1..].iter().all(|message| *message == ANSWER));
        assert!(outbox.room().now_or_never().is_some());
    }
}
