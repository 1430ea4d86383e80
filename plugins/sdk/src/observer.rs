//! What happened?

use crate::bindings::observer::exports::mcpjungle::policy::observer::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Host, Policy};

#[doc(inline)]
pub use crate::bindings::observer::exports::mcpjungle::policy::observer::{Observation, Outcome};

/// Is told of calls, prompts and reads after they have ended, and decides nothing.
pub trait Observer: Policy {
    /// Tells of requests that have ended, oldest first. Callers do not wait for it.
    fn observe(&self, host: &impl Host, observations: &[Observation]);
}

impl<P: Observer + Instance> Guest for Exported<P> {
    fn observe(observations: Vec<Observation>) {
        P::with(|policy| policy.observe(&Imports, &observations));
    }
}
