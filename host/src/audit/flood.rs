//! Refusals of strangers, of whom anybody can send any number: so many a second are noted one by one,
//! and the rest as one that says how many they were, so that they push nothing else out.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::audit::event::Event;

/// How many are noted one by one in each period.
const ONE_BY_ONE: u32 = 100;
const PERIOD: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Flood {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    began_at: Option<Instant>,
    noted: u32,
    /// The last that was not noted; it stands for all of them.
    rest: Option<Event>,
}

impl Flood {
    /// The event to be noted now, if any.
    pub(super) fn admit(&self, event: Event, now: Instant) -> Option<Event> {
        let mut state = self.state.lock();
        if state.began_at.is_none_or(|began_at| now.duration_since(began_at) >= PERIOD) {
            (state.began_at, state.noted) = (Some(now), 0);
        }
        state.noted += 1;
        if state.noted <= ONE_BY_ONE {
            // With those that the last period left over.
            let suppressed = state.rest.take().map_or(0, |rest| rest.suppressed + 1);
            return Some(Event { suppressed, ..event });
        }
        let suppressed = state.rest.take().map_or(0, |rest| rest.suppressed + 1);
        state.rest = Some(Event { suppressed, ..event });
        None
    }

    /// What was not noted yet.
    pub(super) fn rest(&self) -> Option<Event> {
        self.state.lock().rest.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::event::Kind;

    fn stranger() -> Event {
        Event::new(Kind::Denial, "POST", "denied")
    }

    #[test]
    fn a_flood_is_noted_up_to_a_bound_and_then_counted() {
        let (flood, start) = (Flood::default(), Instant::now());
        let noted = (0..1_000).filter_map(|_| flood.admit(stranger(), start)).count();
        assert_eq!(noted, 100);
        let next = flood.admit(stranger(), start + PERIOD).unwrap();
        assert_eq!(next.suppressed, 900);
        assert_eq!(flood.admit(stranger(), start + PERIOD).unwrap().suppressed, 0);
        assert!(flood.rest().is_none());
    }

    #[test]
    fn what_is_left_over_stands_for_all_of_it() {
        let (flood, start) = (Flood::default(), Instant::now());
        for _ in 0..103 {
            flood.admit(stranger(), start);
        }
        assert_eq!(flood.rest().unwrap().suppressed, 2);
    }
}
