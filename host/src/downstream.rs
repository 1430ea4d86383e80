//! Facing MCP clients: Streamable HTTP, sessions, Host and Origin checks.
