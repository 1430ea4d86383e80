//! Policies are installed, changed and taken back while the gateway runs: the real command, real clients.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

mod access;
mod file;
mod mistakes;
mod planning;
mod safe_mode;
#[cfg(feature = "e2e")]
mod sharing;
mod swapping;

/// A committed component of the tests.
fn component(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/policies").join(name);
    path.canonicalize().expect("the component is committed").to_str().expect("its path is UTF-8").to_owned()
}

/// Installs the component that hides what its settings name.
fn add_deny(gateway: &Gateway, denied: &str) -> String {
    gateway.succeed(&["plugin", "add", "deny", &component("deny-one-tool.wasm"), "--settings", &deny(denied)])
}

fn deny(name: &str) -> String {
    format!(r#"{{"deny": ["{name}"]}}"#)
}

async fn with_upstream() -> (Gateway, RawServer, Client) {
    let gateway = Gateway::start();
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, upstream, client)
}

/// Whether a client's list of tools names this one.
async fn lists(client: &Client, tool: &str) -> bool {
    client.list("tools/list", "tools").await.iter().any(|listed| listed.contains(tool))
}

fn as_json(gateway: &Gateway, arguments: &[&str]) -> Value {
    let printed = gateway.succeed(&[arguments, &["--json"]].concat());
    serde_json::from_str(&printed).expect("it is JSON")
}

/// The names of the installed plugins, in their order.
fn installed(gateway: &Gateway) -> Vec<String> {
    let policies = as_json(gateway, &["plugin", "list"]);
    let plugins = policies["plugins"].as_array().expect("there are plugins");
    plugins.iter().map(|plugin| plugin["name"].as_str().unwrap_or_default().to_owned()).collect()
}
