//! What goes in both directions while calls run, and beside them: each compared with
//! what a client hears that is connected to the same server directly.
//!
//! | what no conformance suite shows | shown by |
//! |---|---|
//! | every byte as it was sent, both ways | `relayed`, `tasks`, `beside_calls`; what calls return: `fidelity` |
//! | progress in order, before the response, and none unasked for | `relayed`, `resuming` |
//! | a reader that does not read delays nobody but itself | `streams` |
//! | a silent call, and a client that only listens, go on | `streams`; a unit test of `downstream::sessions` |
//! | a closed connection cancels nothing; a cancellation reaches the server | `cancellation` |
//! | Host and Origin, batches, parse errors | `edge` |
//! | names with a prefix in everything that names an item | `beside_calls`, `tasks`, `fidelity` |
//! | sampling, elicitation and roots for a client that never opens a GET stream | `relayed`, `asking` |
//! | a bad tool hides no other; an empty cursor is one | `fidelity` |
//! | no session, and no principal, sees what is another's | `resuming`, `asking`, `tasks`, `old_transport`, `policies` |

mod asking;
mod beside_calls;
mod cancellation;
mod changes;
mod old_transport;
mod relayed;
mod resuming;
mod streams;
mod tasks;

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

/// Declares everything, in a spelling of its own.
const CAPABILITIES: &str =
    r#"{"roots":{"listChanged":true},"sampling":{ "x\u002dy":1.50e+3},"elicitation":{"form":{},"url":{}}}"#;

/// A server behind the gateway, in front of which every endpoint is tried.
struct Rig {
    gateway: Gateway,
    upstream: RawServer,
}

impl Rig {
    /// A server that is called on a session of its own each time.
    fn stateless(upstream: RawServer) -> Self {
        Self::with(upstream, "stateless")
    }

    /// A server whose one session all callers share.
    fn stateful(upstream: RawServer) -> Self {
        Self::with(upstream, "stateful")
    }

    fn with(upstream: RawServer, session_mode: &str) -> Self {
        let gateway = Gateway::start();
        let mut registration = upstream.registration("raw");
        registration["session_mode"] = json!(session_mode);
        gateway.register(&registration);
        gateway.create_group(&json!({ "name": "all", "included_servers": ["raw"] }));
        Self { gateway, upstream }
    }

    /// One of each kind of upstream.
    fn of_every_kind() -> [(&'static str, Self); 4] {
        [
            ("http without sessions", Self::stateless(http(&[]))),
            ("http with sessions", Self::stateless(http(&["--session-ids"]))),
            ("stdio for each call", Self::stateless(stdio())),
            ("stdio, one process", Self::stateful(stdio())),
        ]
    }

    async fn client(&self, path: &str) -> Client {
        Client::connect_with(self.gateway.url(path), CAPABILITIES).await
    }

    /// A client at each endpoint, and what it has to put before names.
    async fn clients(&self) -> [(Client, &'static str); 3] {
        [
            (self.client("/mcp").await, "raw__"),
            (self.client("/v0/groups/all/mcp").await, "raw__"),
            (self.client("/v0/servers/raw/mcp").await, ""),
        ]
    }
}

fn http(options: &[&str]) -> RawServer {
    RawServer::http(&[&["--talks"], options].concat())
}

fn stdio() -> RawServer {
    RawServer::stdio_with(&["--talks"])
}

/// A client of a server of its own, without a gateway between.
async fn direct() -> (RawServer, Client) {
    let server = http(&["--session-ids"]);
    let client = Client::connect_with(server.url(), CAPABILITIES).await;
    (server, client)
}
