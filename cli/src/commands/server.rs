//! Commands about MCP servers.

pub(super) mod deregister;
pub(super) mod list;
pub(super) mod register;
pub(super) mod toggle;
