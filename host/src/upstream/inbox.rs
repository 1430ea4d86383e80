//! What comes on a connection that is a session, from a child process or as events:
//! each message goes to the call that waits for it, or to the counterpart.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::names::ServerName;
use crate::upstream::http::ANSWER_LIMIT_BYTES;
use crate::upstream::lines::{LineError, LineReader};
use crate::upstream::malformed::answered_id;
use crate::upstream::outbox::{IGNORES_ANSWERS, Posted, WeakOutbox};
use crate::upstream::switchboard::{Source, Switchboard};
use crate::upstream::{UpstreamError, supervise};
use crate::wire::{self, Message, Response};

/// Programs that print to standard output do so often: one in so many lines is logged.
const LOG_ONE_NONSENSE_IN: u64 = 1000;
/// How long a process is given to end, until what it still writes is left unread: what its
/// supervisor takes for the worst one.
const DRAIN_BOUND: Duration = supervise::GRACE.saturating_mul(3);

type Outcome = Result<Response, UpstreamError>;

/// The requests that wait for an answer.
#[derive(Default)]
pub(super) struct Pending(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    closed: bool,
    /// Why the gateway gave the session up, where the process did not just end.
    give_up_reason: Option<String>,
    answers: HashMap<u64, oneshot::Sender<Outcome>>,
}

/// One request that waits; when dropped, an answer to it is ignored.
pub(super) struct Expected<'a> {
    pending: &'a Pending,
    id: u64,
    answer: oneshot::Receiver<Outcome>,
}

impl Pending {
    /// Prepares for the answer to request `id`; `None` once the session has ended.
    pub(super) fn expect(&self, id: u64) -> Option<Expected<'_>> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.0.lock();
        if waiting.closed {
            return None;
        }
        waiting.answers.insert(id, sender);
        Some(Expected { pending: self, id, answer })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.lock().closed
    }

    pub(super) fn give_up_reason(&self) -> Option<String> {
        self.0.lock().give_up_reason.clone()
    }

    /// Ends the wait for the answer to request `id`; `false` if nobody waits for it.
    pub(super) fn answer(&self, id: Option<u64>, outcome: Outcome) -> bool {
        let waiting = id.and_then(|id| self.0.lock().answers.remove(&id));
        // One that nobody waits for any more is as good as answered.
        waiting.is_some_and(|sender| sender.send(outcome).is_ok())
    }

    /// Ends every wait, and lets none begin. The first reason given stays.
    pub(super) fn close(&self, give_up_reason: Option<String>) {
        let mut waiting = self.0.lock();
        waiting.closed = true;
        waiting.give_up_reason = waiting.give_up_reason.take().or(give_up_reason);
        waiting.answers.clear();
    }
}

impl Expected<'_> {
    /// The answer; `None` if the session ends first.
    pub(super) async fn wait(mut self) -> Option<Outcome> {
        (&mut self.answer).await.ok()
    }
}

impl Drop for Expected<'_> {
    fn drop(&mut self) {
        self.pending.0.lock().answers.remove(&self.id);
    }
}

/// Takes what an upstream sends.
pub(super) struct Inbox {
    pub(super) server: ServerName,
    pub(super) pending: Arc<Pending>,
    pub(super) switchboard: Arc<Switchboard>,
    /// Weak, so that the session's end closes the child's input.
    pub(super) outbox: WeakOutbox,
    pub(super) closing: CancellationToken,
}

impl Inbox {
    /// Reads what a child writes, until it ends.
    pub(super) async fn read(self, stdout: ChildStdout) {
        let mut lines = LineReader::new(stdout, ANSWER_LIMIT_BYTES);
        let mut nonsense = 0;
        let give_up_reason = loop {
            let line = tokio::select! {
                line = lines.next_line() => line,
                () = self.closing.cancelled() => break None,
            };
            match line {
                Ok(line) => self.take(line, &mut nonsense),
                Err(LineError::Ended) => break None,
                Err(LineError::TooLong) => {
                    break Some(format!("the process sent a line of more than {ANSWER_LIMIT_BYTES} bytes"));
                }
            }
        };
        self.pending.close(give_up_reason);
        self.closing.cancel();
        // A process that is told to end may still be writing: a broken pipe would look to
        // it, and in its log, like a crash.
        let mut rest = lines.into_inner();
        let drained = tokio::time::timeout(DRAIN_BOUND, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        if drained.is_err() {
            tracing::debug!(upstream.server = %self.server, "something still holds the process's output open");
        }
    }

    /// Takes one message. `nonsense` counts those that were none.
    pub(super) fn take(&self, line: Bytes, nonsense: &mut u64) {
        if line.trim_ascii().is_empty() {
            return;
        }
        match Message::parse(line.clone()) {
            Ok(Message::Response(response)) => {
                let id = response.id().as_u64();
                // At once: what the next line holds is not for this call.
                id.inspect(|id| self.switchboard.disconnect(*id));
                if !self.pending.answer(id, Ok(response)) {
                    tracing::debug!(upstream.server = %self.server, "a response that nobody waits for was ignored");
                }
            }
            Ok(Message::Notification(notification)) => {
                self.switchboard.notify(Source::Shared, notification);
            }
            Ok(Message::Request(request)) => {
                self.switchboard.ask(Source::Shared, request, self.backchannel());
            }
            Err(error) => self.take_nonsense(&line, &error, nonsense),
        }
    }

    /// A malformed answer still ends the wait for it; other lines are passed over.
    fn take_nonsense(&self, line: &[u8], error: &wire::ParseError, nonsense: &mut u64) {
        let server = self.server.clone();
        let failure = UpstreamError::InvalidAnswer { server, problem: error.to_string() };
        let id = answered_id(line);
        id.inspect(|id| self.switchboard.disconnect(*id));
        if self.pending.answer(id, Err(failure)) {
            return;
        }
        if nonsense.is_multiple_of(LOG_ONE_NONSENSE_IN) {
            let skipped = *nonsense + 1;
            tracing::warn!(upstream.server = %self.server, %error, skipped, "a line that is no message was skipped");
        }
        *nonsense += 1;
    }

    fn backchannel(&self) -> impl Fn(Bytes) + Send + Sync + 'static {
        let (outbox, closing) = (self.outbox.clone(), self.closing.clone());
        let (server, pending) = (self.server.clone(), Arc::clone(&self.pending));
        move |response| {
            if outbox.send_aside(response) == Posted::Lost {
                tracing::warn!(upstream.server = %server, "a server asks and does not take the answers");
                pending.close(Some(IGNORES_ANSWERS.to_owned()));
                closing.cancel();
            }
        }
    }
}
