//! Swapping under load: what runs goes on, and what is asked next is decided anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::Method;

use crate::harness::client::Client;
use crate::harness::live::Live;
use crate::harness::{until, until_true};
use crate::plugin_grants::run;
use crate::plugins::{add_deny, as_json, component, deny, installed, lists, with_upstream};

#[tokio::test]
async fn a_plugin_hides_a_tool_until_it_is_rolled_back() {
    let (gateway, upstream, client) = with_upstream().await;
    assert!(lists(&client, "raw__numbers").await);
    let printed = add_deny(&gateway, "raw__numbers");
    for part in
        ["Done: add deny (change 1).", "Stages:     authorizer", "It fails closed", "`mcpjungle plugin rollback`"]
    {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    assert!(!lists(&client, "raw__numbers").await);
    assert!(client.call("raw__numbers", "{}").await.contains("-32602"));
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");

    let listed = as_json(&gateway, &["plugin", "list"]);
    let authorizers = listed["stages"].as_array().expect("stages");
    let authorizers = authorizers.iter().find(|stage| stage["stage"] == "authorizer").expect("the stage");
    let deny = &authorizers["plugins"][1];
    assert_eq!((&deny["name"], &deny["state"]), (&"deny".into(), &"enabled".into()), "{listed}");
    assert!(deny["calls"].as_u64() >= Some(2) && deny["denials"].as_u64() >= Some(1), "{deny}");
    assert!(deny["p99_us"].as_f64().is_some_and(|p99| p99 > 0.0), "{deny}");
    assert!(gateway.succeed(&["plugin", "list"]).contains("authorizer\n  PLUGIN "));

    gateway.succeed(&["plugin", "rollback"]);
    assert!(lists(&client, "raw__numbers").await);
    assert!(client.call("raw__numbers", "{}").await.contains("1.50e+3"));
    assert!(!installed(&gateway).contains(&"deny".to_owned()));
}

#[tokio::test]
async fn a_rollback_undoes_no_other_change_than_the_one_that_it_names() {
    let (gateway, _upstream, _client) = with_upstream().await;
    add_deny(&gateway, "raw__nobody");
    gateway.succeed(&["plugin", "disable", "deny"]);
    let roll_back = async |query: &str| {
        let url = gateway.url(&format!("/api/v0/plugins/rollback{query}"));
        let answer = reqwest::Client::new().post(url).send().await.expect("an answer");
        (answer.status().as_u16(), answer.text().await.expect("a text"))
    };
    let (status, message) = roll_back("?change=1").await;
    assert!(status == 409 && message.contains("somebody else has changed the plugins"), "{status} {message}");
    assert_eq!(roll_back("?change=last").await.0, 400);
    assert!(installed(&gateway).contains(&"deny".to_owned()));
    assert_eq!(roll_back("?change=2").await.0, 200);
    let printed = gateway.succeed(&["plugin", "rollback"]);
    let told =
        ["Undone: change 3, go back to the plugins after change 1.", "Done: go back to the plugins after change 0"];
    assert!(told.into_iter().all(|words| printed.contains(words)), "{printed}");
    assert!(!installed(&gateway).contains(&"deny".to_owned()));
}

#[tokio::test]
async fn a_disabled_plugin_is_shown_at_all_its_stages_beside_one_that_is_asked_at_fewer() {
    let (gateway, _upstream, _client) = with_upstream().await;
    let file = component("house-rules.wasm");
    gateway.succeed(&["plugin", "add", "narrow", &file, "--stage", "guard"]);
    gateway.succeed(&["plugin", "add", "wide", &file]);
    let stages = |name| as_json(&gateway, &["plugin", "get", name])["stages"].clone();
    let before = stages("wide");
    assert_eq!(before.as_array().map(Vec::len), Some(5), "{before}");
    gateway.succeed(&["plugin", "disable", "wide"]);
    assert_eq!((stages("wide"), stages("narrow")), (before, serde_json::json!(["guard"])));
}

#[tokio::test]
async fn no_request_fails_while_policies_are_swapped() {
    let (gateway, _upstream, _) = with_upstream().await;
    add_deny(&gateway, "raw__nobody");
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for _ in 0..4 {
        let client = Client::connect(gateway.url("/mcp")).await;
        let (stop, answered) = (Arc::clone(&stop), Arc::clone(&answered));
        callers.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let answer = client.call("raw__numbers", "{}").await;
                assert!(answer.contains("1.50e+3"), "{answer}");
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for round in 0..5 {
        let before = answered.load(Ordering::Relaxed);
        gateway.succeed(&["plugin", "update", "deny", "--settings", &deny(&format!("raw__other{round}"))]);
        gateway.succeed(&["plugin", "rollback", "deny"]);
        gateway.succeed(&["plugin", "disable", "deny"]);
        gateway.succeed(&["plugin", "enable", "deny"]);
        until("calls go on", || answered.load(Ordering::Relaxed) > before).await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("no call failed");
    }
    let history = gateway.succeed(&["plugin", "history"]);
    assert!(history.contains("update deny") && history.contains("roll back deny"), "{history}");
}

#[tokio::test]
async fn a_call_in_flight_ends_on_the_old_version() {
    let (gateway, upstream, client) = with_upstream().await;
    let settings = |word: &str| {
        serde_json::json!({ "result": serde_json::json!({ "content": [], "word": word }).to_string() }).to_string()
    };
    let file = component("house-rules.wasm");
    gateway.succeed(&["plugin", "add", "house", &file, "--stage", "guard", "--settings", &settings("old")]);
    let released = upstream.path("go");
    let arguments = serde_json::json!({ "file": released }).to_string();
    let caller = Client::connect(gateway.url("/mcp")).await;
    let call = tokio::spawn(async move { caller.call("raw__wait_for", &arguments).await });
    until("the call to reach the upstream", || upstream.requests("tools/call").len() == 1).await;
    gateway.succeed(&["plugin", "update", "house", "--settings", &settings("new")]);
    let next = client.call("raw__numbers", "{}").await;
    assert!(next.contains(r#""word":"new""#), "{next}");
    std::fs::write(&released, "").expect("the file can be made");
    let ended = call.await.expect("the call in flight is answered");
    assert!(ended.contains(r#""word":"old""#), "{ended}");
}

#[tokio::test]
async fn who_sees_something_else_is_told_and_nobody_else() {
    let (gateway, _upstream, concerned) = with_upstream().await;
    gateway.create_group(&serde_json::json!({ "name": "few", "included_tools": ["raw__echo", "raw__spaced"] }));
    let unconcerned = Client::connect(gateway.url("/v0/groups/few/mcp")).await;
    for client in [&concerned, &unconcerned] {
        client.list("tools/list", "tools").await;
    }
    let (mut heard, mut silent) = (Live::listen(&concerned).await, Live::listen(&unconcerned).await);
    add_deny(&gateway, "raw__numbers");
    let told = heard.next().await.expect("the stream is open");
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    // Who has listed again is told again; so it would be told twice if it had been told of that.
    unconcerned.list("tools/list", "tools").await;
    gateway.succeed(&["plugin", "update", "deny", "--settings", &deny("raw__echo")]);
    let told = silent.next().await.expect("the stream is open");
    assert!(told.contains("notifications/tools/list_changed"), "{told}");
    assert!(!lists(&unconcerned, "raw__echo").await);
    let session = unconcerned.session().expect("it has one").to_owned();
    unconcerned.bare(Method::DELETE).header("mcp-session-id", session).send().await.expect("it is answered");
    while let Some(more) = silent.next().await {
        assert!(!more.contains("list_changed"), "{more}");
    }
    assert!(!gateway.log().contains("panicked"));
}

#[tokio::test]
async fn stock_policies_are_replaced_and_put_back() {
    let (gateway, _upstream, client) = with_upstream().await;
    let file = component("deny-one-tool.wasm");
    let ours = deny("raw__numbers");
    gateway.succeed(&["plugin", "add", "corp", &file, "--replace", "builtin-acl", "--settings", &ours]);
    assert_eq!(installed(&gateway), ["builtin-auth", "builtin-groups", "corp", "builtin-headers"]);
    assert!(!lists(&client, "raw__numbers").await);
    gateway.succeed(&["plugin", "add", "builtin-acl", "builtin:acl", "--replace", "corp"]);
    assert_eq!(installed(&gateway), ["builtin-auth", "builtin-groups", "builtin-acl", "builtin-headers"]);
    until_true("the tool is back", async || lists(&client, "raw__numbers").await).await;
}

#[tokio::test]
async fn what_is_installed_outlives_the_gateway_however_it_ends() {
    let (mut gateway, upstream, _client) = with_upstream().await;
    add_deny(&gateway, "raw__numbers");
    for round in 0..3 {
        // Dies in the midst of changes: what the next one finds is whole, old or new.
        let base = gateway.url("/api/v0/plugins/deny");
        let changes = tokio::spawn(async move {
            let http = crate::harness::client::http_client();
            for verb in ["disable", "enable"].iter().cycle() {
                if http.post(format!("{base}/{verb}")).send().await.is_err() {
                    return;
                }
            }
        });
        let before = gateway.succeed(&["plugin", "history"]).lines().count();
        until("some changes", || gateway.succeed(&["plugin", "history"]).lines().count() > before + round).await;
        gateway.signal(rustix::process::Signal::KILL);
        gateway.ended().await;
        changes.await.expect("it only asks");
        gateway = crate::harness::gateway::Gateway::start_in(gateway.keep_home(), &[]);
        assert!(installed(&gateway).contains(&"deny".to_owned()));
        let enabled = gateway.run(&["plugin", "enable", "deny"]);
        assert!(enabled.code == Some(0) || enabled.stderr.contains("is enabled already"), "{enabled:?}");
        let client = Client::connect(gateway.url("/mcp")).await;
        assert!(!lists(&client, "raw__numbers").await, "round {round}");
    }
    drop(upstream);
}

#[tokio::test]
async fn a_plugin_in_the_place_of_another_has_values_of_its_own_and_a_rollback_brings_the_old_ones_back() {
    let (gateway, _upstream, client) = with_upstream().await;
    let component = component("borrower.wasm");
    let grants = ["--grant", "kv", "--grant", "http:localhost", "--grant", "secret:x", "--deadline", "5000"];
    let add = [&["plugin", "add", "borrower", &component][..], &grants].concat();
    let count = async || run(&client, &serde_json::json!({ "add": { "key": "n", "by": 1 } })).await;
    gateway.succeed(&add);
    assert_eq!((count().await, count().await), (1.into(), 2.into()));
    gateway.succeed(&["plugin", "update", "borrower", "--deadline", "6000"]);
    assert_eq!(count().await, 3, "an update keeps them");

    gateway.succeed(&[&add[..], &["--replace", "borrower"]].concat());
    assert_eq!(count().await, 1);
    gateway.succeed(&["plugin", "rollback"]);
    assert_eq!(count().await, 4);
    gateway.succeed(&["plugin", "remove", "borrower"]);
    gateway.succeed(&["plugin", "rollback"]);
    assert_eq!(count().await, 5);
}

#[tokio::test]
async fn what_is_added_again_under_a_name_is_counted_from_nothing() {
    let (gateway, _upstream, client) = with_upstream().await;
    add_deny(&gateway, "raw__numbers");
    let counted = || {
        let listed = as_json(&gateway, &["plugin", "list"]);
        let stages = listed["stages"].as_array().expect("stages");
        let authorizers = stages.iter().find(|stage| stage["stage"] == "authorizer").expect("the stage");
        let plugins = authorizers["plugins"].as_array().expect("plugins");
        let deny = plugins.iter().find(|plugin| plugin["name"] == "deny").expect("it is listed");
        (deny["calls"].as_u64(), deny["denials"].as_u64())
    };
    assert!(client.call("raw__numbers", "{}").await.contains("-32602"));
    let before = counted();
    assert!(before.0 > Some(0) && before.1 > Some(0), "{before:?}");
    gateway.succeed(&["plugin", "disable", "deny"]);
    assert_eq!(counted(), before, "it is still there");
    gateway.succeed(&["plugin", "remove", "deny"]);
    add_deny(&gateway, "raw__numbers");
    assert_eq!(counted().1, Some(0));
}
