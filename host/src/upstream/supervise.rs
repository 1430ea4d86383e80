//! The supervisor of one child process: ends it, with everything it started, when
//! the gateway is done with it or has died. Runs as a process of its own, on
//! threads only.
//!
//! The child is given the supervisor's standard streams. The supervisor keeps its
//! own copy of standard input's read end and watches it for a hang-up, which comes
//! when every writer is gone: the gateway closed it, or died, even by `kill -9`.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// Begins the line on standard error that says why a child could not be started.
pub(super) const CANNOT_START: &str = "mcpjungle supervise: cannot start the command: ";
/// The exit status that goes with [`CANNOT_START`], as shells have it.
pub(super) const CANNOT_START_STATUS: u8 = 127;
/// How long a child may take to end after each means of making it: the end of its
/// input, then TERM, then KILL.
pub(super) const GRACE: Duration = Duration::from_secs(2);

enum Event {
    /// The child has ended, and is not reaped yet.
    Exited,
    /// Nobody writes to the child any more.
    InputClosed,
    /// The supervisor was told to end.
    Signalled,
}

/// The body of the hidden command `mcpjungle supervise PROGRAM ARGUMENTS…`:
/// runs a child in a process group of its own and ends it, within a bound, when
/// standard input is closed, be it because the gateway is done or because it died.
/// Exits as the child did, with 128 and the signal's number if a signal ended it.
pub fn supervise(command: Vec<OsString>) -> ExitCode {
    match run(command) {
        Ok(status) => ExitCode::from(exit_code(status)),
        Err(problem) => {
            eprintln!("{CANNOT_START}{problem}");
            ExitCode::from(CANNOT_START_STATUS)
        }
    }
}

fn run(command: Vec<OsString>) -> io::Result<ExitStatus> {
    let (sender, events) = mpsc::channel();
    // Before the child exists, so that no signal can leave it behind.
    watch_signals(sender.clone())?;
    let mut child = spawn(command)?;
    let group = Pid::from_child(&child);
    watch_child(group, sender.clone());
    watch_input(sender);
    await_end(&events, group);
    // The child is not reaped yet, so the group's id cannot have passed to others.
    kill(group, Signal::KILL);
    reap(&mut child)
}

fn spawn(command: Vec<OsString>) -> io::Result<Child> {
    let mut words = command.into_iter();
    let program = words.next().ok_or_else(|| io::Error::other("no command is given"))?;
    Command::new(program).args(words).process_group(0).spawn()
}

fn watch_signals(events: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT])?;
    thread::spawn(move || {
        for _ in signals.forever() {
            if events.send(Event::Signalled).is_err() {
                return;
            }
        }
    });
    Ok(())
}

fn watch_child(child: Pid, events: Sender<Event>) {
    thread::spawn(move || {
        let unreaped = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(child), unreaped) {}
        // The receiver is gone only when the supervisor is done.
        let _ = events.send(Event::Exited);
    });
}

fn watch_input(events: Sender<Event>) {
    thread::spawn(move || {
        let input = io::stdin();
        // No events are asked for: a hang-up is always told, and the input itself is the child's.
        let mut watched = [PollFd::new(&input, PollFlags::empty())];
        while let Err(Errno::INTR) = poll(&mut watched, None) {}
        let _ = events.send(Event::InputClosed);
    });
}

/// Returns when the child has ended, or nothing can end it.
fn await_end(events: &Receiver<Event>, group: Pid) {
    // A child that still has its input does not end by itself: only a closed input earns the grace.
    let has_grace = match events.recv() {
        Ok(Event::Exited) | Err(_) => return,
        Ok(Event::InputClosed) => true,
        Ok(Event::Signalled) => false,
    };
    if has_grace && exits_in_time(events) {
        return;
    }
    for signal in [Signal::TERM, Signal::KILL] {
        kill(group, signal);
        if exits_in_time(events) {
            return;
        }
    }
}

fn exits_in_time(events: &Receiver<Event>) -> bool {
    let deadline = std::time::Instant::now() + GRACE;
    loop {
        match events.recv_timeout(deadline.saturating_duration_since(std::time::Instant::now())) {
            Ok(Event::Exited) | Err(RecvTimeoutError::Disconnected) => return true,
            Ok(Event::InputClosed | Event::Signalled) => {}
            Err(RecvTimeoutError::Timeout) => return false,
        }
    }
}

fn kill(group: Pid, signal: Signal) {
    // An error says that nobody is left, or nobody whom we may kill: both leave nothing to do.
    let _ = kill_process_group(group, signal);
}

/// Never waits for a child that not even KILL ended: init will reap it.
fn reap(child: &mut Child) -> io::Result<ExitStatus> {
    Ok(child.try_wait()?.unwrap_or_else(|| ExitStatus::from_raw(Signal::KILL.as_raw())))
}

fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}
