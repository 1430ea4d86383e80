//! `rate-limit`, `argument-rules` and `redact`: what goes into calls and what comes out of them.

use serde_json::{Value, json};

use super::{example, write_policies};
use crate::harness::client::{Client, request, send};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;

/// A gateway with these policies, its upstream `raw`, and a client.
async fn with(policies: &[Value]) -> (Gateway, RawServer, Client) {
    let home = new_home();
    let file = write_policies(&home, policies);
    let gateway = Gateway::start_in(home, &["--policies", &file]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, upstream, client)
}

fn parsed(message: &str) -> Value {
    serde_json::from_str(message).unwrap_or_else(|error| panic!("{error}: {message}"))
}

/// The message of an error that is a policy's refusal.
fn refusal(message: &str) -> String {
    let answer = parsed(message);
    assert_eq!(answer["error"]["code"], -31001, "{answer}");
    answer["error"]["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_call_beyond_the_limit_is_refused_with_the_time_to_wait_and_lists_do_not_count() {
    let limit = json!({ "name": "numbers", "tools": ["raw__numbers"], "calls": 2, "seconds": 86400 });
    let (_gateway, upstream, client) = with(&[example("rate-limit", &json!({ "limits": [limit] }), &["kv"])]).await;
    for _ in 0..2 {
        client.list("tools/list", "tools").await;
        let answer = client.call("raw__numbers", "{}").await;
        assert!(answer.contains("result"), "{answer}");
    }
    let reason = refusal(&client.call("raw__numbers", "{}").await);
    assert!(reason.contains("the rate limit `numbers` of 2 calls in 86400 s is used up: try again in "), "{reason}");
    assert_eq!(upstream.requests("tools/call").len(), 2, "the upstream was not asked");
    let answer = client.call("raw__spaced", "{}").await;
    assert!(answer.contains("result"), "{answer}");
}

#[tokio::test]
async fn an_argument_that_breaks_a_rule_is_refused_and_one_that_is_set_arrives() {
    let rules = json!({ "rules": [
        { "tools": ["raw__echo"], "argument": "/path", "inside": ["/srv/shared"] },
        { "tools": ["raw__echo"], "argument": "/limit", "default": 20 },
    ] });
    let (_gateway, upstream, client) = with(&[example("argument-rules", &rules, &[])]).await;
    let reason = refusal(&client.call("raw__echo", r#"{"path":"/srv/shared/../secret"}"#).await);
    assert!(reason.contains("the argument `/path` of echo must be a path inside `/srv/shared`"), "{reason}");
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");
    client.call("raw__echo", r#"{"path":"/srv/shared/a", "n": 1.50}"#).await;
    let calls = upstream.requests("tools/call");
    assert!(calls[0].body.contains(r#"{"path":"/srv/shared/a", "n": 1.50,"limit":20}"#), "{calls:?}");
}

#[tokio::test]
async fn a_secret_in_a_result_is_masked_and_the_rest_of_it_is_not_touched() {
    let injector = json!({
        "name": "house-rules", "settings": { "headers": { "X-House": "Bearer 0123456789abcdefghij" } },
        "component": concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm"),
        "stages": ["header-injector"],
    });
    let (_gateway, upstream, client) = with(&[injector, example("redact", &json!({}), &[])]).await;
    let call = request("tools/call", r#"{"name":"raw__headers","arguments":{}}"#);
    let reply = send(client.polite(call)).await;
    let text = reply.message();
    let sent = &upstream.requests("tools/call")[0].headers;
    assert_eq!(sent.get("x-house").map(String::as_str), Some("Bearer 0123456789abcdefghij"), "it was in the result");
    assert!(text.contains("Bearer [redacted: bearer-token]") && !text.contains("0123456789abcdefghij"), "{text}");

    // Numbers that no parser would give back as they are.
    let answer = client.call("raw__numbers", "{}").await;
    assert!(answer.contains(r#""z":1.50e+3,"a":12345678901234567890123,"m":-0,"big":1E400"#), "{answer}");
}
