//! When to read a server's lists again.

use std::time::Duration;

/// Lists often change item by item, each with a word of its own.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long to wait for the next poll: the interval, give or take a tenth, so that
/// servers are not all asked at the same moment. `random` is from 0 up to 1.
pub(super) fn poll_delay(interval: Duration, random: f64) -> Duration {
    interval.mul_f64(0.9 + random / 5.0)
}

/// How soon a server's word is acted on. One that says over and over that its lists
/// changed when they have not, at each of its starts for one, is believed ever later.
#[derive(Debug, Default)]
pub(super) struct HintPace {
    fruitless: u32,
}

impl HintPace {
    /// How long to wait after a hint, for others that belong to it.
    pub(super) fn pause(&self) -> Duration {
        SHORTEST_PAUSE.saturating_mul(1 << self.fruitless.min(16)).min(LONGEST_PAUSE)
    }

    /// Takes note of what a look at the lists brought.
    pub(super) fn note(&mut self, is_hinted: bool, has_changed: bool) {
        if has_changed {
            self.fruitless = 0;
        } else if is_hinted {
            self.fruitless = self.fruitless.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polls_are_spread_around_the_interval() {
        for (random, ms) in [(0.0, 9_000), (0.5, 10_000), (1.0, 11_000)] {
            let delay = poll_delay(Duration::from_secs(10), random).as_secs_f64() * 1000.0;
            assert_eq!(delay.round() as u64, ms);
        }
    }

    #[test]
    fn hints_that_are_in_vain_are_acted_on_ever_later() {
        let mut pace = HintPace::default();
        for (is_hinted, has_changed, pause_ms) in [
            (true, false, 200),
            (false, false, 200),
            (true, false, 400),
            (true, true, 100),
            (true, false, 200),
            (false, true, 100),
        ] {
            pace.note(is_hinted, has_changed);
            assert_eq!(pace.pause(), Duration::from_millis(pause_ms));
        }
        for _ in 0..100 {
            pace.note(true, false);
        }
        assert_eq!(pace.pause(), LONGEST_PAUSE);
    }
}
