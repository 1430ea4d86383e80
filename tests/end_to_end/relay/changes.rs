//! Who is told that a list has changed: the sessions whose own view of it has, once, and nobody else.

use serde_json::json;

use crate::harness::client::{Client, send};
use crate::harness::live::{Live, method_of};
use crate::harness::raw_server::RawServer;
use crate::relay::{Rig, http};

const TOOLS: &str = "notifications/tools/list_changed";
const PROMPTS: &str = "notifications/prompts/list_changed";

/// A session that has been given both lists, and listens.
struct Watcher {
    client: Client,
    live: Live,
}

impl Watcher {
    async fn at(rig: &Rig, path: &str) -> Self {
        let client = rig.client(path).await;
        let live = Live::listen(&client).await;
        let watcher = Self { client, live };
        watcher.list().await;
        watcher
    }

    async fn list(&self) -> usize {
        let tools = self.client.list("tools/list", "tools").await;
        self.client.list("prompts/list", "prompts").await;
        tools.len()
    }

    /// The next that it is told.
    async fn told(&mut self) -> Option<String> {
        self.live.next().await.and_then(|message| method_of(&message))
    }

    /// Ends the session; all that it was told and had not read.
    async fn told_until_the_end(mut self) -> Vec<String> {
        let session = self.client.session().expect("there is a session").to_owned();
        let end = self.client.bare(reqwest::Method::DELETE).header("mcp-session-id", session);
        assert_eq!(send(end).await.status, 204);
        let mut told = Vec::new();
        while let Some(method) = self.told().await {
            told.push(method);
        }
        told
    }
}

fn set_group(rig: &Rig, verb: &str, tools: &[&str]) {
    let finished =
        rig.gateway.run_with_file(&[verb, "group", "-c"], &json!({ "name": "few", "included_tools": tools }));
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[tokio::test]
async fn only_the_sessions_whose_view_changed_are_told() {
    let rig = Rig::stateless(http(&[]));
    let other = RawServer::http(&[]);
    rig.gateway.register(&other.registration("other"));
    set_group(&rig, "create", &["raw__echo"]);

    let mut main = Watcher::at(&rig, "/mcp").await;
    let mut own = Watcher::at(&rig, "/v0/servers/raw/mcp").await;
    let few = Watcher::at(&rig, "/v0/groups/few/mcp").await;
    let others = Watcher::at(&rig, "/v0/servers/other/mcp").await;

    rig.gateway.succeed(&["disable", "tool", "raw__numbers"]);
    assert_eq!(main.told().await.as_deref(), Some(TOOLS));
    assert_eq!(own.told().await.as_deref(), Some(TOOLS));
    // Whoever was to be told of the first change has been told once the second is.
    rig.gateway.succeed(&["disable", "prompt", "raw__greet"]);
    assert_eq!(main.told().await.as_deref(), Some(PROMPTS));
    assert_eq!(own.told().await.as_deref(), Some(PROMPTS));
    assert_eq!(few.told_until_the_end().await, Vec::<String>::new());
    assert_eq!(others.told_until_the_end().await, Vec::<String>::new());
    assert_eq!(main.told_until_the_end().await, Vec::<String>::new());
    assert_eq!(own.told_until_the_end().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_session_is_told_again_once_it_has_listed_again() {
    let rig = Rig::stateless(http(&[]));
    let mut main = Watcher::at(&rig, "/mcp").await;
    let before = main.list().await;
    for (verb, count) in [("disable", before - 1), ("enable", before), ("disable", before - 1)] {
        rig.gateway.succeed(&[verb, "tool", "raw__numbers"]);
        assert_eq!(main.told().await.as_deref(), Some(TOOLS), "{verb}");
        assert_eq!(main.list().await, count, "{verb}");
    }
}

#[tokio::test]
async fn a_change_of_a_group_is_told_to_its_own_sessions() {
    let rig = Rig::stateless(http(&[]));
    set_group(&rig, "create", &["raw__echo"]);
    let mut few = Watcher::at(&rig, "/v0/groups/few/mcp").await;
    let mut main = Watcher::at(&rig, "/mcp").await;
    set_group(&rig, "update", &["raw__echo", "raw__numbers"]);
    assert_eq!(few.told().await.as_deref(), Some(TOOLS));
    assert_eq!(few.list().await, 2);
    rig.gateway.succeed(&["disable", "prompt", "raw__greet"]);
    assert_eq!(main.told().await.as_deref(), Some(PROMPTS), "the group's change was none of its business");
}

#[tokio::test]
async fn a_server_that_comes_or_goes_is_told() {
    let rig = Rig::stateless(http(&[]));
    let mut main = Watcher::at(&rig, "/mcp").await;
    let own = Watcher::at(&rig, "/v0/servers/raw/mcp").await;
    let before = main.list().await;
    let other = RawServer::http(&[]);
    rig.gateway.register(&other.registration("other"));
    let told = [main.told().await, main.told().await];
    assert!(told.iter().flatten().any(|method| method == TOOLS), "{told:?}");
    assert!(main.list().await > before);
    rig.gateway.succeed(&["deregister", "other"]);
    while main.told().await.as_deref() != Some(TOOLS) {}
    assert_eq!(main.list().await, before);
    assert_eq!(own.told_until_the_end().await, Vec::<String>::new());
}
