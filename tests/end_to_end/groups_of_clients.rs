//! Groups in enterprise mode: of tools, prompts and resources, for a client as far as its
//! allow-list goes, and for chosen clients only.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::enterprise::{self, client};
use crate::harness::gateway::Gateway;
use crate::harness::json::{member, text};
use crate::harness::raw_server::RawServer;

/// `raw:blob?x=1#y` of the server `two`, as the gateway lists it.
const BLOB_OF_TWO: &str = "mcpj://res/two/cmF3OmJsb2I/eD0xI3k";
const NOTES_OF_ONE: &str = "mcpj://res/one/ZmlsZTovLy9vZGQgcGF0aC/DpC50eHQ";

/// A gateway with the same upstream under two names, and a group of something of both.
async fn rig() -> (Gateway, RawServer) {
    let people = [
        client("all", "token-of-all", &["*"]),
        client("reader", "token-of-reader", &["one"]),
        client("single", "token-of-single", &["*__ec*"]),
    ];
    let gateway = enterprise::start(&people).await;
    let server = RawServer::http(&["--talks"]);
    for name in ["one", "two"] {
        gateway.register(&server.registration(name));
    }
    gateway.create_group(&json!({
        "name": "mixed",
        "included_tools": ["one__echo", "two__echo", "one__spaced"],
        "included_prompts": ["one__greet", "two__greet", "two__farewell"],
        "excluded_prompts": ["two__farewell"],
        "included_resources": ["one__notes", BLOB_OF_TWO, "one__by name", "two__by name"],
        "excluded_resources": ["two__by name"],
    }));
    (gateway, server)
}

async fn connect(gateway: &Gateway, path: &str, name: &str) -> Client {
    Client::new(gateway.url(path)).with_token(&format!("token-of-{name}")).introduced("{}").await
}

/// All that a client is listed, by canonical name or URI, sorted.
async fn seen(client: &Client) -> Vec<String> {
    let mut seen = Vec::new();
    for (method, list, key) in [
        ("tools/list", "tools", "name"),
        ("prompts/list", "prompts", "name"),
        ("resources/list", "resources", "uri"),
        ("resources/templates/list", "resourceTemplates", "uriTemplate"),
    ] {
        let items = client.list(method, list).await;
        seen.extend(items.iter().map(|item| text(member(item, key).expect("it has one")).expect("that is text")));
    }
    seen.sort();
    seen
}

fn code(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer).expect("an answer is JSON");
    answer["error"]["code"].clone()
}

#[tokio::test]
async fn a_client_sees_of_a_group_what_its_allow_list_has_too() {
    let (gateway, server) = rig().await;
    let all = connect(&gateway, "/v0/groups/mixed/mcp", "all").await;
    assert_eq!(
        seen(&all).await,
        [
            NOTES_OF_ONE,
            BLOB_OF_TWO,
            "mcpj://tpl/one/odd://{name}{?query*}",
            "one__echo",
            "one__greet",
            "one__spaced",
            "two__echo",
            "two__greet",
        ]
    );
    let reader = connect(&gateway, "/v0/groups/mixed/mcp", "reader").await;
    let of_reader = [NOTES_OF_ONE, "mcpj://tpl/one/odd://{name}{?query*}", "one__echo", "one__greet", "one__spaced"];
    assert_eq!(seen(&reader).await, of_reader);
    let single = connect(&gateway, "/v0/groups/mixed/mcp", "single").await;
    assert_eq!(seen(&single).await, ["one__echo", "two__echo"]);

    // What is listed can be used, a resource of a template too.
    let read = |uri: &str| format!(r#"{{"uri":"{uri}"}}"#);
    for (method, params) in [
        ("tools/call", r#"{"name":"one__echo","arguments":{}}"#.to_owned()),
        ("prompts/get", r#"{"name":"one__greet"}"#.to_owned()),
        ("resources/read", read(NOTES_OF_ONE)),
        ("resources/read", read("mcpj://tpl/one/odd://any")),
        ("resources/read", read("odd://any")),
    ] {
        let answer = reader.ask(method, &params).await;
        assert!(member(&answer, "result").is_some(), "{method} {params}: {answer}");
    }
    let asked = server.asked_so_far().await;
    // What is not listed is as good as not there, whether the group or the allow-list lacks it.
    for (client, method, hidden, unknown) in [
        (&reader, "tools/call", r#"{"name":"two__echo"}"#, "two__echo"),
        (&reader, "tools/call", r#"{"name":"one__numbers"}"#, "one__numbers"),
        (&reader, "prompts/get", r#"{"name":"two__greet"}"#, "two__greet"),
        (&all, "prompts/get", r#"{"name":"two__farewell"}"#, "two__farewell"),
        (&single, "prompts/get", r#"{"name":"one__greet"}"#, "one__greet"),
    ] {
        let answer = client.ask(method, hidden).await;
        let nothing = client.ask(method, &hidden.replace(unknown, "one__nothing")).await;
        assert_eq!(answer, nothing.replace("one__nothing", unknown));
        assert_eq!(code(&answer), -32602, "{answer}");
    }
    for (client, uri) in [
        (&reader, BLOB_OF_TWO),
        (&all, "mcpj://tpl/two/odd://any"),
        (&all, "mcpj://res/one/cmF3OmJsb2I/eD0xI3k"),
        (&single, NOTES_OF_ONE),
        (&single, "odd://any"),
    ] {
        for method in ["resources/read", "resources/subscribe", "resources/unsubscribe"] {
            let answer = client.ask(method, &read(uri)).await;
            let nothing = client.ask(method, &read("mcpj://res/one/eA")).await;
            assert_eq!(answer, nothing.replace("mcpj://res/one/eA", uri));
            assert_eq!(code(&answer), -32002, "{answer}");
        }
    }
    assert_eq!(server.record().len(), asked, "the upstream was not asked");
}

#[tokio::test]
async fn a_group_says_that_it_has_what_its_client_sees() {
    let (gateway, _server) = rig().await;
    for (name, kinds) in [("all", &["prompts", "resources", "tools"][..]), ("single", &["tools"])] {
        let client = Client::new(gateway.url("/v0/groups/mixed/mcp")).with_token(&format!("token-of-{name}"));
        let reply = client.post(crate::harness::client::INITIALIZE).await.json();
        let capabilities = reply["result"]["capabilities"].as_object().expect("there are some");
        let lists: Vec<&str> = capabilities.keys().map(String::as_str).collect();
        let lists: Vec<&str> =
            lists.into_iter().filter(|kind| ["prompts", "resources", "tools"].contains(kind)).collect();
        assert_eq!(lists, kinds, "{name}");
    }
}

#[tokio::test]
async fn a_group_that_names_its_clients_is_there_for_no_other() {
    let (gateway, server) = rig().await;
    gateway.create_group(
        &json!({ "name": "chosen", "included_tools": ["one__echo"], "allowed_clients": ["reader", "not-yet"] }),
    );
    gateway.create_group(&json!({ "name": "closed", "included_tools": ["one__echo"], "allowed_clients": [] }));
    let reader = connect(&gateway, "/v0/groups/chosen/mcp", "reader").await;
    assert_eq!(seen(&reader).await, ["one__echo"]);
    assert!(member(&reader.call("one__echo", "{}").await, "result").is_some());
    let calls = server.requests("tools/call").len();
    for (group, name) in [("chosen", "all"), ("closed", "all"), ("closed", "reader")] {
        let url = |group: &str| gateway.url(&format!("/v0/groups/{group}/mcp"));
        let token = format!("token-of-{name}");
        let there = Client::new(url(group)).with_token(&token).post(crate::harness::client::INITIALIZE).await;
        let absent = Client::new(url("absent")).with_token(&token).post(crate::harness::client::INITIALIZE).await;
        assert_eq!((there.status.as_u16(), there.body), (404, absent.body.replace("absent", group)));
    }
    // A session is no way in either, once its client has gone from the list.
    let shrunk = json!({ "name": "chosen", "included_tools": ["one__echo"], "allowed_clients": ["not-yet"] });
    assert_eq!(gateway.run_with_file(&["update", "group", "-c"], &shrunk).code, Some(0));
    let call = crate::harness::client::request("tools/call", r#"{"name":"one__echo","arguments":{}}"#);
    let reply = reader.post(call).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (404, r#"{"error":"tool group not found: chosen"}"#));
    assert_eq!(server.requests("tools/call").len(), calls, "the upstream was not asked");
}

#[tokio::test]
async fn a_group_stays_the_same_through_export_and_apply() {
    let (gateway, _server) = rig().await;
    gateway.create_group(&json!({ "name": "chosen", "included_tools": ["one__echo"], "allowed_clients": ["reader"] }));
    gateway.create_group(&json!({ "name": "closed", "included_tools": ["one__echo"], "allowed_clients": [] }));
    let before = gateway.succeed(&["list", "groups", "--json"]);
    gateway.succeed(&["export", "--dir", "saved"]);
    gateway.succeed(&["validate", "saved"]);
    assert!(gateway.succeed(&["apply", "-f", "saved/groups", "--dry-run"]).contains("Nothing to do"));
    for name in ["mixed", "chosen", "closed"] {
        gateway.succeed(&["delete", "group", name]);
    }
    gateway.succeed(&["apply", "-f", "saved/groups"]);
    assert_eq!(gateway.succeed(&["list", "groups", "--json"]), before);
    for slip in ["include_prompts", "allowed_client"] {
        let group = json!({ "name": "g", "included_tools": ["one__echo"], slip: ["x"] });
        let finished = gateway.run_with_file(&["validate", "--kind", "group"], &group);
        assert!(finished.code == Some(1) && finished.stderr.contains(slip), "{finished:?}");
    }
}
