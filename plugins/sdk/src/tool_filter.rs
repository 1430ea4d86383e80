//! Which items belong to a tool group?

use crate::bindings::tool_filter::exports::mcpjungle::policy::tool_filter::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Decision, Host, Item, Listing, Policy, Request, Validity};

/// Decides what belongs to a tool group, for requests at that group's endpoint. Every tool-filter of a
/// gateway must agree. Who asks is not part of the question: that is for an [`Authorizer`](crate::Authorizer).
pub trait ToolFilter: Policy {
    /// Does `item` belong to the group of the name `group`?
    fn select(&self, host: &impl Host, request: &Request, group: &str, item: &Item) -> Decision;

    /// Which of `items` belong to `group`? One answer for each, in the same order; must agree with
    /// [`select`](Self::select).
    ///
    /// By default asks `select` about each, and says what [`holds`](Self::holds) says.
    fn select_items(&self, host: &impl Host, request: &Request, group: &str, items: &[Item]) -> Listing {
        let visible = items.iter().map(|item| self.select(host, request, group, item) == Decision::Allow);
        Listing { visible: visible.collect(), holds: self.holds() }
    }

    /// How long lists may be kept, by default until something changes in the gateway: see
    /// [`Authorizer::holds`](crate::Authorizer::holds).
    fn holds(&self) -> Validity {
        Validity::UntilChange
    }
}

impl<P: ToolFilter + Instance> Guest for Exported<P> {
    fn select(request: Request, group: String, item: Item) -> Decision {
        P::with(|policy| policy.select(&Imports, &request, &group, &item))
    }

    fn select_items(request: Request, group: String, items: Vec<Item>) -> Listing {
        P::with(|policy| policy.select_items(&Imports, &request, &group, &items))
    }
}
