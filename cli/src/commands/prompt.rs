//! Commands about prompts.

pub(super) mod get;
pub(super) mod list;
pub(super) mod toggle;
