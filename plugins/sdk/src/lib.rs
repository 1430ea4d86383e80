//! Write a policy for the MCPJungle gateway.
//!
//! A policy is a struct. [`Policy`] makes it from its settings, a trait for each stage says what it
//! decides, and [`export!`] makes a component of it. `cargo test` runs it natively against
//! [`testing::FakeHost`]; `cargo build --release --target wasm32-wasip2` gives the component.
//!
//! ```
//! use mcpjungle_policy::testing::{FakeHost, client, item, request};
//! use mcpjungle_policy::{Authorizer, Decision, Host, Item, Policy, Principal, Request, matches};
//! use schemars::JsonSchema;
//! use serde::Deserialize;
//!
//! /// What an administrator may set.
//! #[derive(Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     /// Canonical names that nobody may use; `*` stands for any run of characters.
//!     deny: Vec<String>,
//! }
//!
//! struct DenyList {
//!     settings: Settings,
//! }
//!
//! impl Policy for DenyList {
//!     type Settings = Settings;
//!
//!     fn new(settings: Settings) -> Result<Self, String> {
//!         Ok(Self { settings })
//!     }
//! }
//!
//! impl Authorizer for DenyList {
//!     fn authorize(&self, _host: &impl Host, _request: &Request, _principal: &Principal, item: &Item) -> Decision {
//!         let name = item.canonical_name();
//!         match self.settings.deny.iter().find(|pattern| matches(pattern, &name)) {
//!             Some(pattern) => Decision::deny("deny-list", format!("`{name}` is denied by `{pattern}`")),
//!             None => Decision::Allow,
//!         }
//!     }
//! }
//!
//! mcpjungle_policy::export!(DenyList: authorizer);
//!
//! let policy = DenyList::new(Settings { deny: vec!["github__delete_*".to_owned()] }).unwrap();
//! let decide = |name| policy.authorize(&FakeHost::new(), &request(), &client("cursor"), &item(name));
//! assert_eq!(decide("tool github__list_issues"), Decision::Allow);
//! assert!(matches!(decide("tool github__delete_repo"), Decision::Deny(denial) if denial.code == "deny-list"));
//! ```
//!
//! What there is, in reading order:
//!
//! - [`Policy`]: from settings to a policy.
//! - The stages: [`Authenticator`], [`Authorizer`], [`ToolFilter`], [`HeaderInjector`], [`Guard`], [`Observer`].
//!   The types that only one of them uses are in the module of its name.
//! - [`Host`]: what a policy may ask of the gateway. Some of it an administrator has to grant.
//! - [`json`]: arguments and results as they stand, for guards.
//! - [`export!`]: what makes the component.
//! - [`testing`]: a host and requests for `cargo test`.
//!
//! A component imports only what its code calls: one that never calls [`Host::send`] needs no grant for HTTP.

#![warn(clippy::wildcard_imports)]

#[doc(hidden)]
pub mod bindings;

pub mod authenticator;
mod authorizer;
#[doc(hidden)]
pub mod export;
pub mod guard;
pub mod header_injector;
pub mod host;
mod imports;
pub mod json;
pub mod observer;
mod pattern;
mod policy;
pub mod testing;
mod tool_filter;
mod words;

pub use authenticator::Authenticator;
pub use authorizer::Authorizer;
pub use guard::Guard;
pub use header_injector::HeaderInjector;
pub use host::Host;
pub use observer::Observer;
pub use pattern::matches;
pub use policy::{NoSettings, Policy};
pub use tool_filter::ToolFilter;

#[doc(inline)]
pub use bindings::imports::mcpjungle::policy::types::{
    Attribute, Decision, Denial, Endpoint, Item, ItemKind, Listing, Mode, Principal, PrincipalKind, Request, Validity,
};
