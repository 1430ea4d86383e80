//! The gateway as its users meet it: the real binary, real MCP servers, real clients.

mod upstream_stdio;
