//! What the gateway knows of its upstreams, over time.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

const LISTS: [(&str, &str); 4] = [
    ("tools/list", "tools"),
    ("prompts/list", "prompts"),
    ("resources/list", "resources"),
    ("resources/templates/list", "resourceTemplates"),
];

async fn everything_listed(client: &Client) -> Vec<String> {
    let mut everything = Vec::new();
    for (method, member) in LISTS {
        let list = client.list(method, member).await;
        assert!(!list.is_empty(), "{method} lists something");
        everything.extend(list);
    }
    everything
}

#[tokio::test]
async fn a_restart_keeps_the_catalog_complete_without_asking_the_upstream() {
    let mut upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let before = everything_listed(&Client::connect(gateway.url("/mcp")).await).await;
    let home = gateway.keep_home();
    drop(gateway);
    upstream.kill();

    let gateway = Gateway::start_in(home, &[]);
    let after = everything_listed(&Client::connect(gateway.url("/mcp")).await).await;
    assert_eq!(before, after);
}

#[tokio::test]
async fn a_dead_upstream_fails_its_own_calls_clearly_and_no_others() {
    let mut dead = RawServer::http(&[]);
    let alive = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&dead.registration("dead"));
    gateway.register(&alive.registration("alive"));
    let client = Client::connect(gateway.url("/mcp")).await;
    dead.kill();

    let answer: Value = serde_json::from_str(&client.call("dead__numbers", "{}").await).unwrap();
    let message = answer["error"]["message"].as_str().unwrap_or_else(|| panic!("no error: {answer}"));
    assert!(message.contains("dead"), "it says whose fault it is: {message}");
    let answer = client.call("alive__numbers", "{}").await;
    assert!(answer.contains("1.50e+3"), "{answer}");
}

#[tokio::test]
async fn a_tool_that_crashes_its_process_fails_one_call_and_the_next_gets_a_new_process() {
    let upstream = RawServer::stdio();
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let answer = client.call("raw__crash", "{}").await;
    assert!(answer.contains(r#""error""#), "{answer}");
    let answer = client.call("raw__numbers", "{}").await;
    assert!(answer.contains("1.50e+3"), "{answer}");
}

#[tokio::test]
async fn a_deregistered_servers_items_are_gone() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    everything_listed(&client).await;
    gateway.succeed(&["deregister", "raw"]);
    for (method, member) in LISTS {
        assert_eq!(client.list(method, member).await, Vec::<String>::new(), "{method}");
    }
}

#[tokio::test]
async fn what_another_gateway_on_the_same_database_registers_is_served_too() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    let client = Client::connect(gateway.url("/mcp")).await;
    assert_eq!(client.list("tools/list", "tools").await, Vec::<String>::new());
    let other = Gateway::start_in(gateway.keep_home(), &[]);
    other.register(&upstream.registration("raw"));
    let seen = async {
        while client.list("tools/list", "tools").await.is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), seen).await.expect("the change is seen");
}

#[tokio::test]
async fn a_session_sees_at_once_what_is_disabled_enabled_or_taken_out_of_its_group() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    gateway.create_group(&json!({ "name": "few", "included_tools": ["raw__numbers", "raw__spaced"] }));
    let main = Client::connect(gateway.url("/mcp")).await;
    let group = Client::connect(gateway.url("/v0/groups/few/mcp")).await;

    let all = main.list("tools/list", "tools").await;
    assert_eq!(group.list("tools/list", "tools").await.len(), 2);
    gateway.succeed(&["disable", "tool", "raw__spaced"]);
    assert_eq!(main.list("tools/list", "tools").await.len(), all.len() - 1);
    assert_eq!(group.list("tools/list", "tools").await.len(), 1);
    gateway.succeed(&["enable", "tool", "raw__spaced"]);
    assert_eq!(main.list("tools/list", "tools").await, all);
    assert_eq!(group.list("tools/list", "tools").await.len(), 2);

    let smaller = json!({ "name": "few", "included_tools": ["raw__failing"] });
    let finished = gateway.run_with_file(&["update", "group", "-c"], &smaller);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let listed = group.list("tools/list", "tools").await;
    assert!(listed.len() == 1 && listed[0].contains("raw__failing"), "{listed:?}");
    assert_eq!(main.list("tools/list", "tools").await, all, "another endpoint's list is its own");
}
