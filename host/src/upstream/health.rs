//! Whether a server is up, as far as the gateway has seen: fed by every session that
//! is opened and every call, asked before the next. A server that could not be
//! connected to is tried again in the background, and calls to it fail at once
//! instead of waiting for it once more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::random::random_fraction;
use crate::server::Server;
use crate::upstream::http::Listening;
use crate::upstream::{ListHints, UpstreamError};

mod book;
mod state;

pub(super) use book::HealthBook;
pub use state::HealthState;
use state::{Attempt, State};

/// What is known of a server's health at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it is up.
    pub state: HealthState,
    /// What went wrong last, also where all is well again.
    pub last_failure: Option<Failure>,
    /// How many attempts to connect have failed since the last that did not.
    pub consecutive_failures: u32,
    /// When it is tried again, while it is down: so long from now.
    pub next_attempt_in: Option<Duration>,
}

/// What went wrong, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub error: UpstreamError,
    /// When.
    pub at: SystemTime,
}

impl Failure {
    /// In words, for administrators.
    pub fn for_administrators(&self) -> String {
        self.error.to_string()
    }

    /// In words, for everybody else: without what the server's process said.
    pub fn for_clients(&self) -> String {
        self.error.clone().for_clients().to_string()
    }
}

/// The health of one server, as it is registered now.
pub(super) struct ServerHealth {
    pub(super) server: Arc<Server>,
    /// Whether it is known to have no stream for what belongs to no call.
    pub(super) listening: Arc<Listening>,
    /// How long an attempt may take; nobody else tries meanwhile.
    attempt_limit: Duration,
    /// Told when a call finds that the server is up again: its lists may be others.
    hints: Arc<ListHints>,
    state: Mutex<State>,
    /// Tells whoever waits for the next attempt that its time has changed.
    changed: Notify,
}

/// Tells when a server is to be tried again.
pub struct HealthWatch(Arc<ServerHealth>);

impl HealthWatch {
    pub(super) fn new(health: Arc<ServerHealth>) -> Self {
        Self(health)
    }

    /// Resolves when the server is down and the time for the next attempt has come.
    pub async fn attempt_due(&self) {
        self.0.attempt_due().await;
    }
}

/// On whose behalf a session is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenedFor {
    /// The gateway's own: what is refused to it shows that something is wrong.
    Gateway,
    /// A call's. What the server refuses may be this client's alone.
    Call,
}

impl ServerHealth {
    pub(super) fn new(server: Arc<Server>, attempt_limit: Duration, hints: Arc<ListHints>, state: HealthState) -> Self {
        Self {
            server,
            listening: Arc::default(),
            attempt_limit,
            hints,
            state: Mutex::new(State::new(state)),
            changed: Notify::new(),
        }
    }

    pub(super) fn snapshot(&self) -> Health {
        self.state.lock().snapshot(Instant::now())
    }

    /// Whether a session may be opened now. Once its time has come, this is the attempt.
    pub(super) fn admit_opening(&self) -> Result<(), UpstreamError> {
        self.admit(Attempt::Open)
    }

    /// Whether a call may be sent on a session over HTTP, whose every message connects.
    pub(super) fn admit_message(&self) -> Result<(), UpstreamError> {
        self.admit(Attempt::Message)
    }

    fn admit(&self, attempt: Attempt) -> Result<(), UpstreamError> {
        self.state.lock().admit(attempt, Instant::now(), self.attempt_limit)
    }

    /// Takes note of how opening a session went.
    pub(super) fn note_opening(&self, failure: Option<&UpstreamError>, opened_for: OpenedFor) {
        let now = (Instant::now(), SystemTime::now());
        match failure {
            None => self.note_life(opened_for),
            Some(error) => self.note_failure(|state| state.opening_failed(error, opened_for, now, random_fraction())),
        }
    }

    /// Takes note of how a call on an open session went.
    pub(super) fn note_call(&self, failure: Option<&UpstreamError>) {
        match failure {
            None => self.note_life(OpenedFor::Call),
            Some(error) => {
                let now = (Instant::now(), SystemTime::now());
                self.note_failure(|state| state.call_failed(error, now, random_fraction()));
            }
        }
    }

    /// Takes note that the server has begun to answer over HTTP.
    pub(super) fn note_reply(&self) {
        if self.state.lock().answered(Instant::now()) {
            self.changed.notify_waiters();
        }
    }

    fn note_life(&self, found_by: OpenedFor) {
        if !self.state.lock().succeeded() {
            return;
        }
        tracing::info!(upstream.server = %self.server.name, "an MCP server is up again");
        self.changed.notify_waiters();
        // The gateway's own sessions are opened to read the lists anyway.
        if found_by == OpenedFor::Call {
            self.hints.tell(&self.server.name);
        }
    }

    /// `change` tells whether the server was up until now.
    fn note_failure(&self, change: impl FnOnce(&mut State) -> bool) {
        let mut state = self.state.lock();
        let went_down = change(&mut state);
        if went_down && let Some(failure) = &state.last_failure {
            // Once, not at every attempt.
            tracing::warn!(upstream.server = %self.server.name, error = %failure.error, "an MCP server is down");
        }
        self.changed.notify_waiters();
    }

    async fn attempt_due(&self) {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            // From here on nothing is missed.
            changed.as_mut().enable();
            let next = self.state.lock().next_attempt;
            let due = async {
                match next {
                    Some(next) => tokio::time::sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => return,
                () = changed => {}
            }
        }
    }
}
