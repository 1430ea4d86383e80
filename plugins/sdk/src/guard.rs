//! What goes into a call, and what comes out of it?

use crate::bindings::guard::exports::mcpjungle::policy::guard::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Denial, Host, Item, Policy, Principal, Request};

#[doc(inline)]
pub use crate::bindings::guard::exports::mcpjungle::policy::guard::{Parts, Review};

/// Looks at the arguments of calls and at their results. Guards are asked in order; each sees what the one
/// before it left.
pub trait Guard: Policy {
    /// What this guard reviews with its settings, by default both. The rest is never copied to it, so say
    /// less where less is needed. Asked once after loading.
    fn reviews(&self) -> Parts {
        Parts::ARGUMENTS | Parts::RESULTS
    }

    /// Reviews the arguments of a call: a JSON object as text, `{}` where there are none. A name that was sent
    /// twice is there twice, and servers differ in which of the two they go by. What the arguments are rewritten
    /// to must be an object too. By default they pass.
    fn review_arguments(
        &self,
        host: &impl Host,
        request: &Request,
        principal: &Principal,
        item: &Item,
        arguments: &str,
    ) -> Review {
        let _ = (host, request, principal, item, arguments);
        Review::Pass
    }

    /// Reviews the result of a call: a JSON text as the upstream sent it. What it is rewritten to must be
    /// JSON. Errors of the upstream are not reviewed. By default it passes.
    fn review_result(
        &self,
        host: &impl Host,
        request: &Request,
        principal: &Principal,
        item: &Item,
        outcome: &str,
    ) -> Review {
        let _ = (host, request, principal, item, outcome);
        Review::Pass
    }
}

impl<P: Guard + Instance> Guest for Exported<P> {
    fn reviews() -> Parts {
        P::with(Guard::reviews)
    }

    fn review_arguments(request: Request, principal: Principal, item: Item, arguments: String) -> Review {
        P::with(|policy| policy.review_arguments(&Imports, &request, &principal, &item, &arguments))
    }

    fn review_result(request: Request, principal: Principal, item: Item, outcome: String) -> Review {
        P::with(|policy| policy.review_result(&Imports, &request, &principal, &item, &outcome))
    }
}

impl Review {
    /// Refuses the call. `code` is a short stable word for programs; `reason` is a sentence that the caller
    /// is told.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Deny(Denial::new(code, reason))
    }
}
