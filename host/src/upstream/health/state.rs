//! What one server's failures and successes come to, without clock or chance of its own.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::upstream::UpstreamError;
use crate::upstream::health::{Failure, Health, OpenedFor};

/// Before the second attempt; doubled for each one after.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// At most so long between two attempts.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Whether a server is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthState {
    /// Nothing was asked of it yet.
    Unknown,
    /// It answered when it was last asked.
    Healthy,
    /// It could not be reached, did not initialize, or the connection to it was lost.
    Unhealthy,
}

impl HealthState {
    /// The word for it in the API and the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// What somebody is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Attempt {
    Open,
    Message,
}

/// What must wait for the next attempt. Ordered by how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Block {
    /// It answers, if only to refuse, or was lost in a call: to ask again costs nothing.
    Nothing,
    /// It may take all the time that there is for opening a session.
    Openings,
    /// It cannot even be connected to.
    Everything,
}

#[derive(Debug)]
pub(super) struct State {
    health: HealthState,
    pub(super) last_failure: Option<Failure>,
    failures: u32,
    pub(super) next_attempt: Option<Instant>,
    block: Block,
}

impl State {
    pub(super) fn new(health: HealthState) -> Self {
        Self { health, last_failure: None, failures: 0, next_attempt: None, block: Block::Nothing }
    }

    pub(super) fn snapshot(&self, now: Instant) -> Health {
        Health {
            state: self.health,
            last_failure: self.last_failure.clone(),
            consecutive_failures: self.failures,
            next_attempt_in: self.next_attempt.map(|next| next.saturating_duration_since(now)),
        }
    }

    /// Whether this may be done now. If the time for the next attempt has come, this
    /// is it, and until it has ended nobody else makes one.
    pub(super) fn admit(&mut self, attempt: Attempt, now: Instant, limit: Duration) -> Result<(), UpstreamError> {
        let must_wait = match attempt {
            Attempt::Open => self.block >= Block::Openings,
            Attempt::Message => self.block >= Block::Everything,
        };
        let (Some(next), Some(failure)) = (self.next_attempt, &self.last_failure) else { return Ok(()) };
        if now >= next {
            self.next_attempt = Some(now + limit);
        } else if must_wait {
            let last = Box::new(failure.error.clone());
            return Err(UpstreamError::Down { last, retry_in: next.duration_since(now) });
        }
        Ok(())
    }

    /// It can be connected to, whatever it says in the end: nobody need wait for that.
    /// `true` if that was in doubt.
    pub(super) fn answered(&mut self, now: Instant) -> bool {
        let was_in_doubt = self.block == Block::Everything;
        if was_in_doubt {
            (self.block, self.next_attempt) = (Block::Nothing, Some(now));
        }
        was_in_doubt
    }

    /// `true` if the server was down.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_down = self.health == HealthState::Unhealthy;
        (self.health, self.failures) = (HealthState::Healthy, 0);
        (self.next_attempt, self.block) = (None, Block::Nothing);
        was_down
    }

    /// `true` if the server was not known to be down.
    pub(super) fn opening_failed(
        &mut self,
        error: &UpstreamError,
        opened_for: OpenedFor,
        now: (Instant, SystemTime),
        random: f64,
    ) -> bool {
        match block_after_opening(error) {
            Some(block) if block > Block::Nothing || opened_for == OpenedFor::Gateway => {
                self.failed(error, block, now, random)
            }
            Some(_) => {
                // It answers again, if only to refuse: the gateway's own attempt will tell.
                if self.block > Block::Nothing {
                    (self.block, self.next_attempt) = (Block::Nothing, Some(now.0));
                }
                false
            }
            None => false,
        }
    }

    /// `true` if the server was not known to be down.
    pub(super) fn call_failed(&mut self, error: &UpstreamError, now: (Instant, SystemTime), random: f64) -> bool {
        match block_after_call(error) {
            Some(block) => self.failed(error, block, now, random),
            None => false,
        }
    }

    fn failed(&mut self, error: &UpstreamError, block: Block, now: (Instant, SystemTime), random: f64) -> bool {
        let was_up = self.health != HealthState::Unhealthy;
        self.health = HealthState::Unhealthy;
        self.failures = self.failures.saturating_add(1);
        self.last_failure = Some(Failure { error: error.clone(), at: now.1 });
        self.next_attempt = Some(now.0 + backoff(self.failures, random));
        self.block = block;
        was_up
    }
}

/// How long to wait after so many failures in a row. `random` is from 0 up to 1, so
/// that many gateways do not try at the same moment.
fn backoff(failures: u32, random: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let full = FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF);
    full.mul_f64(0.5 + random / 2.0)
}

/// What a session that could not be opened says of its server; `None` for nothing.
fn block_after_opening(error: &UpstreamError) -> Option<Block> {
    match error {
        UpstreamError::Refused { .. } | UpstreamError::Unreachable { .. } | UpstreamError::CannotStart { .. } => {
            Some(Block::Everything)
        }
        UpstreamError::InitTimedOut { .. }
        | UpstreamError::ExitedInitializing { .. }
        | UpstreamError::Closed { .. }
        | UpstreamError::HttpStatus { status: 500.., .. } => Some(Block::Openings),
        UpstreamError::InitRefused { .. }
        | UpstreamError::UnsupportedVersion { .. }
        | UpstreamError::Unauthorized { .. }
        | UpstreamError::HttpStatus { .. }
        | UpstreamError::InvalidAnswer { .. }
        | UpstreamError::TooLarge { .. } => Some(Block::Nothing),
        // The gateway's own doing, or nothing that opening a session can end in.
        UpstreamError::Setup { .. }
        | UpstreamError::InvalidCapabilities { .. }
        | UpstreamError::TooManySessions { .. }
        | UpstreamError::InvalidList { .. }
        | UpstreamError::Cancelled { .. }
        | UpstreamError::ListTimedOut { .. }
        | UpstreamError::Down { .. }
        | UpstreamError::Forgotten { .. }
        | UpstreamError::ShuttingDown => None,
    }
}

/// What a call that failed on an open session says of its server. What can be the
/// fault of this one call says nothing.
fn block_after_call(error: &UpstreamError) -> Option<Block> {
    match error {
        UpstreamError::Refused { .. } | UpstreamError::Unreachable { .. } => Some(Block::Everything),
        UpstreamError::Closed { .. } | UpstreamError::HttpStatus { status: 502..=504, .. } => Some(Block::Nothing),
        UpstreamError::Setup { .. }
        | UpstreamError::InvalidCapabilities { .. }
        | UpstreamError::CannotStart { .. }
        | UpstreamError::TooManySessions { .. }
        | UpstreamError::InitTimedOut { .. }
        | UpstreamError::ExitedInitializing { .. }
        | UpstreamError::InitRefused { .. }
        | UpstreamError::UnsupportedVersion { .. }
        | UpstreamError::Unauthorized { .. }
        | UpstreamError::HttpStatus { .. }
        | UpstreamError::InvalidAnswer { .. }
        | UpstreamError::TooLarge { .. }
        | UpstreamError::InvalidList { .. }
        | UpstreamError::Cancelled { .. }
        | UpstreamError::ListTimedOut { .. }
        | UpstreamError::Down { .. }
        | UpstreamError::Forgotten { .. }
        | UpstreamError::ShuttingDown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ServerName;

    const LIMIT: Duration = Duration::from_secs(30);

    fn server() -> ServerName {
        ServerName::parse("s").unwrap()
    }

    fn refused() -> UpstreamError {
        UpstreamError::Refused { server: server(), url: "http://h".into(), is_loopback: false }
    }

    fn timed_out() -> UpstreamError {
        UpstreamError::InitTimedOut { server: server(), limit: LIMIT, is_child: false }
    }

    fn closed() -> UpstreamError {
        UpstreamError::Closed { server: server(), how: "the connection was closed".into() }
    }

    fn unauthorized() -> UpstreamError {
        UpstreamError::Unauthorized { server: server(), status: 401 }
    }

    /// Midway of the jitter's range: three quarters of the full time.
    const MIDWAY: f64 = 0.5;

    #[test]
    fn attempts_come_ever_later_and_never_at_the_same_time() {
        for (failures, random, ms) in [
            (1, 0.0, 250),
            (1, 1.0, 500),
            (2, 1.0, 1_000),
            (3, 0.5, 1_500),
            (7, 1.0, 32_000),
            (8, 1.0, 60_000),
            (8, 0.0, 30_000),
            (u32::MAX, 1.0, 60_000),
        ] {
            assert_eq!(backoff(failures, random), Duration::from_millis(ms), "{failures} {random}");
        }
    }

    #[test]
    fn a_failure_shows_and_blocks_as_far_as_it_tells_of_the_server() {
        let opening = |error: UpstreamError, by| (error, Some(by));
        let call = |error: UpstreamError| (error, None);
        for ((error, opened_for), is_down, may_open, may_send) in [
            (opening(refused(), OpenedFor::Call), true, false, false),
            (opening(timed_out(), OpenedFor::Call), true, false, true),
            (opening(unauthorized(), OpenedFor::Call), false, true, true),
            (opening(unauthorized(), OpenedFor::Gateway), true, true, true),
            (opening(UpstreamError::ShuttingDown, OpenedFor::Gateway), false, true, true),
            (call(refused()), true, false, false),
            (call(closed()), true, true, true),
            (call(unauthorized()), false, true, true),
        ] {
            let (mut state, now) = (State::new(HealthState::Unknown), (Instant::now(), SystemTime::UNIX_EPOCH));
            let went_down = match opened_for {
                Some(opened_for) => state.opening_failed(&error, opened_for, now, MIDWAY),
                None => state.call_failed(&error, now, MIDWAY),
            };
            assert_eq!(went_down, is_down, "{error}");
            assert_eq!(state.snapshot(now.0).state == HealthState::Unhealthy, is_down, "{error}");
            assert_eq!(state.admit(Attempt::Open, now.0, LIMIT).is_ok(), may_open, "{error}");
            assert_eq!(state.admit(Attempt::Message, now.0, LIMIT).is_ok(), may_send, "{error}");
        }
    }

    #[test]
    fn nobody_waits_for_the_end_of_an_attempt_that_has_reached_the_server() {
        let (mut state, start) = (State::new(HealthState::Healthy), Instant::now());
        state.opening_failed(&refused(), OpenedFor::Call, (start, SystemTime::UNIX_EPOCH), MIDWAY);
        let later = start + Duration::from_secs(1);
        assert_eq!(state.admit(Attempt::Message, later, LIMIT), Ok(()));
        assert!(state.admit(Attempt::Message, later, LIMIT).is_err(), "one at a time");
        assert!(state.answered(later) && !state.answered(later));
        assert_eq!(state.admit(Attempt::Message, later, LIMIT), Ok(()));
        assert_eq!(state.admit(Attempt::Open, later, LIMIT), Ok(()));
        assert_eq!(state.snapshot(later).state, HealthState::Unhealthy, "until it has answered a call");
    }

    #[test]
    fn once_its_time_has_come_one_attempt_is_made_and_success_clears_the_way() {
        let (mut state, start) = (State::new(HealthState::Healthy), Instant::now());
        let at = |ms: u64| start + Duration::from_millis(ms);
        assert!(state.opening_failed(&timed_out(), OpenedFor::Call, (start, SystemTime::UNIX_EPOCH), MIDWAY));
        assert_eq!(
            state.admit(Attempt::Open, at(100), LIMIT),
            Err(UpstreamError::Down { last: Box::new(timed_out()), retry_in: Duration::from_millis(275) })
        );
        assert_eq!(state.admit(Attempt::Open, at(375), LIMIT), Ok(()));
        assert!(state.admit(Attempt::Open, at(376), LIMIT).is_err(), "one at a time");
        assert!(!state.opening_failed(&refused(), OpenedFor::Call, (at(400), SystemTime::UNIX_EPOCH), MIDWAY));
        let health = state.snapshot(at(400));
        assert_eq!((health.consecutive_failures, health.next_attempt_in), (2, Some(Duration::from_millis(750))));
        assert_eq!(health.last_failure.unwrap().error, refused());
        assert!(state.succeeded());
        assert!(!state.succeeded());
        let health = state.snapshot(at(400));
        assert_eq!((health.state, health.next_attempt_in), (HealthState::Healthy, None));
        assert!(health.last_failure.is_some(), "what went wrong can still be seen");
        assert_eq!(state.admit(Attempt::Open, at(401), LIMIT), Ok(()));
    }
}
