//! What a policy is granted: refused without the grant, real with it, and bounded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::{Client, send};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

mod secrets;

const COMPONENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/borrower.wasm");

/// Everything, for hosts by these names; the deadline leaves time for a busy machine.
fn all_grants() -> Value {
    json!(["kv", "http:localhost", "secret:github/*"])
}

/// A policies file with the borrower behind the stock policies.
fn write_policies(home: &TempDir, grants: &Value, deadline_ms: u32) -> String {
    let stock = |name: &str| json!({ "name": name, "component": format!("builtin:{name}") });
    let ours = json!({
        "name": "borrower", "component": COMPONENT, "grants": grants, "limits": { "deadline_ms": deadline_ms },
    });
    let policies = json!({ "policies": [stock("auth"), stock("acl"), stock("groups"), stock("headers"), ours] });
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, policies.to_string()).expect("the home is writable");
    file.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// A gateway in this home, with `raw` registered if it is not yet, and a client.
async fn start(home: Arc<TempDir>, upstream: &RawServer, grants: &Value, deadline_ms: u32) -> (Gateway, Client) {
    let file = write_policies(&home, grants, deadline_ms);
    let gateway = Gateway::start_in(home, &["--policies", &file]);
    if !gateway.succeed(&["list", "servers"]).contains("raw") {
        gateway.register(&upstream.registration("raw"));
    }
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, client)
}

/// Has the policy run an errand; what came of it, which the upstream was sent and has echoed.
pub(crate) async fn run(client: &Client, errand: &Value) -> Value {
    let answer = client.call("raw__echo", &errand.to_string()).await;
    let answer: Value = serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    let echoed = answer["result"]["echoed"]["arguments"].get("answer").cloned();
    echoed.unwrap_or(answer)
}

/// An HTTP server of the test's own; its port.
async fn serve(router: Router) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

#[test]
fn a_component_is_not_loaded_without_the_grants_that_its_imports_need() {
    for (grants, import, needed) in [
        (json!([]), "mcpjungle:policy/", "grant it with `"),
        (json!(["http:a.example", "secret:x"]), "key-value@0.1.0", "grant it with `kv`"),
        (json!(["kv", "secret:x"]), "outbound-http@0.1.0", "grant it with `http:HOST`"),
        (json!(["kv", "http:a.example"]), "secrets@0.1.0", "grant it with `secret:NAME`"),
    ] {
        let home = new_home();
        let file = write_policies(&home, &grants, 250);
        let mut command = bare_command(home.path());
        command.args(["start", "--port", "0", "--policies", &file]);
        let finished = finish(command);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(import) && finished.stderr.contains(needed), "{grants}: {finished:?}");
    }
}

#[tokio::test]
async fn http_goes_to_granted_hosts_only_also_after_redirects_and_is_counted() {
    let upstream = RawServer::http(&[]);
    let home = new_home();
    std::fs::write(home.path().join(".env"), "OTEL_ENABLED=true\n").expect("the home is writable");
    let (gateway, client) = start(home, &upstream, &all_grants(), 5_000).await;
    let away = serve(Router::new().route("/secret", get(|| async { "internal" }))).await;
    let to_address =
        move || async move { (StatusCode::FOUND, [("location", format!("http://127.0.0.1:{away}/secret"))]) };
    let router = Router::new()
        .route("/hello", get(|| async { "hello" }))
        .route("/away", get(to_address))
        .route("/big", get(|| async { "x".repeat((1 << 20) + 1) }))
        .route("/large", get(|| async { "x".repeat(1 << 20) }));
    let port = serve(router).await;
    let fetch = async |url: String| run(&client, &json!({ "fetch": { "url": url } })).await;
    let here = |path: &str| format!("http://localhost:{port}{path}");

    assert_eq!(fetch(here("/hello")).await, json!({ "status": 200, "body": "hello" }));
    assert_eq!(fetch(here("/large")).await, json!({ "status": 200, "bytes": 1 << 20 }));
    assert_eq!(fetch(here("/big")).await, json!({ "error": "HttpError::TooLarge" }));
    for refused in [here("/away"), format!("http://127.0.0.1:{port}/hello"), format!("http://0x7f.1:{port}/hello")] {
        let answer = fetch(refused.clone()).await;
        let problem = answer["error"].as_str().unwrap_or_default();
        assert!(
            problem.starts_with("HttpError::NotGranted") && problem.contains("grant it with `http:127.0.0.1`"),
            "{refused}: {answer}"
        );
    }
    let answer = run(&client, &json!({ "fetch": { "url": here("/hello"), "headers": [["Host", "evil"]] } })).await;
    assert!(answer["error"].as_str().unwrap_or_default().starts_with("HttpError::Invalid"), "{answer}");

    let metrics = send(Client::new(gateway.url("/metrics")).bare(reqwest::Method::GET)).await.body;
    for (result, count) in [("done", 2), ("refused", 4), ("failed", 1)] {
        let labels = format!(r#"{{plugin="borrower",capability="outbound-http",result="{result}"}}"#);
        let line = format!("mcpjungle_plugin_host_calls_total{labels} {count}");
        assert!(metrics.lines().any(|shown| shown == line), "{line} is missing:\n{metrics}");
    }
}

#[tokio::test]
async fn a_slow_peer_ends_in_time_and_other_calls_go_on() {
    let upstream = RawServer::http(&[]);
    let (_gateway, client) = start(new_home(), &upstream, &all_grants(), 2_000).await;
    let port = serve(Router::new().route("/slow", get(std::future::pending::<()>))).await;
    let slow = json!({ "fetch": { "url": format!("http://localhost:{port}/slow") } });
    let started = Instant::now();
    let slow_ones = async {
        let answers = [run(&client, &slow), run(&client, &slow), run(&client, &slow), run(&client, &slow)];
        let [a, b, c, d] = answers;
        let (a, b, c, d) = tokio::join!(a, b, c, d);
        (started.elapsed(), [a, b, c, d])
    };
    let others = async {
        for _ in 0..10 {
            assert_eq!(run(&client, &json!({ "secret": "not-granted" })).await, Value::Null);
        }
        started.elapsed()
    };
    let ((slow_took, answers), others_took) = tokio::join!(slow_ones, others);
    for answer in answers {
        assert_eq!(answer, json!({ "error": "HttpError::TimedOut" }));
    }
    assert!(slow_took >= Duration::from_millis(1_800), "{slow_took:?}");
    assert!(others_took < slow_took, "the others took {others_took:?}, the slow ones {slow_took:?}");
}

#[tokio::test]
async fn values_survive_a_restart_and_end_at_their_quota_and_their_time() {
    let upstream = RawServer::http(&[]);
    let home = new_home();
    let (gateway, client) = start(Arc::clone(&home), &upstream, &all_grants(), 5_000).await;
    assert_eq!(run(&client, &json!({ "add": { "key": "n", "by": 2 } })).await, 2);
    assert_eq!(run(&client, &json!({ "add": { "key": "n", "by": 40 } })).await, 42);
    assert_eq!(run(&client, &json!({ "fill": { "key": "x", "bytes": 3 } })).await, "set");
    assert_eq!(run(&client, &json!({ "fill": { "key": "gone", "bytes": 3, "expires_in": 0 } })).await, "set");
    let answer = run(&client, &json!({ "fill": { "key": "x", "bytes": (64 << 10) + 1 } })).await;
    assert!(answer["error"].as_str().unwrap_or_default().contains("longer than 65536 bytes"), "{answer}");
    let answer = run(&client, &json!({ "add": { "key": "x", "by": 1 } })).await;
    assert!(answer["error"].as_str().unwrap_or_default().contains("is no number"), "{answer}");
    drop(gateway);

    let (_gateway, client) = start(home, &upstream, &all_grants(), 5_000).await;
    assert_eq!(run(&client, &json!({ "get": "n" })).await, "42");
    assert_eq!(run(&client, &json!({ "get": "x" })).await, "xxx");
    assert_eq!(run(&client, &json!({ "get": "gone" })).await, Value::Null);
    assert_eq!(run(&client, &json!({ "delete": "x" })).await, "deleted");
    assert_eq!(run(&client, &json!({ "get": "x" })).await, Value::Null);
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn gateways_on_one_database_count_together() {
    let cluster = crate::postgres::Cluster::shared();
    let home = new_home();
    let (url, key) = (cluster.url(&cluster.create_database()), "5a".repeat(32));
    let variables = format!("DATABASE_URL={url}\nMCPJUNGLE_SECRET_KEY={key}\n");
    std::fs::write(home.path().join(".env"), variables).expect("the home is writable");
    let upstream = RawServer::http(&[]);
    let (_one, client) = start(Arc::clone(&home), &upstream, &all_grants(), 5_000).await;
    let (_other, other_client) = start(home, &upstream, &all_grants(), 5_000).await;
    let count = async |client: &Client| {
        let mut sums = Vec::new();
        for _ in 0..25 {
            sums.push(run(client, &json!({ "add": { "key": "n", "by": 1 } })).await.as_i64().expect("a sum"));
        }
        sums
    };
    let (ours, theirs) = tokio::join!(count(&client), count(&other_client));
    let mut sums = [ours, theirs].concat();
    sums.sort_unstable();
    assert_eq!(sums, (1..=50).collect::<Vec<i64>>(), "no sum is given twice");
}

#[tokio::test]
async fn what_a_policy_prints_is_in_the_log_under_its_name() {
    let upstream = RawServer::http(&[]);
    let (gateway, client) = start(new_home(), &upstream, &all_grants(), 5_000).await;
    let lines = json!({ "print": { "out": "to stdout\n", "err": "to stderr\nand more\n" } });
    assert_eq!(run(&client, &lines).await, true);
    for (level, line) in [("INFO", "to stdout"), ("WARN", "to stderr"), ("WARN", "and more")] {
        let is_logged = |log: String| {
            let mut lines = log.lines();
            lines.any(|shown| shown.contains(line) && shown.contains(level) && shown.contains("borrower"))
        };
        until(line, || is_logged(gateway.log())).await;
    }
}
