//! Commands about tools.

mod content;
pub(super) mod invoke;
pub(super) mod list;
pub(super) mod toggle;
pub(super) mod usage;
