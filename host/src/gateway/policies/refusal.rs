//! Whether what runs is what the policies file says, for those who look at the policies and not at the log.

use crate::admin::with_sources;
use crate::clock::now_ms;
use crate::gateway::policies::PolicyError;

/// A policies file that does not run: older policies do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong with the file as it is now.
    pub reason: String,
    /// Since when it has been refused, whatever was wrong with it meanwhile. In milliseconds since 1970.
    pub since_ms: i64,
}

/// What came of the last look at the file.
#[derive(Default)]
pub(super) struct Refusal(parking_lot::Mutex<Option<Refused>>);

impl Refusal {
    /// Whether the file is refused now, and was not before for the same reason.
    pub(super) fn note(&self, outcome: &Result<bool, PolicyError>) -> bool {
        let mut refused = self.0.lock();
        let told = refused.as_ref().map(|earlier| earlier.reason.clone());
        *refused = outcome.as_ref().err().map(|error| Refused {
            reason: with_sources(error),
            since_ms: refused.as_ref().map_or_else(now_ms, |earlier| earlier.since_ms),
        });
        refused.as_ref().is_some_and(|refused| told.as_ref() != Some(&refused.reason))
    }

    pub(super) fn current(&self) -> Option<Refused> {
        self.0.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::PlanError;

    fn refused(name: &str) -> Result<bool, PolicyError> {
        let error = PlanError::DuplicateName { path: "policies.yaml".to_owned(), name: name.into() };
        Err(PolicyError::Plan(error))
    }

    #[test]
    fn a_file_is_refused_from_its_first_mistake_until_it_is_good_again() {
        let refusal = Refusal::default();
        assert_eq!(refusal.current(), None);
        assert!(refusal.note(&refused("a")));
        let first = refusal.current().unwrap();
        assert!(!refusal.note(&refused("a")));
        assert!(refusal.note(&refused("b")));
        let second = refusal.current().unwrap();
        assert_eq!(second.since_ms, first.since_ms);
        assert_eq!(second.reason, "the policies file policies.yaml names two plugins `b`");
        assert!(!refusal.note(&Ok(false)));
        assert_eq!(refusal.current(), None);
    }
}
