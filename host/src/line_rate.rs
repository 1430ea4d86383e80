//! How many lines a second something may write to the log: what fails a thousand times a second must not fill a disk.

use std::time::Instant;

use parking_lot::Mutex;

/// Lines that may be written at once, and are regained every second.
pub(crate) struct LineRate {
    lines_per_second: u32,
    state: Mutex<State>,
}

struct State {
    lines_left: u32,
    since: Instant,
    /// Lines not written since the last one that was.
    dropped: u64,
}

impl LineRate {
    pub(crate) fn new(lines_per_second: u32) -> Self {
        let state = State { lines_left: lines_per_second, since: Instant::now(), dropped: 0 };
        Self { lines_per_second, state: Mutex::new(state) }
    }

    /// How many lines were dropped before this one; `None` if this one is to be dropped.
    pub(crate) fn take_line(&self, now: Instant) -> Option<u64> {
        let mut state = self.state.lock();
        if now.duration_since(state.since).as_secs() >= 1 {
            state.lines_left = self.lines_per_second;
            state.since = now;
        }
        match state.lines_left.checked_sub(1) {
            Some(left) => {
                state.lines_left = left;
                Some(std::mem::take(&mut state.dropped))
            }
            None => {
                state.dropped += 1;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn lines_beyond_the_rate_are_dropped_and_counted() {
        let rate = LineRate::new(50);
        let start = Instant::now();
        let written = (0..57).filter(|_| rate.take_line(start) == Some(0)).count();
        assert_eq!(written, 50);
        assert_eq!(rate.take_line(start + Duration::from_secs(1)), Some(7));
        assert_eq!(rate.take_line(start + Duration::from_secs(1)), Some(0));
    }
}
