//! Clients that nobody here wrote, at the gateway's endpoint.

use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::programs::{EverythingServer, StdioProgram, run_npm, run_python};

/// A gateway with server-everything behind it.
fn with_everything() -> (Gateway, EverythingServer) {
    let server = EverythingServer::start();
    let gateway = Gateway::start();
    gateway.register(&json!({ "name": "everything", "transport": "streamable_http", "url": server.url() }));
    (gateway, server)
}

fn has(list: &Value, wanted: &str) -> bool {
    list.as_array().is_some_and(|list| list.iter().any(|name| name == wanted))
}

#[track_caller]
fn the_python_client_works(mode: &str) {
    let (gateway, _server) = with_everything();
    let seen = run_python("mcp_client.py", &[&gateway.url("/mcp"), mode, "everything__"]);
    assert!(has(&seen["tools"], "everything__echo"), "{seen}");
    assert_eq!(seen["called"], "Echo: from python");
    assert!(has(&seen["prompts"], "everything__simple-prompt"), "{seen}");
    assert_eq!(seen["prompt"], "This is a simple prompt without arguments.");
    assert!(seen["resources"][0].as_str().is_some_and(|uri| uri.starts_with("mcpj://res/everything/")), "{seen}");
    assert_eq!(seen["read"][0], seen["resources"][0]);

    let seen = run_python("mcp_client.py", &[&gateway.url("/v0/servers/everything/mcp"), mode, ""]);
    assert!(has(&seen["tools"], "echo"), "{seen}");
    assert_eq!(seen["called"], "Echo: from python");
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
fn the_fastmcp_client_lists_and_calls() {
    let (gateway, _server) = with_everything();
    let seen = run_python("fastmcp_client.py", &[&gateway.url("/mcp"), "everything__"]);
    assert!(has(&seen["tools"], "everything__echo"), "{seen}");
    assert_eq!(seen["called"], "Echo: from fastmcp");
}

#[test]
fn the_inspector_lists_and_calls() {
    let (gateway, _server) = with_everything();
    let url = gateway.url("/mcp");
    let inspect = |arguments: &[&str]| -> Value {
        let finished = run_npm("mcp-inspector", &[&["--cli", &url, "--transport", "http"], arguments].concat());
        assert_eq!(finished.code, Some(0), "{finished:?}");
        serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
    };
    let listed = inspect(&["--method", "tools/list"]);
    assert!(listed["tools"].as_array().is_some_and(|tools| tools.len() > 5), "{listed}");
    let call =
        ["--method", "tools/call", "--tool-name", "everything__echo", "--tool-arg", "message=from the inspector"];
    assert_eq!(inspect(&call)["content"][0]["text"], "Echo: from the inspector");
    let read = inspect(&["--method", "resources/list"]);
    assert!(read["resources"].as_array().is_some_and(|resources| !resources.is_empty()), "{read}");
}

#[test]
fn mcp_remote_bridges_a_stdio_client_to_the_gateway() {
    let (gateway, _server) = with_everything();
    let url = gateway.url("/mcp");
    let mut bridge = StdioProgram::npm("mcp-remote", &[&url, "--allow-http", "--transport", "http-only"]);
    let answer = bridge.ask(
        0,
        "initialize",
        &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "0" } }),
    );
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{answer}");
    bridge.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let answer = bridge.ask(1, "tools/list", &json!({}));
    let tools = answer["result"]["tools"].as_array().expect("tools are listed");
    assert!(tools.iter().any(|tool| tool["name"] == "everything__echo"), "{answer}");
    let params = json!({ "name": "everything__echo", "arguments": { "message": "from the bridge" } });
    let answer = bridge.ask(2, "tools/call", &params);
    assert_eq!(answer["result"]["content"][0]["text"], "Echo: from the bridge");
}
