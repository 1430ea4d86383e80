//! What a client may not use does not exist for it: the same bytes, on every way in, and
//! nobody tells it of what it may not use any more.

use mcpjungle_host::store::{IdentityRef, IdentityUpdate};
use reqwest::Method;
use serde_json::json;

use crate::harness::client::{Client, INITIALIZE, Reply, request, send};
use crate::harness::enterprise::{self, client, open};
use crate::harness::gateway::Gateway;
use crate::harness::json::member;
use crate::harness::live::{Live, let_go, method_of};
use crate::harness::raw_server::RawServer;

/// Endpoints of which `tester` sees nothing, and one beside each that is not there.
const HIDDEN: [(&str, &str); 3] = [
    ("/v0/groups/closed", "/v0/groups/absent"),
    ("/v0/groups/others", "/v0/groups/absent"),
    ("/v0/servers/hidden", "/v0/servers/absent"),
];

async fn rig() -> (Gateway, RawServer) {
    let people = [client("tester", "token-of-tester", &["shown"]), client("other", "token-of-other", &["*"])];
    let gateway = enterprise::start(&people).await;
    let server = RawServer::http(&["--session-ids", "--talks"]);
    for name in ["shown", "hidden"] {
        gateway.register(&server.registration(name));
    }
    // One closed to the client, and one of which its allow-list has nothing.
    let closed = json!({ "name": "closed", "included_servers": ["shown"], "allowed_clients": ["other"] });
    gateway.create_group(&closed);
    gateway.create_group(&json!({ "name": "others", "included_servers": ["hidden"] }));
    gateway.create_group(&json!({ "name": "within", "included_servers": ["shown", "hidden"] }));
    (gateway, server)
}

async fn connect(gateway: &Gateway, path: &str, name: &str) -> Client {
    Client::new(gateway.url(path)).with_token(&format!("token-of-{name}")).introduced("{}").await
}

/// Gives `tester` another allow-list, as another gateway on the database would, and waits until it counts.
async fn set_allow_list(gateway: &Gateway, allow: &[&str], sees: usize) {
    let store = open(gateway.home()).await;
    let allow = Some(allow.iter().map(|&pattern| pattern.to_owned()).collect());
    let update = IdentityUpdate { description: None, allow, role: None, token: None };
    assert!(store.update_identity(IdentityRef::Client("tester"), &update).await.expect("the store can be written"));
    store.close().await;
    let watching = connect(gateway, "/mcp", "tester").await;
    let deadline = std::time::Instant::now() + crate::harness::PATIENCE;
    while watching.list("prompts/list", "prompts").await.len() != sees {
        assert!(std::time::Instant::now() < deadline, "the change is never served");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

/// Status, headers and body, but for the date.
fn shown(reply: &Reply, name: &str) -> String {
    let mut headers = reply.headers.clone();
    headers.remove("date");
    let mut lines: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    lines.sort();
    format!("{} {lines:?} {}", reply.status, reply.body.replace(name, "NAME"))
}

#[tokio::test]
async fn an_endpoint_that_shows_nothing_answers_as_one_that_is_not_there() {
    let (gateway, server) = rig().await;
    let session = connect(&gateway, "/mcp", "tester").await.session().expect("there is one").to_owned();
    let asked = server.asked_so_far().await;
    let list = request("tools/list", "{}");
    let bodies = [INITIALIZE, list.as_str(), r#"{"jsonrpc":"2.0","method":"notifications/x"}"#, "nonsense", ""];
    for (hidden, absent) in HIDDEN {
        for path in ["mcp", "sse", "message", "message?sessionId=guess"] {
            for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
                for body in bodies {
                    for with_session in [false, true] {
                        let ask = async |endpoint: &str| {
                            let client = Client::new(gateway.url(&format!("{endpoint}/{path}")));
                            let client = client.with_token("token-of-tester");
                            let mut request = client.bare(method.clone()).header("content-type", "application/json");
                            request = request.header("accept", "application/json, text/event-stream");
                            if with_session {
                                request = request.header("mcp-session-id", &session);
                            }
                            let name = endpoint.rsplit('/').next().expect("a path has parts");
                            shown(&send(request.body(body.to_owned())).await, name)
                        };
                        let (of_hidden, of_absent) = (ask(hidden).await, ask(absent).await);
                        assert_eq!(of_hidden, of_absent, "{method} {hidden}/{path} {body}");
                        assert!(of_hidden.starts_with("404 "), "{of_hidden}");
                    }
                }
            }
        }
    }
    assert_eq!(server.record().len(), asked, "the upstream was not asked");
    for (hidden, _) in HIDDEN {
        let other = connect(&gateway, &format!("{hidden}/mcp"), "other").await;
        assert!(!other.list("tools/list", "tools").await.is_empty(), "{hidden} is there for others");
    }
}

#[tokio::test]
async fn what_is_hidden_is_not_listed_and_asking_for_it_is_asking_for_nothing() {
    let (gateway, server) = rig().await;
    for path in ["/mcp", "/v0/groups/within/mcp"] {
        let tester = connect(&gateway, path, "tester").await;
        for (method, list) in [
            ("tools/list", "tools"),
            ("prompts/list", "prompts"),
            ("resources/list", "resources"),
            ("resources/templates/list", "resourceTemplates"),
        ] {
            let items = tester.list(method, list).await;
            assert!(items.iter().all(|item| !item.contains("hidden")), "{path} {method}: {items:?}");
        }
        let asked = server.asked_so_far().await;
        for (method, hidden) in [
            ("tools/call", r#"{"name":"hidden__echo","arguments":{}}"#),
            ("tools/call", r#"{"name":"hidden__work","arguments":{},"task":{"ttl":1}}"#),
            ("prompts/get", r#"{"name":"hidden__greet"}"#),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/prompt","name":"hidden__greet"},"argument":{"name":"a","value":""}}"#,
            ),
            ("resources/read", r#"{"uri":"mcpj://tpl/hidden/odd://x"}"#),
            ("resources/subscribe", r#"{"uri":"mcpj://tpl/hidden/odd://x"}"#),
            ("resources/unsubscribe", r#"{"uri":"mcpj://tpl/hidden/odd://x"}"#),
            (
                "completion/complete",
                r#"{"ref":{"type":"ref/resource","uri":"mcpj://tpl/hidden/odd://{name}{?query*}"},"argument":{"name":"a","value":""}}"#,
            ),
        ] {
            let answer = tester.ask(method, hidden).await;
            let nothing = tester.ask(method, &hidden.replace("hidden", "absent")).await;
            assert_eq!(answer, nothing.replace("absent", "hidden"), "{path} {method}");
            assert!(member(&answer, "error").is_some(), "{answer}");
        }
        assert_eq!(server.record().len(), asked, "the upstream was not asked");
    }
}

#[tokio::test]
async fn a_session_gets_no_further_than_its_clients_shrunken_allow_list() {
    let (gateway, server) = rig().await;
    let own = connect(&gateway, "/v0/servers/shown/mcp", "tester").await;
    let grouped = connect(&gateway, "/v0/groups/within/mcp", "tester").await;
    let main = connect(&gateway, "/mcp", "tester").await;
    let begun = main.ask("tools/call", r#"{"name":"shown__work","arguments":{},"task":{"ttl":60000}}"#).await;
    let begun: serde_json::Value = serde_json::from_str(&begun).expect("an answer is JSON");
    let task = begun["result"]["task"]["taskId"].as_str().expect("a task has an id").to_owned();
    set_allow_list(&gateway, &[], 0).await;
    let asked = server.asked_so_far().await;
    for (client, endpoint) in [(&own, "MCP server not found: shown"), (&grouped, "tool group not found: within")] {
        for body in [
            request("tools/list", "{}"),
            request("ping", "{}"),
            request("logging/setLevel", r#"{"level":"debug"}"#),
            request("tools/call", r#"{"name":"echo","arguments":{}}"#),
            r#"{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}"#.to_owned(),
            INITIALIZE.to_owned(),
        ] {
            let reply = client.post(body.clone()).await;
            let expected = format!(r#"{{"error":"{endpoint}"}}"#);
            assert_eq!((reply.status.as_u16(), reply.body), (404, expected), "{body}");
        }
    }
    for (method, params, known) in [
        ("tools/call", r#"{"name":"shown__echo","arguments":{}}"#.to_owned(), "shown__echo"),
        ("prompts/get", r#"{"name":"shown__greet"}"#.to_owned(), "shown__greet"),
        ("tasks/get", format!(r#"{{"taskId":"{task}"}}"#), task.as_str()),
        ("tasks/result", format!(r#"{{"taskId":"{task}"}}"#), task.as_str()),
        ("tasks/cancel", format!(r#"{{"taskId":"{task}"}}"#), task.as_str()),
    ] {
        let answer = main.ask(method, &params).await;
        let nothing = main.ask(method, &params.replace(known, "no__thing")).await;
        assert_eq!(answer, nothing.replace("no__thing", known), "{method}");
    }
    assert!(main.ask("tasks/list", "{}").await.contains(r#""tasks":[]"#));
    assert_eq!(server.record().len(), asked, "the upstream was not asked");
}

#[tokio::test]
async fn nobody_is_told_of_a_resource_that_it_may_not_read_any_more() {
    let (gateway, server) = rig().await;
    let (tester, other) = (connect(&gateway, "/mcp", "tester").await, connect(&gateway, "/mcp", "other").await);
    let (mut of_tester, mut of_other) = (Live::listen(&tester).await, Live::listen(&other).await);
    assert!(!tester.list("tools/list", "tools").await.is_empty());
    for client in [&tester, &other] {
        let answer = client.ask("resources/subscribe", r#"{"uri":"mcpj://tpl/shown/odd://x"}"#).await;
        assert!(member(&answer, "result").is_some(), "{answer}");
    }
    set_allow_list(&gateway, &["hidden"], 2).await;
    // It listens, so it is told that its list is another now.
    of_tester.until("notifications/tools/list_changed").await;
    let_go(&server.path("updated"));
    let update = of_other.until("notifications/resources/updated").await;
    assert!(update.contains("mcpj://tpl/shown/odd://x"), "{update}");
    // Whatever came for it meanwhile.
    let end = tester.bare(Method::DELETE).header("mcp-session-id", tester.session().expect("there is one"));
    assert_eq!(send(end).await.status, 204);
    while let Some(message) = of_tester.next().await {
        assert_ne!(method_of(&message).as_deref(), Some("notifications/resources/updated"), "{message}");
    }
}

#[tokio::test]
async fn a_group_in_which_nothing_is_enabled_stays_there_for_those_whom_it_is_for() {
    let (gateway, _server) = rig().await;
    gateway.succeed(&["disable", "tool", "shown"]);
    gateway.succeed(&["disable", "tool", "hidden"]);
    let status = async |group: &str, name: &str| {
        let client =
            Client::new(gateway.url(&format!("/v0/groups/{group}/mcp"))).with_token(&format!("token-of-{name}"));
        client.post(INITIALIZE).await.status.as_u16()
    };
    assert_eq!(status("within", "tester").await, 200);
    assert_eq!(status("closed", "tester").await, 404);
    assert_eq!(status("others", "tester").await, 404);
    assert_eq!(status("closed", "other").await, 200);
    // Nor is anything left of them.
    for server in ["shown", "hidden"] {
        gateway.succeed(&["deregister", server]);
    }
    assert_eq!(status("within", "tester").await, 200);
    assert_eq!(status("closed", "tester").await, 404);
    assert_eq!(status("others", "tester").await, 404);
    assert_eq!(status("others", "other").await, 200);
}
