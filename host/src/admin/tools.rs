//! Tools of all servers.

pub(super) mod invoke;
pub(super) mod list;
pub(super) mod switch;
