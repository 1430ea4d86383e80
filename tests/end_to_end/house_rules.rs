//! WebAssembly changes calls: a guard, a header-injector and an observer in the real binary.

use serde_json::{Value, json};

use crate::harness::client::{Client, request, send};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

/// A gateway with the test component behind the stock ones, its upstream `raw`, and a client.
async fn with_settings(settings: &Value) -> (Gateway, RawServer, Client) {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm");
    let stock = |name: &str| json!({ "name": name, "component": format!("builtin:{name}") });
    let ours = json!({ "name": "house-rules", "component": component, "settings": settings });
    let policies = json!({ "policies": [stock("auth"), stock("groups"), stock("headers"), ours] });
    let home = new_home();
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, policies.to_string()).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--policies", file.to_str().expect("temporary paths are UTF-8")]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, upstream, client)
}

fn parsed(message: &str) -> Value {
    serde_json::from_str(message).unwrap_or_else(|error| panic!("{error}: {message}"))
}

#[tokio::test]
async fn a_guard_rewrites_arguments_and_inserts_them_where_there_are_none() {
    let settings = json!({ "arguments": { r#"{"a":1}"#: r#"{"b": 2.0}"#, "{}": r#"{"new":true}"# } });
    let (_gateway, upstream, client) = with_settings(&settings).await;
    client.call("raw__echo", r#"{"a":1}"#).await;
    client.ask("tools/call", r#"{"name":"raw__echo"}"#).await;
    client.call("raw__echo", r#"{"other": 1.50}"#).await;
    let bodies: Vec<String> = upstream.requests("tools/call").into_iter().map(|recorded| recorded.body).collect();
    assert_eq!(bodies.len(), 3);
    for (body, expected) in bodies.iter().zip([r#"{"b": 2.0}"#, r#"{"new":true}"#, r#"{"other": 1.50}"#]) {
        assert!(body.contains(&format!(r#""arguments":{expected}"#)), "{body}");
        assert_eq!(parsed(body)["params"]["name"], "echo", "{body}");
    }
}

#[tokio::test]
async fn a_guard_denies_with_its_reason_and_an_observer_is_told() {
    let (gateway, upstream, client) = with_settings(&json!({ "deny_tool": "numbers" })).await;
    let answer = parsed(&client.call("raw__numbers", "{}").await);
    assert_eq!(answer["error"]["code"], -31001, "{answer}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("numbers is against the house rules"), "{answer}");
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");

    let answer = client.call("raw__spaced", "{}").await;
    assert!(answer.contains("result"), "{answer}");
    for line in ["saw numbers end as Outcome::Denied", "saw spaced end as Outcome::Success"] {
        until(line, || gateway.log().contains(line)).await;
    }
}

#[tokio::test]
async fn a_guard_rewrites_a_result_but_not_an_error() {
    let (_gateway, _upstream, client) = with_settings(&json!({ "result": r#"{"content":[ ],"x":1.50}"# })).await;
    let answer = client.call("raw__numbers", "{}").await;
    assert!(answer.contains(r#"{"content":[ ],"x":1.50}"#) && !answer.contains("1.50e+3"), "{answer}");
    let error = client.call("raw__refusing", "{}").await;
    assert_eq!(parsed(&error)["error"]["code"], -32050, "{error}");
}

#[tokio::test]
async fn an_injected_header_reaches_the_upstream_and_the_clients_own_authorization_does_not() {
    let (_gateway, upstream, client) = with_settings(&json!({ "headers": { "X-House": "rules" } })).await;
    let call = request("tools/call", r#"{"name":"raw__headers","arguments":{}}"#);
    let reply = send(client.polite(call).header("authorization", "Bearer of-the-client")).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let calls = upstream.requests("tools/call");
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].headers.get("x-house").map(String::as_str), Some("rules"), "{calls:?}");
    for recorded in upstream.record() {
        assert_eq!(recorded.headers.get("authorization"), None, "{recorded:?}");
        assert!(!format!("{recorded:?}").contains("of-the-client"), "{recorded:?}");
    }
}
