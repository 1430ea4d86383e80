//! MCP servers over HTTP as the gateway meets them: real sockets, raw bytes, and a
//! record of all that the server was sent.

#[path = "upstream/cancelling.rs"]
mod cancelling;
#[path = "upstream/fixture.rs"]
mod fixture;
#[path = "upstream/health.rs"]
mod health;
#[path = "upstream/http.rs"]
mod http_transport;
#[path = "upstream/listening.rs"]
mod listening;
#[path = "upstream/offer.rs"]
mod offer;
#[path = "upstream/relay.rs"]
mod relay;
#[path = "upstream/resuming.rs"]
mod resuming;
#[path = "upstream/sessions.rs"]
mod sessions;
#[path = "upstream/sse.rs"]
mod sse;
#[path = "upstream/two_way.rs"]
mod two_way;
