//! The HTTP API does what its description says, whatever is sent to it: schemathesis
//! makes requests of the description, good and bad, and holds the answers against it.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::harness::client::{Client, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN, client, user};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::programs::run_schemathesis;
use crate::harness::raw_server::RawServer;

/// What schemathesis is told of this API; the names in it are those that are made here.
const CONFIGURATION: &str = include_str!("../programs/schemathesis.toml");

#[tokio::test]
async fn no_request_gets_an_answer_that_is_not_described() {
    let home = new_home();
    std::fs::write(home.path().join(".env"), "OTEL_ENABLED=true\nMCPJUNGLE_AUDIT=true\n")
        .expect("the home is writable");
    holds(Gateway::start_in(home, &[])).await;
}

#[tokio::test]
async fn no_request_of_an_administrator_gets_an_answer_that_is_not_described() {
    let people = [client("machine", "token-of-machine", &[]), user("alice", "token-of-alice")];
    holds(enterprise::start(&people).await).await;
}

async fn holds(gateway: Gateway) {
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    gateway.register(&upstream.registration("spare"));
    gateway.create_group(&json!({ "name": "few", "included_tools": ["raw__echo"] }));
    for group in ["more", "disposable"] {
        gateway.create_group(&json!({ "name": group, "included_servers": ["raw"] }));
    }

    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let configuration = directory.path().join("schemathesis.toml");
    let text = CONFIGURATION.replace("UPSTREAM_URL", &upstream.url()).replace("ADMIN_TOKEN", ADMIN_TOKEN);
    std::fs::write(&configuration, text).expect("the directory is writable");
    let finished = run_schemathesis(directory.path(), &configuration, &gateway.url("/api/v0/openapi.json"));
    assert_eq!(finished.code, Some(0), "{}\n{}", finished.stdout, finished.stderr);

    // It found what there is to test, and its requests went all the way.
    let operations = count_operations(&gateway).await;
    assert!(finished.stdout.contains(&format!("Tested: {operations}\n")), "{}", finished.stdout);
    for method in ["tools/call", "prompts/get", "resources/read"] {
        assert!(!upstream.requests(method).is_empty(), "{method} did not reach the MCP server:\n{}", finished.stdout);
    }
}

/// How many operations the document describes, besides the one that gives it.
async fn count_operations(gateway: &Gateway) -> usize {
    let client = Client::new(gateway.url("/api/v0/openapi.json")).with_token(ADMIN_TOKEN);
    let reply = send(client.bare(Method::GET)).await;
    let document = reply.json();
    let paths = document["paths"].as_object().expect("the document has paths");
    paths.values().filter_map(Value::as_object).map(Map::len).sum::<usize>() - 1
}
