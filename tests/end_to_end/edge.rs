//! The edge that MCP clients meet: Streamable HTTP as revisions 2025-03-26 to
//! 2025-11-25 of the specification define it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::{Client, INITIALIZE, Reply, request, send};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;

const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

async fn connected() -> (Gateway, Client) {
    let gateway = Gateway::start();
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, client)
}

fn error_code(reply: &Reply) -> i64 {
    reply.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no JSON-RPC error: {reply:?}"))
}

#[tokio::test]
async fn a_client_gets_the_revision_it_asks_for_or_else_the_newest() {
    let gateway = Gateway::start();
    let client = Client::new(gateway.url("/mcp"));
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let reply = client.post(INITIALIZE.replace("2025-11-25", asked)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let answer = reply.json();
        assert_eq!(answer["result"]["protocolVersion"], given, "{answer}");
        assert_eq!(answer["id"], 0);
        assert!(answer["result"]["capabilities"]["tools"].is_object(), "{answer}");
        assert!(answer["result"]["serverInfo"]["name"].is_string(), "{answer}");
        let session = reply.session().expect("a session is given");
        assert!(session.len() >= 16 && session.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{session}");
    }
}

#[tokio::test]
async fn a_notification_is_accepted_with_an_empty_body() {
    let (_gateway, client) = connected().await;
    for method in ["notifications/initialized", "notifications/cancelled", "notifications/unheard_of"] {
        let reply =
            client.post(format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{{"requestId":99}}}}"#)).await;
        assert_eq!((reply.status.as_u16(), reply.body.as_str()), (202, ""), "{method}");
    }
}

#[tokio::test]
async fn a_ping_is_answered_under_its_own_id() {
    let (_gateway, client) = connected().await;
    for id in ["1", r#""a\u0062""#, "-3", r#""""#] {
        let reply = client.post(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(reply.message(), format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
}

#[tokio::test]
async fn a_request_without_a_session_is_refused() {
    let gateway = Gateway::start();
    let reply = Client::new(gateway.url("/mcp")).post(PING).await;
    assert_eq!(reply.status, 400, "{reply:?}");
}

#[tokio::test]
async fn an_unknown_session_is_not_found() {
    let gateway = Gateway::start();
    let client = Client::new(gateway.url("/mcp"));
    let reply = send(client.polite(PING).header("mcp-session-id", "no-such-session")).await;
    assert_eq!(reply.status, 404, "{reply:?}");
}

#[tokio::test]
async fn a_session_ends_with_delete() {
    let (_gateway, client) = connected().await;
    let session = client.session().expect("a session").to_owned();
    let delete = || client.bare(Method::DELETE).header("mcp-session-id", &session);
    let reply = send(delete()).await;
    assert!(reply.status.is_success(), "{reply:?}");
    assert_eq!(client.post(PING).await.status, 404);
    assert_eq!(send(delete()).await.status, 404);
}

#[tokio::test]
async fn a_version_header_must_name_a_known_revision() {
    let (_gateway, client) = connected().await;
    let session = client.session().expect("a session").to_owned();
    let with_version = |version: &'static str| {
        Client::new(client.bare(Method::POST).build().unwrap().url().as_str())
            .polite(PING)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", version)
    };
    for bad in ["1999-01-01", "nonsense", ""] {
        let reply = send(with_version(bad)).await;
        assert_eq!(reply.status, 400, "{bad}: {reply:?}");
    }
    assert_eq!(send(with_version("2025-11-25")).await.status, 200);
}

#[tokio::test]
async fn methods_that_are_not_served_say_which_are() {
    let (_gateway, client) = connected().await;
    let session = client.session().expect("a session").to_owned();
    for method in [Method::PUT, Method::PATCH] {
        let request = client.bare(method.clone()).header("accept", "text/event-stream");
        let reply = send(request.header("mcp-session-id", &session)).await;
        assert_eq!(reply.status, 405, "{method}: {reply:?}");
        let allowed = reply.header("allow").expect("a 405 lists what is allowed");
        assert!(allowed.contains("POST"), "{allowed}");
    }
}

#[tokio::test]
async fn a_client_must_accept_both_ways_of_answering() {
    let (_gateway, client) = connected().await;
    let session = client.session().expect("a session").to_owned();
    let post = |accept: &str| {
        let request = client.bare(Method::POST).header("content-type", "application/json").body(PING);
        request.header("accept", accept).header("mcp-session-id", &session)
    };
    for bad in ["application/json", "text/event-stream", "text/html"] {
        assert_eq!(send(post(bad)).await.status, 406, "{bad}");
    }
    for good in ["text/event-stream, application/json", "application/json;q=0.9,text/event-stream;q=0.1"] {
        assert_eq!(send(post(good)).await.status, 200, "{good}");
    }
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let (_gateway, client) = connected().await;
    let session = client.session().expect("a session").to_owned();
    let post = |kind: &str| {
        let request = client.bare(Method::POST).header("accept", "application/json, text/event-stream").body(PING);
        request.header("content-type", kind).header("mcp-session-id", &session)
    };
    assert_eq!(send(post("text/plain")).await.status, 415);
    assert_eq!(send(post("application/json; charset=utf-8")).await.status, 200);
}

#[tokio::test]
async fn what_is_not_one_message_is_a_bad_request() {
    let (_gateway, client) = connected().await;
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":7,"method":"ping"}]"#, -32600),
        (r#"{"id":7,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
    ] {
        let reply = client.post(body).await;
        assert_eq!((reply.status.as_u16(), error_code(&reply)), (400, code), "{body}: {reply:?}");
    }
    assert_eq!(client.post(PING).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn a_foreign_host_or_origin_is_forbidden() {
    let gateway = Gateway::start();
    let client = Client::new(gateway.url("/mcp"));
    for (name, value) in [
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
    ] {
        let reply = send(client.polite(INITIALIZE).header(name, value)).await;
        assert_eq!(reply.status, 403, "{name}: {value}: {reply:?}");
    }
    let own = gateway.url("");
    let reply = send(client.polite(INITIALIZE).header("origin", own)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}

#[tokio::test]
async fn a_probe_for_the_sessionless_revision_is_refused_so_that_clients_fall_back() {
    let gateway = Gateway::start();
    let client = Client::new(gateway.url("/mcp"));
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let probe = request("server/discover", &json!({ "_meta": meta }).to_string());
    let probe =
        client.polite(probe).header("mcp-protocol-version", "2026-07-28").header("mcp-method", "server/discover");
    let reply = send(probe).await;
    assert!(reply.status.is_client_error(), "{reply:?}");
    assert_eq!(reply.session(), None, "a probe opens no session");
    // These would tell the client that the gateway does speak that revision.
    let code = serde_json::from_str::<Value>(&reply.body).map(|answer| answer["error"]["code"].clone());
    assert!(!matches!(code.ok().and_then(|code| code.as_i64()), Some(-32021 | -32020)), "{reply:?}");
    Client::connect(gateway.url("/mcp")).await;
}

#[tokio::test]
async fn an_unknown_group_or_server_has_no_endpoint() {
    let gateway = Gateway::start();
    for path in ["/v0/groups/none/mcp", "/v0/servers/none/mcp", "/v0/nothing/mcp", "/nothing"] {
        let reply = Client::new(gateway.url(path)).post(INITIALIZE).await;
        assert_eq!(reply.status, 404, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn an_unknown_method_is_refused_by_name() {
    let (_gateway, client) = connected().await;
    let reply = client.post(request("unheard/of", "{}")).await;
    assert_eq!(error_code(&reply), -32601, "{reply:?}");
}

#[tokio::test]
async fn a_session_belongs_to_its_endpoint() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let main = Client::connect(gateway.url("/mcp")).await;
    let elsewhere = Client::new(gateway.url("/v0/servers/raw/mcp"));
    let reply = send(elsewhere.polite(PING).header("mcp-session-id", main.session().expect("a session"))).await;
    assert_eq!(reply.status, 404, "{reply:?}");
}

#[tokio::test]
async fn unknown_disabled_and_hidden_tools_cannot_be_told_apart() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    gateway.create_group(&json!({ "name": "few", "included_tools": ["raw__numbers"] }));
    gateway.succeed(&["disable", "tool", "raw__spaced"]);
    let main = Client::connect(gateway.url("/mcp")).await;
    let group = Client::connect(gateway.url("/v0/groups/few/mcp")).await;
    let own = Client::connect(gateway.url("/v0/servers/raw/mcp")).await;

    let unknown = main.call("raw__nobody", "{}").await;
    let code = serde_json::from_str::<Value>(&unknown).unwrap()["error"]["code"].clone();
    assert_eq!(code, -32602, "{unknown}");
    let as_if = |name: &str| unknown.replace("raw__nobody", name);
    assert_eq!(main.call("raw__spaced", "{}").await, as_if("raw__spaced"), "disabled");
    assert_eq!(main.call("nobody__spaced", "{}").await, as_if("nobody__spaced"), "of no server");
    assert_eq!(group.call("raw__nobody", "{}").await, as_if("raw__nobody"), "unknown, in a group");
    assert_eq!(group.call("raw__escaped", "{}").await, as_if("raw__escaped"), "not of the group");
    assert_eq!(group.call("raw__spaced", "{}").await, as_if("raw__spaced"), "disabled, in a group");
    assert_eq!(own.call("spaced", "{}").await, own.call("nobody", "{}").await.replace("nobody", "spaced"));
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");

    let names = |tools: Vec<String>| -> Vec<String> {
        tools
            .iter()
            .map(|tool| {
                serde_json::from_str::<Value>(tool).map_or_else(|_| tool.clone(), |tool| tool["name"].to_string())
            })
            .collect()
    };
    let listed = names(main.list("tools/list", "tools").await).join(" ");
    assert!(!listed.contains("raw__spaced") && listed.contains("raw__numbers"), "{listed}");
    let listed = names(group.list("tools/list", "tools").await);
    assert_eq!(listed, [r#""raw__numbers""#]);

    gateway.succeed(&["enable", "tool", "raw__spaced"]);
    assert!(main.call("raw__spaced", "{}").await.contains("result"));
}

#[tokio::test]
async fn a_foreign_site_cannot_register_a_server() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    let client = Client::new(gateway.url("/api/v0/servers"));
    let body = upstream.registration("raw").to_string();
    for (name, value) in [("host", "evil.example"), ("origin", "http://evil.example")] {
        let reply = send(client.polite(body.clone()).header(name, value)).await;
        assert_eq!(reply.status, 403, "{name}: {reply:?}");
    }
    assert_eq!(upstream.record().len(), 0, "the upstream was not asked");
    assert!(!gateway.succeed(&["list", "servers"]).contains("raw"));
    assert!(send(client.polite(body)).await.status.is_success(), "it was only the site");
}

#[tokio::test]
async fn settings_in_a_dotenv_file_allow_further_hosts_and_origins() {
    let home = new_home();
    let settings = "MCPJUNGLE_ALLOWED_HOSTS=good.example\nMCPJUNGLE_ALLOWED_ORIGINS=https://app.example\n";
    std::fs::write(home.path().join(".env"), settings).expect("the home is writable");
    let gateway = Gateway::start_in(home, &[]);
    let client = Client::new(gateway.url("/mcp"));
    for (name, value, status) in [
        ("host", "good.example", 200),
        ("host", "evil.example", 403),
        ("origin", "https://app.example", 200),
        ("origin", "https://evil.example", 403),
    ] {
        let reply = send(client.polite(INITIALIZE).header(name, value)).await;
        assert_eq!(reply.status, status, "{name}: {value}: {reply:?}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_too_large() {
    let (_gateway, client) = connected().await;
    let reply = client.post(" ".repeat((32 << 20) + 1)).await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert_eq!(client.post(PING).await.status, 200, "the session goes on");
}

#[tokio::test]
async fn a_servers_own_endpoint_introduces_itself_as_that_server() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let reply = Client::new(gateway.url("/v0/servers/raw/mcp")).post(INITIALIZE).await;
    let message = reply.message();
    assert!(message.contains(r#""x-build":12345678901234567890123"#), "{message}");
    assert_eq!(reply.json()["result"]["serverInfo"]["name"], "raw");
    assert_eq!(reply.json()["result"]["instructions"], "Hand over the bytes \u{2014} all of them.");
}

#[tokio::test]
async fn unknown_and_disabled_prompts_cannot_be_told_apart() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    gateway.succeed(&["disable", "prompt", "raw__greet"]);
    let client = Client::connect(gateway.url("/mcp")).await;
    let unknown = client.ask("prompts/get", r#"{"name":"raw__nobody"}"#).await;
    assert!(unknown.contains(r#""error""#), "{unknown}");
    let disabled = client.ask("prompts/get", r#"{"name":"raw__greet"}"#).await;
    assert_eq!(disabled, unknown.replace("raw__nobody", "raw__greet"));
    assert_eq!(upstream.requests("prompts/get").len(), 0, "the upstream was not asked");
}
