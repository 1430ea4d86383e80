//! Clients that nobody here wrote, at the gateway's endpoints. What they do at our
//! fixture directly they do through the gateway too, in both directions.

use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::programs::{StdioProgram, run_javascript, run_npm, run_python};
use crate::harness::raw_server::RawServer;

/// A gateway with the fixture behind it, as `fixture`.
fn before(upstream: &RawServer) -> Gateway {
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("fixture"));
    gateway
}

/// What a client that can do everything saw where tools have this prefix.
#[track_caller]
fn assert_saw_everything(seen: &Value, prefix: &str) {
    let has = |list: &str, name: &str| {
        let name = format!("{prefix}{name}");
        assert!(seen[list].as_array().is_some_and(|list| list.iter().any(|one| *one == name)), "{name}: {seen}");
    };
    has("tools", "test_simple_text");
    has("tools", "json_schema_2020_12_tool");
    has("prompts", "test_prompt_with_arguments");
    assert_eq!(seen["called"], "This is a simple text response for testing.");
    assert_eq!(seen["prompt"], "Prompt with arguments: arg1='one', arg2='two'");
    assert_eq!(seen["resources"].as_array().map(Vec::len), Some(3), "{seen}");
    assert_eq!(seen["read"][0], seen["resources"][0]);
    assert_eq!(seen["read"][1], "This is the content of the static text resource.");
    let progress: Vec<Vec<f64>> = serde_json::from_value(seen["progress"].clone()).expect("pairs of numbers");
    assert_eq!(progress, [[0.0, 100.0], [50.0, 100.0], [100.0, 100.0]]);
    assert_eq!(seen["logs"], json!(["Tool execution started", "Tool processing data", "Tool execution completed"]));
    assert_eq!(seen["sampled"], "LLM response: answer to a question");
    assert_eq!(seen["elicited"], r#"User response: action=accept, content={"email":"a@example.com","username":"who"}"#);
    assert!(seen["roots"].as_str().is_some_and(|roots| roots.contains("file:///test")), "{seen}");
}

/// The client was told of the resource that it subscribed to, by the name that it knows it by.
#[track_caller]
fn assert_saw_the_update(seen: &Value) {
    assert_eq!(seen["updated"][0], seen["updated"][1], "{seen}");
    assert!(seen["updated"][0].is_string(), "{seen}");
}

/// At the endpoint of all servers, and at that of one; what was seen at each.
#[track_caller]
fn at_both_endpoints(upstream: &RawServer, run: impl Fn(&str, &str) -> Value) -> [Value; 2] {
    at_both(upstream, "mcp", run)
}

/// As [`at_both_endpoints`], over the transport of 2024-11-05.
#[track_caller]
fn at_both_old_endpoints(upstream: &RawServer, run: impl Fn(&str, &str) -> Value) -> [Value; 2] {
    at_both(upstream, "sse", run)
}

#[track_caller]
fn at_both(upstream: &RawServer, endpoint: &str, run: impl Fn(&str, &str) -> Value) -> [Value; 2] {
    let gateway = before(upstream);
    let seen = run(&gateway.url(&format!("/{endpoint}")), "fixture__");
    assert_saw_everything(&seen, "fixture__");
    let seen_transparently = run(&gateway.url(&format!("/v0/servers/fixture/{endpoint}")), "");
    assert_saw_everything(&seen_transparently, "");
    [seen, seen_transparently]
}

#[track_caller]
fn the_typescript_client_works(version: &str) {
    let run = |url: &str, prefix: &str| run_javascript("typescript_client.cjs", &[version, url, prefix]);
    at_both_endpoints(&RawServer::conformance(), run).iter().for_each(assert_saw_the_update);
}

#[test]
fn the_typescript_client_works_over_the_old_transport() {
    for version in ["v1", "v2"] {
        let run = |url: &str, prefix: &str| run_javascript("typescript_client.cjs", &[version, url, prefix]);
        at_both_old_endpoints(&RawServer::conformance(), run).iter().for_each(assert_saw_the_update);
    }
}

/// Where calls share no session, each has a process of its own.
#[track_caller]
fn the_typescript_client_works_with_a_server_over_stdio(version: &str) {
    let run = |url: &str, prefix: &str| {
        let alone: &[&str] = if prefix.is_empty() { &[] } else { &["alone"] };
        run_javascript("typescript_client.cjs", &[&[version, url, prefix], alone].concat())
    };
    let [_, seen_transparently] = at_both_endpoints(&RawServer::conformance_over_stdio(), run);
    assert_saw_the_update(&seen_transparently);
}

#[test]
fn the_typescript_client_works_in_version_1() {
    the_typescript_client_works("v1");
}

#[test]
fn the_typescript_client_works_in_version_1_with_a_server_over_stdio() {
    the_typescript_client_works_with_a_server_over_stdio("v1");
}

#[test]
fn the_typescript_client_works_in_version_2() {
    the_typescript_client_works("v2");
}

#[test]
fn the_typescript_client_works_in_version_2_with_a_server_over_stdio() {
    the_typescript_client_works_with_a_server_over_stdio("v2");
}

#[track_caller]
fn the_python_client_works(mode: &str) {
    let run = |url: &str, prefix: &str| run_python("mcp_client.py", &[url, mode, prefix]);
    at_both_endpoints(&RawServer::conformance(), run).iter().for_each(assert_saw_the_update);
}

#[test]
fn the_python_client_falls_back_from_the_revision_it_probes_first() {
    the_python_client_works("auto");
}

#[test]
fn the_python_client_works_in_legacy_mode() {
    the_python_client_works("legacy");
}

#[test]
fn the_python_client_works_over_the_old_transport() {
    let run = |url: &str, prefix: &str| run_python("mcp_client.py", &[url, "legacy", prefix]);
    at_both_old_endpoints(&RawServer::conformance(), run).iter().for_each(assert_saw_the_update);
}

#[test]
fn the_fastmcp_client_works() {
    at_both_endpoints(&RawServer::conformance(), |url, prefix| run_python("fastmcp_client.py", &[url, prefix]));
}

#[test]
fn the_fastmcp_client_works_over_the_old_transport() {
    at_both_old_endpoints(&RawServer::conformance(), |url, prefix| run_python("fastmcp_client.py", &[url, prefix]));
}

#[test]
fn the_inspector_lists_calls_reads_and_gets() {
    let upstream = RawServer::conformance();
    let gateway = before(&upstream);
    let url = gateway.url("/mcp");
    let inspect = |arguments: &[&str]| -> Value {
        let finished = run_npm("mcp-inspector", &[&["--cli", &url, "--transport", "http"], arguments].concat());
        assert_eq!(finished.code, Some(0), "{finished:?}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    };
    let listed = inspect(&["--method", "tools/list"]);
    assert!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 15), "{listed}");
    let call = ["--method", "tools/call", "--tool-name", "fixture__json_schema_2020_12_tool"];
    let called = inspect(&[&call[..], &["--tool-arg", "phone=112"]].concat());
    assert!(called["content"][0]["text"].as_str().is_some_and(|text| text.contains("112")), "{called}");
    let resources = inspect(&["--method", "resources/list"]);
    let uri = resources["resources"][0]["uri"].as_str().expect("a resource has a URI");
    let read = inspect(&["--method", "resources/read", "--uri", uri]);
    assert_eq!(read["contents"][0]["text"], "This is the content of the static text resource.", "{read}");
    let get = ["--method", "prompts/get", "--prompt-name", "fixture__test_prompt_with_arguments"];
    let got = inspect(&[&get[..], &["--prompt-args", "arg1=one", "arg2=two"]].concat());
    let text = &got["messages"][0]["content"]["text"];
    assert_eq!(text, "Prompt with arguments: arg1='one', arg2='two'", "{got}");
}

/// `mcp-remote` before an endpoint, with a session opened through it.
fn bridge_to(url: &str) -> StdioProgram {
    let mut bridge = StdioProgram::npm("mcp-remote", &[url, "--allow-http", "--transport", "http-only"]);
    let client = json!({
        "protocolVersion": "2025-11-25", "clientInfo": { "name": "test", "version": "0" },
        "capabilities": { "sampling": {}, "elicitation": {}, "roots": {} },
    });
    let answer = bridge.ask(0, "initialize", &client);
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    bridge.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    bridge
}

#[test]
fn mcp_remote_bridges_a_stdio_client_to_the_gateway() {
    let upstream = RawServer::conformance();
    let gateway = before(&upstream);
    let url = gateway.url("/mcp");
    let mut bridge = bridge_to(&url);
    let answer = bridge.ask(1, "tools/list", &json!({}));
    let tools = answer["result"]["tools"].as_array().expect("tools are listed");
    assert!(tools.iter().any(|tool| tool["name"] == "fixture__test_simple_text"), "{answer}");
    let answer = bridge.ask(2, "tools/call", &json!({ "name": "fixture__test_simple_text", "arguments": {} }));
    assert_eq!(answer["result"]["content"][0]["text"], "This is a simple text response for testing.");
    let answer = bridge.ask(3, "resources/list", &json!({}));
    let answer = bridge.ask(4, "resources/read", &json!({ "uri": answer["result"]["resources"][0]["uri"] }));
    assert_eq!(answer["result"]["contents"][0]["text"], "This is the content of the static text resource.");
    let params =
        json!({ "name": "fixture__test_prompt_with_arguments", "arguments": { "arg1": "one", "arg2": "two" } });
    let answer = bridge.ask(5, "prompts/get", &params);
    let text = &answer["result"]["messages"][0]["content"]["text"];
    assert_eq!(text, "Prompt with arguments: arg1='one', arg2='two'", "{answer}");
}

/// The next message that is a notification or request of this method.
fn hear(bridge: &mut StdioProgram, method: &str) -> Value {
    loop {
        let message = bridge.hear();
        assert!(message["result"].is_null(), "answered before `{method}` came: {message}");
        if message["method"] == method {
            return message;
        }
    }
}

#[test]
fn mcp_remote_carries_what_a_server_says_and_asks_during_a_call() {
    let upstream = RawServer::conformance();
    let gateway = before(&upstream);
    let url = gateway.url("/v0/servers/fixture/mcp");
    let mut bridge = bridge_to(&url);
    let params = json!({ "name": "test_tool_with_progress", "_meta": { "progressToken": "a token" } });
    bridge.tell(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }));
    for progress in [0, 50, 100] {
        let report = hear(&mut bridge, "notifications/progress");
        assert_eq!(report["params"], json!({ "progressToken": "a token", "progress": progress, "total": 100 }));
    }
    assert_eq!(bridge.hear()["id"], 1);

    let params = json!({ "name": "test_tool_with_logging" });
    bridge.tell(&json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }));
    for text in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        assert_eq!(hear(&mut bridge, "notifications/message")["params"]["data"], text);
    }
    assert_eq!(bridge.hear()["id"], 2);

    let params = json!({ "name": "test_sampling", "arguments": { "prompt": "a question" } });
    bridge.tell(&json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": params }));
    let asked = hear(&mut bridge, "sampling/createMessage");
    assert_eq!(asked["params"]["messages"][0]["content"]["text"], "a question", "{asked}");
    let result = json!({ "role": "assistant", "model": "test", "content": { "type": "text", "text": "an answer" } });
    bridge.tell(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result }));
    let answer = bridge.hear();
    assert_eq!(answer["result"]["content"][0]["text"], "LLM response: an answer", "{answer}");
}
