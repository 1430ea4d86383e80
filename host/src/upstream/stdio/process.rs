//! A child process under its supervisor: started with a minimal environment, its
//! standard error in our log, ended within a bound, always reaped.

use std::collections::{BTreeMap, VecDeque};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::names::ServerName;
use crate::secret::Secret;
use crate::upstream::background::{Background, WorkToCome};
use crate::upstream::lines::LineReader;
use crate::upstream::supervise::{CANNOT_START, CANNOT_START_STATUS, GRACE};
use crate::upstream::{UpstreamError, UpstreamSettings};

/// The supervisor ends a child within three graces; past that it is broken itself.
const SUPERVISOR_BOUND: Duration = GRACE.saturating_mul(4);
/// Once a process has ended, what it wrote before has arrived, unless another
/// process holds its standard error.
const STDERR_BOUND: Duration = Duration::from_millis(500);
const STDERR_LINE_LIMIT_BYTES: usize = 64 << 10;
/// How many lines, and how much of each, are kept to explain a failure.
const TAIL_LINES: usize = 5;
const TAIL_LINE_CHARS: usize = 200;

/// What is registered of a child.
#[derive(Clone, Copy)]
pub(in crate::upstream) struct ChildCommand<'a> {
    pub(in crate::upstream) command: &'a str,
    pub(in crate::upstream) args: &'a [String],
    pub(in crate::upstream) env: &'a BTreeMap<String, Secret>,
}

/// How a process ended.
#[derive(Debug, Clone)]
pub(super) struct Ending {
    /// Of the child, as its supervisor passes it on.
    status: Option<ExitStatus>,
    last_lines: Vec<String>,
}

/// A running child. Ends when `closing` is cancelled, which also tells that it ended.
pub(super) struct Process {
    pub(super) stdin: ChildStdin,
    pub(super) stdout: ChildStdout,
    pub(super) ending: watch::Receiver<Option<Ending>>,
}

/// Starts a child under a supervisor of its own.
pub(super) fn start(
    server: &ServerName,
    child: ChildCommand<'_>,
    settings: &UpstreamSettings,
    closing: &CancellationToken,
    background: &Background,
    work: WorkToCome,
) -> Result<Process, UpstreamError> {
    let mut supervisor = command(child, settings).spawn().map_err(|error| UpstreamError::CannotStart {
        server: server.clone(),
        command: child.command.to_owned(),
        problem: format!("its supervisor: {error}"),
    })?;
    let taken = "the stream is piped, and taken once";
    let stdin = supervisor.stdin.take().expect(taken);
    let stdout = supervisor.stdout.take().expect(taken);
    let stderr = supervisor.stderr.take().expect(taken);
    let (ended, ending) = watch::channel(None);
    let keeper = Keeper { server: server.clone(), supervisor, stderr, closing: closing.clone(), ended, _work: work };
    background.spawn(keeper.keep());
    Ok(Process { stdin, stdout, ending })
}

fn command(child: ChildCommand<'_>, settings: &UpstreamSettings) -> Command {
    let (program, arguments) = &settings.supervisor;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg(child.command)
        .args(child.args)
        .env_clear()
        .envs(&settings.child_environment)
        .envs(child.env.iter().map(|(name, value)| (name, value.expose())))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C at the gateway's terminal is for the gateway, which then ends its children in order.
        .process_group(0);
    command
}

/// Stays with a process until it is reaped.
struct Keeper {
    server: ServerName,
    supervisor: Child,
    stderr: ChildStderr,
    closing: CancellationToken,
    ended: watch::Sender<Option<Ending>>,
    _work: WorkToCome,
}

impl Keeper {
    async fn keep(mut self) {
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        let log = tokio::spawn(log_stderr(self.server.clone(), self.stderr, Arc::clone(&tail)));
        let status = tokio::select! {
            status = self.supervisor.wait() => status.ok(),
            () = self.closing.cancelled() => end(&self.server, &mut self.supervisor).await,
        };
        let log_abort = log.abort_handle();
        if tokio::time::timeout(STDERR_BOUND, log).await.is_err() {
            log_abort.abort();
        }
        tracing::debug!(upstream.server = %self.server, status = ?status, "a server process has ended");
        let last_lines = tail.lock().drain(..).collect();
        self.ended.send_replace(Some(Ending { status, last_lines }));
        self.closing.cancel();
    }
}

/// Waits for a process whose standard input is being closed.
async fn end(server: &ServerName, supervisor: &mut Child) -> Option<ExitStatus> {
    match tokio::time::timeout(SUPERVISOR_BOUND, supervisor.wait()).await {
        Ok(status) => status.ok(),
        Err(_) => {
            tracing::warn!(upstream.server = %server, "the supervisor of a server process did not end and is killed");
            supervisor.kill().await.ok()?;
            supervisor.wait().await.ok()
        }
    }
}

async fn log_stderr(server: ServerName, stderr: ChildStderr, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = LineReader::new(stderr, STDERR_LINE_LIMIT_BYTES);
    // To the end, whatever comes: a child cannot write to a pipe that nobody reads.
    while let Some(line) = lines.next_line_cut().await {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            continue;
        }
        tracing::info!(upstream.server = %server, stderr = line, "a server process says");
        let mut tail = tail.lock();
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line.chars().take(TAIL_LINE_CHARS).collect());
    }
}

impl Ending {
    /// Why a child could not be started, if that is how it ended.
    pub(super) fn start_problem(&self) -> Option<&str> {
        let is_ours = self.status?.code() == Some(i32::from(CANNOT_START_STATUS));
        is_ours.then(|| self.last_lines.iter().find_map(|line| line.strip_prefix(CANNOT_START)))?
    }

    /// In words, such as `exit status 1`.
    pub(super) fn status(&self) -> String {
        match self.status.and_then(|status| status.code()) {
            // As the supervisor passes on the end by a signal.
            Some(code @ 129..=192) => format!("signal {}", code - 128),
            Some(code) => format!("exit status {code}"),
            None => "its supervisor was killed".to_owned(),
        }
    }

    /// The last that it wrote to its standard error.
    pub(super) fn stderr(&self) -> String {
        self.last_lines.join(" | ")
    }
}
