//! Commands about resources.

pub(super) mod get;
pub(super) mod list;
