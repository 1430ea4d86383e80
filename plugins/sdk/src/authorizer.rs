//! May this principal use this item?

use crate::bindings::authorizer::exports::mcpjungle::policy::authorizer::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Decision, Host, Item, Listing, Policy, Principal, Request, Validity};

/// Decides whether a principal may use an item. Every authorizer of a gateway must allow.
pub trait Authorizer: Policy {
    /// May `principal` use `item`? Asked before each call, prompt and read.
    ///
    /// The caller of something denied is answered as if it did not exist; code and reason of the denial
    /// go to the log.
    fn authorize(&self, host: &impl Host, request: &Request, principal: &Principal, item: &Item) -> Decision;

    /// Which of `items` may `principal` see? One answer for each, in the same order; must agree with
    /// [`authorize`](Self::authorize).
    ///
    /// By default asks `authorize` about each, and says what [`holds`](Self::holds) says.
    fn authorize_items(&self, host: &impl Host, request: &Request, principal: &Principal, items: &[Item]) -> Listing {
        let visible = items.iter().map(|item| self.authorize(host, request, principal, item) == Decision::Allow);
        Listing { visible: visible.collect(), holds: self.holds() }
    }

    /// How long lists may be kept. By default until something changes in the gateway, which is right where
    /// the answer depends on nothing but the settings, the question and the directory. Where it depends on
    /// the time or on stored values, say for how many milliseconds it holds, or that it is not to be kept.
    fn holds(&self) -> Validity {
        Validity::UntilChange
    }
}

impl<P: Authorizer + Instance> Guest for Exported<P> {
    fn authorize(request: Request, principal: Principal, item: Item) -> Decision {
        P::with(|policy| policy.authorize(&Imports, &request, &principal, &item))
    }

    fn authorize_items(request: Request, principal: Principal, items: Vec<Item>) -> Listing {
        P::with(|policy| policy.authorize_items(&Imports, &request, &principal, &items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoSettings;
    use crate::testing::{FakeHost, client, item, request};

    struct OddMinutes;

    impl Policy for OddMinutes {
        type Settings = NoSettings;

        fn new(_settings: NoSettings) -> Result<Self, String> {
            Ok(Self)
        }
    }

    impl Authorizer for OddMinutes {
        fn authorize(&self, host: &impl Host, _request: &Request, _principal: &Principal, item: &Item) -> Decision {
            if host.now() / 60_000 % 2 == 1 || item.server == "clock" {
                return Decision::Allow;
            }
            Decision::deny("even-minute", "come back in a minute")
        }

        fn holds(&self) -> Validity {
            Validity::Milliseconds(1000)
        }
    }

    #[test]
    fn a_list_says_of_each_item_what_is_said_of_it_alone() {
        let items = [item("tool clock__now"), item("tool github__search")];
        let list = |host: &FakeHost| OddMinutes.authorize_items(host, &request(), &client("cursor"), &items);
        let even = list(&FakeHost::new().at(120_000));
        assert_eq!(even, Listing { visible: vec![true, false], holds: Validity::Milliseconds(1000) });
        assert_eq!(list(&FakeHost::new().at(60_000)).visible, [true, true]);
    }
}
