//! MCP servers over HTTP as the gateway meets them: real sockets, raw bytes, and a
//! record of all that the server was sent.

#[path = "upstream/fixture.rs"]
mod fixture;
#[path = "upstream/health.rs"]
mod health;
#[path = "upstream/http.rs"]
mod http_transport;
#[path = "upstream/offer.rs"]
mod offer;
#[path = "upstream/sessions.rs"]
mod sessions;
#[path = "upstream/sse.rs"]
mod sse;
