//! An upstream session with a child process: one message per line, each way.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::names::ServerName;
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::inbox::{Inbox, Pending};
use crate::upstream::outbox::{IGNORES_ANSWERS, Outbox, Outgoing, Posted};
use crate::upstream::session::Opening;
use crate::upstream::{UpstreamError, UpstreamSettings};
use crate::wire::{self, Response, single_line};

mod process;

pub(super) use process::ChildCommand;
use process::Ending;

/// How many calls may wait for a child to read them.
const OUTBOX_CALLS: usize = 64;
/// A child that reads nothing for so long is given up.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// A process that closed its output is about to end; how it ended makes a better message.
const ENDING_BOUND: Duration = Duration::from_secs(1);

/// A session; its process ends when it is dropped.
pub(super) struct StdioSession {
    server: ServerName,
    outbox: Outbox,
    pending: Arc<Pending>,
    ending: watch::Receiver<Option<Ending>>,
    /// Dropping it ends the process.
    _closing: DropGuard,
}

impl StdioSession {
    /// Starts the process and performs the handshake.
    pub(super) async fn open(
        opening: Opening<'_>,
        child: ChildCommand<'_>,
        settings: &UpstreamSettings,
    ) -> Result<(Self, Handshake), UpstreamError> {
        let Opening { server, initialize, switchboard, background, work, .. } = opening;
        let closing = CancellationToken::new();
        let process = process::start(server, child, settings, &closing, background, work)?;
        let (outbox, outgoing) = Outbox::new(OUTBOX_CALLS);
        let pending = Arc::new(Pending::default());
        let inbox = Inbox {
            server: server.clone(),
            pending: Arc::clone(&pending),
            switchboard,
            outbox: outbox.downgrade(),
            closing: closing.clone(),
        };
        background.spawn(inbox.read(process.stdout));
        background.spawn(write(process.stdin, outgoing, Arc::clone(&pending), closing.clone(), WRITE_TIMEOUT));
        let session =
            Self { server: server.clone(), outbox, pending, ending: process.ending, _closing: closing.drop_guard() };
        let handshake = session.initialize(initialize, child.command).await?;
        Ok((session, handshake))
    }

    async fn initialize(&self, initialize: wire::Request, command: &str) -> Result<Handshake, UpstreamError> {
        let response = match self.exchange(0, &initialize, self.room().await).await {
            Exchanged::Answered(answer) => answer?,
            Exchanged::Ended => return Err(self.explain_start(command).await),
        };
        let handshake = handshake::read_initialize(&self.server, &response)?;
        self.notify(handshake::initialized_notification());
        if self.outbox.is_closed() { Err(self.explain_start(command).await) } else { Ok(handshake) }
    }

    /// Sends a request and waits for its response. If the caller gives up, the child
    /// is left to finish it.
    pub(super) async fn call(
        &self,
        id: u64,
        request: &wire::Request,
        room: OwnedSemaphorePermit,
    ) -> Result<Response, UpstreamError> {
        match self.exchange(id, request, room).await {
            Exchanged::Answered(answer) => answer,
            Exchanged::Ended => Err(self.explain_end().await),
        }
    }

    /// Waits for room for a call.
    pub(super) async fn room(&self) -> OwnedSemaphorePermit {
        self.outbox.room().await
    }

    /// Sends a message that has no answer.
    pub(super) fn notify(&self, message: Bytes) {
        if self.outbox.send_aside(message) == Posted::Lost {
            self.pending.close(Some(IGNORES_ANSWERS.to_owned()));
        }
    }

    /// Whether the process has ended, or is being ended.
    pub(super) fn is_closed(&self) -> bool {
        self.pending.is_closed() || self.outbox.is_closed()
    }

    async fn exchange(&self, id: u64, request: &wire::Request, room: OwnedSemaphorePermit) -> Exchanged {
        let Some(answer) = self.pending.expect(id) else { return Exchanged::Ended };
        if !self.outbox.send(request.render(id), room) {
            return Exchanged::Ended;
        }
        match answer.wait().await {
            Some(answer) => Exchanged::Answered(answer),
            None => Exchanged::Ended,
        }
    }

    async fn explain_start(&self, command: &str) -> UpstreamError {
        let server = self.server.clone();
        match self.await_ending().await {
            Some(ending) => match ending.start_problem() {
                Some(problem) => {
                    UpstreamError::CannotStart { server, command: command.to_owned(), problem: problem.to_owned() }
                }
                None => UpstreamError::ExitedInitializing { server, status: ending.status(), stderr: ending.stderr() },
            },
            None => UpstreamError::ExitedInitializing {
                server,
                status: "its output was closed".into(),
                stderr: String::new(),
            },
        }
    }

    async fn explain_end(&self) -> UpstreamError {
        let how = match self.pending.give_up_reason() {
            Some(reason) => reason,
            None => match self.await_ending().await {
                Some(ending) => format!("the process ended ({})", ending.status()),
                None => "the process closed its output".to_owned(),
            },
        };
        UpstreamError::Closed { server: self.server.clone(), how }
    }

    async fn await_ending(&self) -> Option<Ending> {
        let mut ending = self.ending.clone();
        let ended = tokio::time::timeout(ENDING_BOUND, ending.wait_for(Option::is_some)).await;
        ended.ok()?.ok()?.clone()
    }
}

enum Exchanged {
    Answered(Result<Response, UpstreamError>),
    /// The session ended before; its ending tells why.
    Ended,
}

/// Writes until the session is closed; then closes the child's input, which tells it to end.
async fn write(
    mut stdin: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::UnboundedReceiver<Outgoing>,
    pending: Arc<Pending>,
    closing: CancellationToken,
    limit: Duration,
) {
    let writing = async {
        while let Some(Outgoing { message, room: _room, .. }) = outgoing.recv().await {
            let message = single_line(message);
            let mut line = BytesMut::with_capacity(message.len() + 1);
            line.extend_from_slice(&message);
            line.extend_from_slice(b"\n");
            match tokio::time::timeout(limit, stdin.write_all(&line)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return,
                Err(_) => {
                    let seconds = limit.as_secs_f64();
                    return pending.close(Some(format!("the process did not read its input for {seconds} seconds")));
                }
            }
        }
    };
    tokio::select! {
        () = writing => {}
        () = closing.cancelled() => {}
    }
    closing.cancel();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_child_that_reads_nothing_is_given_up_and_every_call_told() {
        let (stdin, _nobody_reads) = tokio::io::duplex(4);
        let (outbox, outgoing) = Outbox::new(1);
        let (pending, closing) = (Arc::new(Pending::default()), CancellationToken::new());
        let waiting = pending.expect(7).unwrap();
        assert!(outbox.send(Bytes::from_static(b"{\"long\":true}"), outbox.room().await));

        write(stdin, outgoing, Arc::clone(&pending), closing.clone(), Duration::from_millis(20)).await;
        assert!(waiting.wait().await.is_none());
        assert!(closing.is_cancelled() && outbox.is_closed() && pending.expect(8).is_none());
        assert_eq!(pending.give_up_reason().as_deref(), Some("the process did not read its input for 0.02 seconds"));
    }

    #[tokio::test]
    async fn messages_are_written_on_one_line_each() {
        let (stdin, mut child) = tokio::io::duplex(1024);
        let (outbox, outgoing) = Outbox::new(2);
        for message in ["{\n\"a\":1}", "{}"] {
            assert!(outbox.send(Bytes::from_static(message.as_bytes()), outbox.room().await));
        }
        drop(outbox);
        write(stdin, outgoing, Arc::default(), CancellationToken::new(), WRITE_TIMEOUT).await;
        let mut written = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut child, &mut written).await.unwrap();
        assert_eq!(written, "{ \"a\":1}\n{}\n");
    }
}
