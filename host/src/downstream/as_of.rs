//! As of when somebody was let in. A body takes as long as its sender likes, and what let its
//! request in may hold no more once it is there: then it is looked at again.

use std::time::{Duration, Instant};

use crate::gateway::Gateway;

/// For how long who was let in is not looked at again where nothing has changed here: what an
/// authenticator goes by can also end elsewhere, or with time.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// A moment, and what was served at it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsOf {
    at: Instant,
    revision: u64,
    generation: u64,
}

impl AsOf {
    /// Now, before it is asked who somebody is.
    pub(crate) fn now(gateway: &Gateway) -> Self {
        let generation = gateway.credentials_generation();
        Self { at: Instant::now(), revision: gateway.snapshot().revision, generation }
    }

    /// Whether what was found out then can be relied on now.
    pub(crate) fn is_recent(&self, gateway: &Gateway) -> bool {
        gateway.snapshot().revision == self.revision
            && gateway.credentials_generation() == self.generation
            && self.at.elapsed() < GOOD_FOR
    }

    /// Of what authenticators go by.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}
