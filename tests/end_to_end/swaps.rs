//! Plugins are changed over and over while clients call: no call fails, and memory stays where it
//! was. `cargo xtask soak` does the same ten thousand times.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::client::{Client, http_client};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

const CLIENTS: usize = 4;
const SWAPS: usize = 150;
/// Changes after which memory should not grow any more.
const SETTLED_AFTER: usize = 50;
const MOST_GROWTH_BYTES: u64 = 5 << 20;

#[tokio::test]
async fn no_call_fails_and_memory_stays_where_it_was_while_plugins_are_swapped() {
    let gateway = Gateway::start();
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let plugins = Plugins { gateway: &gateway, http: http_client() };
    let components = [plugins.upload(b"one").await, plugins.upload(b"two").await];
    let added = json!({
        "name": "custom", "component": components[0], "after": "builtin-acl", "settings": { "deny": [] }
    });
    plugins.ask(Method::POST, "", StatusCode::CREATED, added.to_string()).await;

    let (stop, calls) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client::connect(gateway.url("/mcp")).await;
        let (stop, calls) = (Arc::clone(&stop), Arc::clone(&calls));
        clients.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = client.call("raw__spaced", "{}").await;
                assert!(answer.contains(r#""result""#), "{answer}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }

    let observer = Client::connect(gateway.url("/mcp")).await;
    let mut settled = 0;
    for swap in 1..=SWAPS {
        // What is denied alternates, and nothing that was installed before comes back.
        let denied = if swap % 2 == 1 { "raw__numbers" } else { "raw__nothing" };
        let settings = json!({ "deny": [denied, format!("raw__never-{swap}")] });
        let update = json!({ "component": components[swap % 2], "settings": settings });
        plugins.ask(Method::PATCH, "/custom", StatusCode::OK, update.to_string()).await;
        if swap % 25 == 0 {
            let listed = observer.list("tools/list", "tools").await.join("\n");
            assert_eq!(listed.contains("raw__numbers"), swap % 2 == 0, "after swap {swap}: {listed}");
        }
        if swap == SETTLED_AFTER {
            settled = gateway.resident_bytes();
        }
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no call failed");
    }
    let resident = gateway.resident_bytes();
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "{SWAPS} swaps, {} calls, 0 failed; RSS {:.1} MiB after {SETTLED_AFTER}, {:.1} MiB after {SWAPS}",
        calls.load(Ordering::Relaxed),
        mib(settled),
        mib(resident)
    );
    assert!(calls.load(Ordering::Relaxed) > 0);
    assert!(resident < settled + MOST_GROWTH_BYTES, "{:.1} MiB, then {:.1} MiB", mib(settled), mib(resident));
}

/// The API for plugins.
struct Plugins<'a> {
    gateway: &'a Gateway,
    http: reqwest::Client,
}

impl Plugins<'_> {
    /// Uploads the test component, made another one by a custom section of this name.
    async fn upload(&self, name: &[u8]) -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/deny-one-tool.wasm");
        let mut bytes = std::fs::read(path).expect("the component is committed");
        let length = u8::try_from(name.len()).expect("names here are short");
        bytes.extend([0, length + 1, length]);
        bytes.extend(name);
        self.ask(Method::POST, "/components", StatusCode::CREATED, bytes).await["component"].take()
    }

    async fn ask(&self, method: Method, path: &str, expected: StatusCode, body: impl Into<reqwest::Body>) -> Value {
        let url = self.gateway.url(&format!("/api/v0/plugins{path}"));
        let answer = self.http.request(method, url).body(body).send().await.expect("an answer comes");
        let (status, text) = (answer.status(), answer.text().await.expect("it is read to its end"));
        assert_eq!(status, expected, "{path}: {text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }
}
