//! No credential of a client's ever reaches a server, wherever the client has put it.

use std::fs;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::harness::client::{Client, request, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN, client};
use crate::harness::gateway::Gateway;
use crate::harness::processes_with;
use crate::harness::raw_server::RawServer;

const TOKEN: &str = "9kT-the-token-of-the-reader-Zx4";
/// What a server demands of whoever connects to it.
const OF_THE_SERVER: &str = "the-servers-own-token";

/// Where clients have been seen to put their tokens, besides where it belongs.
const HEADERS: [(&str, &str); 15] = [
    ("proxy-authorization", "Bearer TOKEN"),
    ("cookie", "access_token=TOKEN; session=TOKEN"),
    ("x-api-key", "TOKEN"),
    ("api-key", "TOKEN"),
    ("x-auth-token", "TOKEN"),
    ("x-authorization", "Bearer TOKEN"),
    ("x-forwarded-access-token", "TOKEN"),
    ("x-mcp-token", "TOKEN"),
    ("mcp-access-token", "TOKEN"),
    ("mcp-param-token", "TOKEN"),
    ("forwarded", "for=TOKEN"),
    ("referer", "http://127.0.0.1/?token=TOKEN"),
    ("user-agent", "reader/TOKEN"),
    ("traceparent", "00-TOKEN-01"),
    ("x-acts-for", "TOKEN"),
];

/// A client that says its token in the query of every request, too.
fn careless(gateway: &Gateway, path: &str, token: &str) -> Client {
    Client::new(gateway.url(&format!("{path}?access_token={TOKEN}&token={TOKEN}"))).with_token(token)
}

/// A request with the token in every header.
fn everywhere(request: RequestBuilder) -> RequestBuilder {
    HEADERS.iter().fold(request, |request, (name, value)| request.header(*name, value.replace("TOKEN", TOKEN)))
}

/// The servers: each way of connecting, and with a token of their own or without.
fn servers() -> Vec<(&'static str, RawServer, Value)> {
    let open = RawServer::http(&["--talks", "--session-ids"]);
    let closed = RawServer::http(&["--talks"]);
    let process = RawServer::stdio_with(&["--talks"]);
    let (for_open, mut for_closed, for_process) =
        (open.registration("open"), closed.registration("closed"), process.registration("process"));
    for_closed["bearer_token"] = json!(OF_THE_SERVER);
    vec![("open", open, for_open), ("closed", closed, for_closed), ("process", process, for_process)]
}

#[tokio::test]
async fn no_server_ever_sees_the_token_of_a_client() {
    let gateway = enterprise::start(&[client("reader", TOKEN, &["*"])]).await;
    for (name, server, registration) in servers() {
        gateway.register(&registration);
        for (path, prefix) in [("/mcp", format!("{name}__")), (&*format!("/v0/servers/{name}/mcp"), String::new())] {
            let reader = careless(&gateway, path, TOKEN).introduced(r#"{"roots":{}}"#).await;
            use_everything(&reader, name, &prefix).await;
        }
        use_the_api(&gateway, name).await;
        let record = server.record();
        let reached = record.iter().filter(|entry| entry.body.contains("tools/call")).count();
        assert_eq!(reached, 3, "{name}: calls reach it, at both endpoints and over the API");
        for entry in &record {
            let shown = format!("{entry:?}");
            assert!(!shown.contains(TOKEN) && !shown.contains(ADMIN_TOKEN), "{name}: {shown}");
            let authorization = entry.headers.get("authorization").map(String::as_str);
            let own = format!("Bearer {OF_THE_SERVER}");
            assert_eq!(authorization, (name == "closed").then_some(&*own), "{name}: its own token, and only that");
            for (header, _) in HEADERS.iter().filter(|(header, _)| !matches!(*header, "user-agent")) {
                assert!(!entry.headers.contains_key(*header), "{name}: {shown}");
            }
        }
        let processes = processes_with(&server.mark());
        assert!(!processes.is_empty(), "{name} runs");
        for process in processes {
            for of_it in ["environ", "cmdline"] {
                let text = fs::read(format!("/proc/{process}/{of_it}")).unwrap_or_default();
                let text = String::from_utf8_lossy(&text).into_owned();
                assert!(!text.contains(TOKEN) && !text.contains(ADMIN_TOKEN), "{of_it} of {name}: {text}");
            }
        }
    }
    assert!(!gateway.log().contains(TOKEN), "nor does the log hold it");
}

/// `_meta` that holds a token.
fn meta(token: &str) -> Value {
    json!({ "authorization": format!("Bearer {token}"), "nested": [{ "token": token }] })
}

#[tokio::test]
async fn a_token_in_meta_is_refused_and_the_refusal_says_where_it_belongs() {
    let gateway = enterprise::start(&[client("reader", TOKEN, &["*"])]).await;
    let upstream = RawServer::http(&["--talks"]);
    gateway.register(&upstream.registration("raw"));
    for (path, prefix) in [("/mcp", "raw__"), ("/v0/servers/raw/mcp", "")] {
        let reader = Client::new(gateway.url(path)).with_token(TOKEN).introduced("{}").await;
        let call = json!({ "name": format!("{prefix}echo"), "arguments": {}, "_meta": meta(TOKEN) }).to_string();
        let notification =
            json!({ "jsonrpc": "2.0", "method": "notifications/made/up", "params": { "_meta": meta(TOKEN) } });
        for message in [request("tools/call", &call), request("ping", &call), notification.to_string()] {
            let reply = reader.post(&*message).await;
            assert_eq!(reply.status, 400, "{message}: {reply:?}");
            assert!(reply.body.contains("send the token in `Authorization` only"), "{message}: {reply:?}");
            assert!(!reply.body.contains(TOKEN), "{message}: {reply:?}");
        }
        let other = json!({ "name": format!("{prefix}echo"), "_meta": meta("of something else") }).to_string();
        assert!(reader.ask("tools/call", &other).await.contains("of something else"), "{path}: other `_meta` goes on");
    }
    let admin = Client::new(gateway.url("/api/v0/tools/invoke")).with_token(ADMIN_TOKEN);
    let body = json!({ "name": "raw__echo", "arguments": {}, "_meta": meta(ADMIN_TOKEN) });
    let reply = send(admin.bare(Method::POST).body(body.to_string())).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    let record = upstream.record();
    assert!(record.iter().all(|entry| !entry.body.contains(TOKEN) && !entry.body.contains(ADMIN_TOKEN)), "{record:?}");
}

/// All that reaches a server, in requests that hold the token wherever they can.
async fn use_everything(reader: &Client, name: &str, prefix: &str) {
    let uri =
        if prefix.is_empty() { "raw:blob?x=1#y".to_owned() } else { format!("mcpj://res/{name}/cmF3OmJsb2I/eD0xI3k") };
    let greet = format!("{prefix}greet");
    for (method, params) in [
        ("tools/call", json!({ "name": format!("{prefix}echo"), "arguments": {} })),
        ("prompts/get", json!({ "name": greet })),
        ("resources/read", json!({ "uri": uri })),
        ("resources/subscribe", json!({ "uri": uri })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": greet }, "argument": { "name": "who", "value": "" } }),
        ),
        ("resources/unsubscribe", json!({ "uri": uri })),
        ("logging/setLevel", json!({ "level": "debug" })),
    ] {
        let reply = send(everywhere(reader.polite(request(method, &params.to_string())))).await;
        assert_eq!(reply.status, 200, "{method}: {reply:?}");
        assert!(reply.body.contains("result"), "{method}: {reply:?}");
    }
    for notification in ["notifications/roots/list_changed", "notifications/made/up"] {
        let message = format!(r#"{{"jsonrpc":"2.0","method":"{notification}"}}"#);
        assert_eq!(send(everywhere(reader.polite(message))).await.status, 202);
    }
}

async fn use_the_api(gateway: &Gateway, name: &str) {
    let admin = careless(gateway, "/api/v0/tools/invoke", ADMIN_TOKEN);
    let body = json!({ "name": format!("{name}__echo"), "arguments": {} });
    let reply = send(everywhere(admin.bare(Method::POST)).body(body.to_string())).await;
    assert_eq!(reply.status, 200, "{reply:?}");
}
