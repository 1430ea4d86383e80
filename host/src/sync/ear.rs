//! Listens to one server for word that its lists have changed, for as long as it
//! lets us: one session, opened again with patience when it ends.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::random::random_fraction;
use crate::upstream::ListeningSession;

const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// A server that ends each stream at once is asked for the next this often.
const LONGEST_PAUSE: Duration = Duration::from_secs(2 * 60);
/// Many servers declare that they tell of changes and have no stream to do it on.
const PAUSE_WITHOUT_STREAM: Duration = Duration::from_secs(10 * 60);
/// What lasted so long was no failure.
const LASTED: Duration = Duration::from_secs(60);

/// The listening session of one server, or when to open the next.
#[derive(Default)]
pub(super) struct Ear {
    session: Option<(ListeningSession, Instant)>,
    /// `None` while there is a session, or for a server that tells nothing.
    due_at: Option<Instant>,
    failures: u32,
    /// Whether it was noted that there is something to listen to.
    has_begun: bool,
}

impl Ear {
    /// Begins to listen, unless it does already.
    pub(super) fn listen_soon(&mut self) {
        if self.session.is_none() && self.due_at.is_none() {
            self.due_at = Some(Instant::now());
        }
    }

    /// Resolves when a session is to be opened.
    pub(super) async fn due(&self) {
        match self.due_at {
            Some(due_at) => sleep_until(due_at).await,
            None => std::future::pending().await,
        }
    }

    /// Resolves when there is something to listen to; once for each session.
    pub(super) async fn begun(&self) {
        match &self.session {
            Some((session, _)) if !self.has_begun => session.begun().await,
            _ => std::future::pending().await,
        }
    }

    /// Takes note of that.
    pub(super) fn note_begun(&mut self) {
        self.has_begun = true;
    }

    /// Resolves when the session has ended.
    pub(super) async fn ended(&self) {
        match &self.session {
            Some((session, _)) => session.ended().await,
            None => std::future::pending().await,
        }
    }

    /// Listens on this session.
    pub(super) fn open(&mut self, session: ListeningSession) {
        self.session = Some((session, Instant::now()));
        self.due_at = None;
        self.has_begun = false;
    }

    /// The session has ended, or none could be opened. `interval` is how often the
    /// server is asked for its lists anyway.
    pub(super) fn close(&mut self, interval: Duration) {
        let ended = self.session.take();
        let has_lasted = ended.as_ref().is_some_and(|(_, opened_at)| opened_at.elapsed() >= LASTED);
        self.failures = if has_lasted { 0 } else { self.failures.saturating_add(1) };
        let pause = match ended {
            Some((session, _)) if !session.has_begun() => interval.max(PAUSE_WITHOUT_STREAM),
            _ => pause(self.failures, random_fraction()),
        };
        self.due_at = Some(Instant::now() + pause);
    }
}

/// `random` is from 0 up to 1.
fn pause(failures: u32, random: f64) -> Duration {
    let full = SHORTEST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST_PAUSE);
    full.mul_f64(0.5 + random / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_let_us_listen_is_asked_ever_less() {
        for (failures, random, ms) in
            [(0, 1.0, 1_000), (1, 0.0, 500), (2, 1.0, 2_000), (5, 0.5, 12_000), (u32::MAX, 1.0, 120_000)]
        {
            assert_eq!(pause(failures, random), Duration::from_millis(ms));
        }
    }
}
