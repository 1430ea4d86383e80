//! A plan says who would see what else, and changes nothing.

use crate::harness::enterprise::{self, client};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;
use crate::plugins::{as_json, component, deny, with_upstream};

#[tokio::test]
async fn a_plan_names_clients_and_groups_and_what_they_would_lose() {
    let people = [client("one", "token-of-one", &["raw"]), client("two", "token-of-two", &["raw__echo"])];
    let gateway = enterprise::start(&people).await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    gateway.create_group(&serde_json::json!({ "name": "few", "included_tools": ["raw__numbers"] }));
    let before = gateway.succeed(&["plugin", "history"]);
    let file = component("deny-one-tool.wasm");
    let settings = deny("raw__numbers");
    let add = ["plugin", "plan", "add", "corp", &file, "--settings", &settings];
    let printed = gateway.succeed(&add);
    assert!(printed.contains("Plan: add corp. Nothing was changed."), "{printed}");
    for at in ["/mcp", "/v0/groups/few/mcp"] {
        assert!(printed.contains(&format!("one at {at}:\n  - tool raw__numbers\n")), "{printed}");
    }
    assert!(!printed.contains("two at"), "{printed}");
    assert!(!printed.contains("+ "), "{printed}");
    assert_eq!(gateway.succeed(&["plugin", "history"]), before);

    let without = as_json(&gateway, &["plugin", "plan", "disable", "builtin-acl"]);
    let rows = without["rows"].as_array().expect("rows");
    let gained = rows.iter().find(|row| row["who"] == serde_json::json!(["two"]) && row["endpoint"] == "/mcp");
    let appear = gained.expect("two would see all")["appear"].to_string();
    assert!(appear.contains("raw__numbers") && !appear.contains(r#""raw__echo""#), "{without}");
    assert!(gateway.succeed(&["plugin", "list"]).contains("nobody has changed them"));
}

#[tokio::test]
async fn a_plan_without_effect_says_so_and_counts_nothing() {
    let (gateway, _upstream, _client) = with_upstream().await;
    let calls = |gateway| as_json(gateway, &["plugin", "list"])["stages"].clone();
    let before = calls(&gateway);
    let printed = gateway.succeed(&["plugin", "plan", "add", "again", "builtin:acl"]);
    assert!(printed.contains("Nobody would see anything else"), "{printed}");
    assert_eq!(calls(&gateway), before);
}

#[tokio::test]
async fn what_decides_at_other_stages_than_before_is_announced() {
    let gateway = Gateway::start();
    gateway.succeed(&["plugin", "add", "ours", "builtin:acl"]);
    let there = "OTHER STAGES: authorizer -> header-injector\n  lost:   authorizer (it decides nothing there any more)\n  \
                 gained: header-injector\n";
    let back = "OTHER STAGES: header-injector -> authorizer\n  lost:   header-injector (it decides nothing there any \
                more)\n  gained: authorizer\n";
    for (arguments, said) in [
        (&["plan", "update", "ours", "builtin:headers"][..], there),
        (&["plan", "add", "other", "builtin:headers", "--replace", "ours"], there),
        (&["update", "ours", "builtin:headers"], there),
        (&["plan", "rollback", "ours"], back),
        (&["rollback", "ours"], back),
    ] {
        let printed = gateway.succeed(&[&["plugin"], arguments].concat());
        assert!(printed.contains(&format!("\n{said}")), "{arguments:?}: {printed}");
    }
    let made = as_json(&gateway, &["plugin", "update", "ours", "builtin:groups"]);
    assert_eq!(made["plugin_stages"], serde_json::json!({ "old": ["authorizer"], "new": ["tool-filter"] }));
    for arguments in [&["update", "ours", "--fail-open"][..], &["disable", "ours"], &["rollback"]] {
        let printed = gateway.succeed(&[&["plugin"], arguments].concat());
        assert!(!printed.contains("OTHER STAGES"), "{arguments:?}: {printed}");
    }
}
