//! Registration happens as a whole or not at all.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::{Client, send};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

async fn registered(gateway: &Gateway) -> Vec<Value> {
    let reply = send(Client::new(gateway.url("/api/v0/servers")).bare(Method::GET)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    serde_json::from_str(&reply.body).expect("a list of servers")
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_leaves_nothing_behind() {
    let gateway = Gateway::start();
    let mut gone = RawServer::http(&[]);
    let registration = gone.registration("gone");
    gone.kill();
    for unreachable in [
        registration,
        json!({ "name": "gone", "transport": "stdio", "command": "no-such-program-anywhere" }),
        json!({ "name": "gone", "transport": "stdio", "command": "true" }),
    ] {
        let finished = gateway.run_with_file(&["register", "-c"], &unreachable);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("failed to register server"), "{finished:?}");
        assert_eq!(registered(&gateway).await, Vec::<Value>::new());
    }
}

#[tokio::test]
async fn a_server_that_lists_nonsense_leaves_nothing_behind() {
    let upstream = RawServer::http(&["--nonsense"]);
    let gateway = Gateway::start();
    let finished = gateway.run_with_file(&["register", "-c"], &upstream.registration("raw"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(registered(&gateway).await, Vec::<Value>::new());
    let client = Client::connect(gateway.url("/mcp")).await;
    assert_eq!(client.list("tools/list", "tools").await, Vec::<String>::new());
}

#[tokio::test]
async fn a_name_that_is_taken_is_a_conflict() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let api = Client::new(gateway.url("/api/v0/servers"));
    let reply = send(api.polite(upstream.registration("raw").to_string())).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    let answer: Value = serde_json::from_str(&reply.body).expect("an error object");
    assert!(answer["error"].is_string(), "{answer}");
    let finished = gateway.run_with_file(&["register", "-c"], &upstream.registration("raw"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert_eq!(registered(&gateway).await.len(), 1);
}

#[tokio::test]
async fn force_keeps_the_old_server_until_the_new_one_works() {
    let old = RawServer::http(&[]);
    let broken = RawServer::http(&["--nonsense"]);
    let new = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&old.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;

    let finished = gateway.run_with_file(&["register", "--force", "-c"], &broken.registration("raw"));
    assert_eq!(finished.code, Some(1), "{finished:?}");
    client.call("raw__numbers", "{}").await;
    assert_eq!(old.requests("tools/call").len(), 1);

    let finished = gateway.run_with_file(&["register", "--force", "-c"], &new.registration("raw"));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    client.call("raw__numbers", "{}").await;
    assert_eq!((old.requests("tools/call").len(), new.requests("tools/call").len()), (1, 1));
    assert_eq!(registered(&gateway).await.len(), 1);
}

#[tokio::test]
async fn a_registered_tool_can_be_invoked_from_the_command_line() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let listed = gateway.succeed(&["list", "tools", "--server", "raw"]);
    assert!(listed.contains("raw__spaced  [ENABLED]"), "{listed}");
    let printed = gateway.succeed(&["invoke", "raw__spaced"]);
    assert!(printed.contains("a\nb"), "{printed}");
    // An error of the tool's own is a result, not a failure of the command.
    let printed = gateway.succeed(&["invoke", "raw__failing"]);
    assert!(printed.contains("no!"), "{printed}");
    let finished = gateway.run(&["invoke", "raw__refusing"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("not today"), "{finished:?}");
}

#[tokio::test]
async fn a_disabled_tool_can_still_be_reached_over_the_api() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    gateway.succeed(&["disable", "tool", "raw__spaced"]);
    let printed = gateway.succeed(&["invoke", "raw__spaced"]);
    assert!(printed.contains("a\nb"), "{printed}");
}

#[tokio::test]
async fn no_secret_of_an_upstream_stands_readable_in_the_database_or_in_a_list() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("quite-secret-token");
    registration["headers"] = json!({ "X-Key": "quite-secret-header" });
    gateway.register(&registration);
    let listed = gateway.succeed(&["list", "servers"]);
    assert!(!listed.contains("quite-secret"), "{listed}");
    let mut files = 0;
    for entry in std::fs::read_dir(gateway.home()).expect("the home is a directory") {
        let bytes = std::fs::read(entry.expect("an entry").path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&bytes).contains("quite-secret"));
        files += usize::from(!bytes.is_empty());
    }
    assert!(files > 0, "the database lies in the home");
    assert!(!gateway.log().contains("quite-secret"));
}
