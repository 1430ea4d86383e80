//! Prompts of all servers.

pub(super) mod list;
pub(super) mod render;
pub(super) mod switch;
