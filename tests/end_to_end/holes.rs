//! What is known to go wrong in gateways of this kind, and what shows that it does not here.
//! Paths are of the repository; names are of tests.
//!
//! | hole | shown by |
//! |---|---|
//! | 1. An idle timeout of -1 is refused, and none means an hour | `cli/src/start/settings/tests.rs`: `sessions_idle_for_ever_unless_a_number_of_seconds_is_given` |
//! | 2. `invoke --group` does not know the tools of included servers | `tests/command_line/tools.rs`: `invoking_from_a_group_takes_tools_of_included_servers_and_no_others` |
//! | 3. What a new version of a group leaves out is there again after a restart; one that comes to the same tools is dropped | `what_a_group_s_new_version_leaves_out_stays_out_after_a_restart` here; `host/tests/admin/groups.rs`: `a_group_is_replaced_as_a_whole` |
//! | 4. A deleted group's old endpoint lives on, and is served for a new group of its name | `the_old_transport_of_a_deleted_group_is_gone_and_a_new_group_has_its_own` here |
//! | 5. A failed registration leaves half a server; `--force` gives up the old one first | `registration`: `a_server_that_cannot_be_reached_leaves_nothing_behind`, `a_server_that_lists_nonsense_leaves_nothing_behind`, `force_keeps_the_old_server_until_the_new_one_works` |
//! | 6. A group cannot include a server that has a disabled tool | `a_group_may_include_a_server_with_a_disabled_tool` here |
//! | 7. Access control fails without a mode or a client in its context | it has no such context: a principal is an argument of every decision, and who is nobody is refused before: `enterprise`: `a_client_finds_what_its_allow_list_names_and_others_find_nothing` |
//! | 8. `/init` can be taken over | `enterprise/holes.rs`: `init_takes_the_mode_of_the_start_only_and_only_once`, `of_many_who_initialize_at_once_one_becomes_the_administrator`, `where_a_bootstrap_token_is_demanded_nothing_else_initializes` |
//! | 9. One broken group keeps the others from following | `a_group_with_a_server_that_is_gone_harms_no_other` here; `host/tests/admin/groups.rs`: `a_group_outlives_a_server_that_it_includes` |
//! | 10. `usage` and the difference of an update come in any order | as snapshots, in the order of the schema and of the fields: `tests/command_line/tools.rs`: `usage_shows_each_parameter_and_the_annotations`; `tests/command_line/groups.rs`: `updating_a_group_shows_what_that_changed` |
//! | 11. A name that is taken is a failure of the server (500) | `every_name_that_is_taken_is_a_conflict` here; `registration`: `a_name_that_is_taken_is_a_conflict` |
//! | 12. After a restart tools know less of themselves | `catalog`: `a_restart_keeps_the_catalog_complete_without_asking_the_upstream` |
//! | 13. A tool's own argument called `name` cannot be passed over the API | `host/tests/admin/main.rs`: `a_tool_is_invoked_with_its_arguments_in_either_form` |
//! | 14. Users reach any tool over `/tools/invoke` past every policy | `enterprise/holes.rs`: `over_the_api_users_and_administrators_go_through_the_policies_too` |

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{self, client};
use crate::harness::gateway::Gateway;
use crate::harness::live::Live;
use crate::harness::raw_server::RawServer;

/// A gateway with the server `raw` and a client that may use all of it.
async fn rig() -> (Gateway, RawServer, Admin) {
    let gateway = enterprise::start(&[client("reader", "token-of-reader", &["*"])]).await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let admin = Admin::of(&gateway);
    (gateway, upstream, admin)
}

fn reader(gateway: &Gateway, path: &str) -> Client {
    Client::new(gateway.url(path)).with_token("token-of-reader")
}

async fn tools_of(gateway: &Gateway, group: &str) -> usize {
    let reader = reader(gateway, &format!("/v0/groups/{group}/mcp")).introduced("{}").await;
    reader.list("tools/list", "tools").await.len()
}

async fn succeed(admin: &Admin, method: Method, path: &str, body: Option<&Value>) {
    let (status, answer) = admin.send(method, path, body).await;
    assert!(status.is_success(), "{path}: {status} {answer}");
}

#[tokio::test]
async fn what_a_group_s_new_version_leaves_out_stays_out_after_a_restart() {
    let (gateway, _upstream, admin) = rig().await;
    gateway.create_group(&json!({
        "name": "g", "description": "old", "included_tools": ["raw__numbers"], "included_servers": ["raw"],
        "excluded_tools": ["raw__spaced"],
    }));
    let new = json!({ "name": "g", "included_tools": ["raw__numbers"] });
    succeed(&admin, Method::PUT, "/tool-groups/g", Some(&new)).await;
    // The same tools by other words: that is a change, too.
    let reworded = json!({ "name": "g", "included_servers": ["raw"], "included_tools": ["raw__numbers"] });
    let home = gateway.keep_home();
    assert_eq!(tools_of(&gateway, "g").await, 1);
    drop(gateway);

    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    let admin = Admin::of(&gateway);
    let stored = admin.get("/tool-groups/g").await;
    assert_eq!(stored["description"], "", "{stored}");
    assert_eq!(tools_of(&gateway, "g").await, 1);
    succeed(&admin, Method::PUT, "/tool-groups/g", Some(&reworded)).await;
    let all = tools_of(&gateway, "g").await;
    let only_server = json!({ "name": "g", "included_servers": ["raw"] });
    succeed(&admin, Method::PUT, "/tool-groups/g", Some(&only_server)).await;
    assert_eq!(tools_of(&gateway, "g").await, all);
    drop(gateway);
    let gateway = enterprise::start_in(home, &[]);
    let stored = Admin::of(&gateway).get("/tool-groups/g").await;
    assert!(stored["included_tools"].as_array().is_none_or(Vec::is_empty), "{stored}");
    assert_eq!(tools_of(&gateway, "g").await, all);
}

/// A session over the old transport: its stream, and where messages are sent to.
struct OldSession {
    stream: Live,
    messages: Client,
}

impl OldSession {
    async fn open(gateway: &Gateway, group: &str) -> Self {
        let mut stream = Live::listen(&reader(gateway, &format!("/v0/groups/{group}/sse"))).await;
        let path = stream.message().await;
        let mut session = Self { stream, messages: reader(gateway, &path) };
        session.ask(INITIALIZE).await;
        session
    }

    async fn ask(&mut self, request: &str) -> String {
        self.messages.tell(request).await;
        self.stream.rest().await.1
    }

    async fn lists(&mut self, tool: &str) -> bool {
        self.ask(r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#).await.contains(tool)
    }
}

#[tokio::test]
async fn the_old_transport_of_a_deleted_group_is_gone_and_a_new_group_has_its_own() {
    let (gateway, upstream, admin) = rig().await;
    gateway.create_group(&json!({ "name": "g", "included_tools": ["raw__numbers"] }));
    let mut old = OldSession::open(&gateway, "g").await;
    assert!(old.lists("raw__numbers").await);
    succeed(&admin, Method::DELETE, "/tool-groups/g", None).await;

    let gone = reader(&gateway, "/v0/groups/g/sse").listening(None).send().await.unwrap();
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let call = r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"raw__numbers","arguments":{}}}"#;
    let refused = old.messages.post(call).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND, "{refused:?}");
    assert!(upstream.requests("tools/call").is_empty());

    gateway.create_group(&json!({ "name": "g", "included_tools": ["raw__spaced"] }));
    let mut new = OldSession::open(&gateway, "g").await;
    assert!(new.lists("raw__spaced").await && !new.lists("raw__numbers").await);
}

#[tokio::test]
async fn a_group_may_include_a_server_with_a_disabled_tool() {
    let (gateway, _upstream, admin) = rig().await;
    let all = reader(&gateway, "/mcp").introduced("{}").await.list("tools/list", "tools").await.len();
    gateway.succeed(&["disable", "tool", "raw__spaced"]);
    let group = json!({ "name": "g", "included_servers": ["raw"] });
    succeed(&admin, Method::POST, "/tool-groups", Some(&group)).await;
    assert_eq!(tools_of(&gateway, "g").await, all - 1);
    gateway.succeed(&["enable", "tool", "raw__spaced"]);
    assert_eq!(tools_of(&gateway, "g").await, all);
}

#[tokio::test]
async fn a_group_with_a_server_that_is_gone_harms_no_other() {
    let (gateway, upstream, admin) = rig().await;
    gateway.register(&upstream.registration("going"));
    gateway.create_group(&json!({ "name": "a-broken", "included_servers": ["going"] }));
    gateway.create_group(&json!({ "name": "b-mixed", "included_servers": ["going", "raw"] }));
    gateway.create_group(&json!({ "name": "whole", "included_servers": ["raw"] }));
    let whole = reader(&gateway, "/v0/groups/whole/mcp").introduced("{}").await;
    let all = whole.list("tools/list", "tools").await.len();
    succeed(&admin, Method::DELETE, "/servers/going", None).await;
    for (verb, expected) in [("disable", all - 1), ("enable", all)] {
        gateway.succeed(&[verb, "tool", "raw__spaced"]);
        assert_eq!(whole.list("tools/list", "tools").await.len(), expected);
        assert_eq!(tools_of(&gateway, "b-mixed").await, expected);
        assert_eq!(tools_of(&gateway, "a-broken").await, 0);
    }
    let home = gateway.keep_home();
    drop(gateway);
    let gateway = enterprise::start_in(home, &[]);
    assert_eq!((tools_of(&gateway, "whole").await, tools_of(&gateway, "a-broken").await), (all, 0));
}

#[tokio::test]
async fn every_name_that_is_taken_is_a_conflict() {
    let (gateway, upstream, admin) = rig().await;
    let group = json!({ "name": "g", "included_servers": ["raw"] });
    gateway.create_group(&group);
    for (path, body) in [("/servers", &upstream.registration("raw")), ("/tool-groups", &group)] {
        let (status, answer) = admin.send(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::CONFLICT, "{path}: {answer}");
        assert!(answer["error"].as_str().unwrap().ends_with("already exists"), "{answer}");
    }
}
