//! HTTP+SSE of 2024-11-05 towards old clients: everything comes on the one stream.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::{Client, Reply, send as post};
use crate::harness::json::{member, on_one_line, text};
use crate::harness::live::{Live, let_go, method_of, param, send, wait_for};
use crate::harness::until;
use crate::relay::{CAPABILITIES, Rig, http, stdio};

/// A client of the old transport.
struct OldClient {
    live: Live,
    messages: Client,
}

impl OldClient {
    async fn connect(rig: &Rig, path: &str) -> Self {
        let stream = Client::new(rig.gateway.url(path));
        let mut live = Live::open(stream.bare(Method::GET).header("accept", "text/event-stream")).await;
        let endpoint = live.message().await;
        assert_eq!(endpoint.split_once('?').map(|(path, _)| path), Some(&*path.replace("/sse", "/message")));
        let mut client = Self { live, messages: Client::new(rig.gateway.url(&endpoint)) };
        let params = format!(
            r#"{{"protocolVersion":"2024-11-05","capabilities":{CAPABILITIES},"clientInfo":{{"name":"old","version":"0"}}}}"#
        );
        let answer = client.ask("initialize", &params).await;
        assert!(answer.contains(r#""2024-11-05""#), "{answer}");
        client.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        client
    }

    async fn post(&self, message: &str) -> Reply {
        post(self.messages.bare(Method::POST).header("content-type", "application/json").body(message.to_owned())).await
    }

    async fn say(&self, message: &str) {
        let reply = self.post(message).await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }

    /// Sends a request and reads on to its answer.
    async fn ask(&mut self, method: &str, params: &str) -> String {
        self.say(&format!(r#"{{"jsonrpc":"2.0","id":"o\u006cd","method":"{method}","params":{params}}}"#)).await;
        self.live.rest().await.1
    }

    async fn perform(&self, prefix: &str, id: u32, steps: &Value) {
        let arguments = json!({ "steps": steps });
        self.say(&format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{prefix}perform","arguments":{arguments},"_meta":{{"progressToken":"t\u006f {id}"}}}}}}"#
        ))
        .await;
    }
}

const PATHS: [(&str, &str); 3] = [("/sse", "raw__"), ("/v0/groups/all/sse", "raw__"), ("/v0/servers/raw/sse", "")];

#[tokio::test]
async fn an_old_client_lists_and_calls_as_a_new_one_does() {
    for rig in [Rig::stateless(http(&[])), Rig::stateless(stdio())] {
        for (path, prefix) in PATHS {
            let mut old = OldClient::connect(&rig, path).await;
            let new = rig.client(&path.replace("/sse", "/mcp")).await;
            let answer = old.ask("tools/list", "{}").await;
            let result = member(&answer, "result").unwrap_or_else(|| panic!("no result: {answer}"));
            let expected = on_one_line(&new.ask("tools/list", "{}").await);
            assert_eq!(Some(result), member(&expected, "result"));
            for tool in ["numbers", "escaped", "unknown_content", "refusing"] {
                let params = format!(r#"{{"name":"{prefix}{tool}","arguments":{{}}}}"#);
                let answer = old.ask("tools/call", &params).await;
                let expected = on_one_line(&new.ask("tools/call", &params).await);
                for part in ["result", "error"] {
                    assert_eq!(member(&answer, part), member(&expected, part), "{path}, {tool}");
                }
                assert_eq!(member(&answer, "id"), Some(r#""o\u006cd""#));
            }
        }
    }
}

#[tokio::test]
async fn an_old_client_is_told_and_asked_during_a_call_in_order() {
    let progress = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$token,"progress":$n,"x":1.50e+3}}"#;
    let form = r#"{"jsonrpc":"2.0","id":0,"method":"elicitation/create","params":{"message":"l\u00e4uft","requestedSchema":{"type":"object","x":[1.0]}}}"#;
    for rig in [Rig::stateless(http(&[])), Rig::stateful(stdio())] {
        for (path, prefix) in PATHS {
            let mut old = OldClient::connect(&rig, path).await;
            let burst = json!({ "repeat": { "times": 20, "text": progress } });
            old.perform(prefix, 5, &json!([burst, { "ask": form }, burst])).await;
            for round in 0..2 {
                for step in 0..20 {
                    let message = old.live.message().await;
                    assert_eq!(param(&message, "progress"), step.to_string(), "{path}: {message}");
                    assert_eq!(param(&message, "progressToken"), r#""t\u006f 5""#);
                }
                if round == 0 {
                    let asked = old.live.message().await;
                    assert_eq!(method_of(&asked).as_deref(), Some("elicitation/create"));
                    assert_eq!(param(&asked, "requestedSchema"), r#"{"type":"object","x":[1.0]}"#);
                    let id = member(&asked, "id").expect("a request has an id");
                    old.say(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"action":"accept","n":1E400}}}}"#))
                        .await;
                }
            }
            let response = old.live.message().await;
            assert_eq!(member(&response, "id"), Some("5"));
            assert!(response.contains("1E400"), "{response}");
        }
    }
}

#[tokio::test]
async fn an_old_client_cancels_and_is_told_of_changes() {
    let rig = Rig::stateless(http(&[]));
    let mut old = OldClient::connect(&rig, "/sse").await;
    old.ask("tools/list", "{}").await;
    let go = rig.upstream.path("go");
    let said = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    old.perform("raw__", 5, &json!([send(said), wait_for(&go)])).await;
    assert_eq!(old.live.message().await, said);
    old.say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#).await;
    until("the server to be told", || rig.upstream.requests("notifications/cancelled").len() == 1).await;
    let_go(&go);
    rig.gateway.succeed(&["disable", "tool", "raw__numbers"]);
    old.live.until("notifications/tools/list_changed").await;
}

#[tokio::test]
async fn a_session_of_the_old_transport_ends_with_its_stream_and_is_nobody_elses() {
    let rig = Rig::stateless(http(&[]));
    let old = OldClient::connect(&rig, "/sse").await;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let group = Client::new(rig.gateway.url("/v0/groups/all/message?sessionId=guess"));
    let guessed = group.bare(Method::POST).header("content-type", "application/json").body(ping);
    assert_eq!(post(guessed).await.status, 404);
    let OldClient { live, messages } = old;
    drop(live);
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    loop {
        let reply = post(messages.bare(Method::POST).header("content-type", "application/json").body(ping)).await;
        if reply.status == 404 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the session outlives its stream: {reply:?}");
    }
}

#[tokio::test]
async fn two_old_clients_with_the_same_ids_never_hear_each_other() {
    let rig = Rig::stateful(stdio());
    let go = rig.upstream.path("go");
    let mut clients = Vec::new();
    for number in 0..3 {
        let old = OldClient::connect(&rig, "/sse").await;
        let progress = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":$token,"progress":$n,"of":"{number}"}}}}"#
        );
        old.perform("raw__", 1, &json!([wait_for(&go), { "repeat": { "times": 30, "text": progress } }])).await;
        clients.push(old);
    }
    let_go(&go);
    for (number, mut old) in clients.into_iter().enumerate() {
        let (before, response) = old.live.rest().await;
        assert_eq!(before.len(), 30);
        assert!(before.iter().all(|message| text(param(message, "of")) == Some(number.to_string())), "{before:?}");
        assert_eq!(member(&response, "id"), Some("1"));
    }
}

/// A group's endpoint has tools only; `real_clients` has this client do all else.
#[cfg(feature = "e2e")]
#[test]
fn the_python_client_of_the_old_transport_works_with_a_group() {
    use crate::harness::gateway::Gateway;
    use crate::harness::programs::run_python;
    use crate::harness::raw_server::RawServer;

    for upstream in [RawServer::conformance(), RawServer::conformance_over_stdio()] {
        let gateway = Gateway::start();
        gateway.register(&upstream.registration("raw"));
        gateway.create_group(&json!({ "name": "all", "included_servers": ["raw"] }));
        let seen = run_python("sse_client.py", &[&gateway.url("/v0/groups/all/sse"), "raw__"]);
        let tools = seen["tools"].as_array().expect("a list of tools");
        assert!(tools.contains(&json!("raw__test_simple_text")), "{seen}");
        assert_eq!(seen["called"], "This is a simple text response for testing.");
        assert_eq!(seen["progress"], json!([[0.0, 100.0], [50.0, 100.0], [100.0, 100.0]]));
        let logs = json!(["Tool execution started", "Tool processing data", "Tool execution completed"]);
        assert_eq!(seen["logs"], logs);
        let elicited = r#"User response: action=accept, content={"email":"a@example.com","username":"who"}"#;
        assert_eq!(seen["elicited"], elicited);
    }
}
