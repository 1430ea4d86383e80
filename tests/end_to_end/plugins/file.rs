//! A policies file is watched: what it says runs, and a bad one is refused.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::{until, until_true};
use crate::hostile_policies::component::Hostile;
use crate::plugins::{as_json, component, lists};

fn policies(denied: &str, digest: Option<&str>) -> String {
    let stock = |name: &str| json!({ "name": format!("builtin-{name}"), "component": format!("builtin:{name}") });
    let mut ours = json!({ "name": "deny", "component": "deny.wasm", "settings": { "deny": [denied] } });
    if let Some(digest) = digest {
        ours["digest"] = format!("sha256:{digest}").into();
    }
    json!({ "policies": [stock("auth"), stock("groups"), stock("acl"), ours, stock("headers")] }).to_string()
}

#[tokio::test]
async fn a_changed_file_runs_a_bad_one_is_refused_and_the_api_answers_409() {
    let home = new_home();
    let path = home.path().join("policies.yaml");
    let write = |text: &str| std::fs::write(&path, text).expect("the home is writable");
    std::fs::copy(component("deny-one-tool.wasm"), home.path().join("deny.wasm")).expect("the home is writable");
    write(&policies("raw__numbers", None));
    let gateway = Gateway::start_in(home.clone(), &["--policies", "policies.yaml"]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    assert!(!lists(&client, "raw__numbers").await && lists(&client, "raw__echo").await);

    write(&policies("raw__echo", None));
    until_true("the change runs", async || lists(&client, "raw__numbers").await).await;
    assert!(!lists(&client, "raw__echo").await);

    let refused = |number: usize| gateway.log().matches("a bad policies file is refused").count() == number;
    write("policies: [{name: x}]");
    until("it is refused", || refused(1)).await;
    write(&policies("raw__numbers", Some(&"0".repeat(64))));
    until("so is a wrong digest", || refused(2)).await;
    assert!(gateway.log().contains("has the digest sha256:"), "it says why");
    write(&policies("raw__echo", Some(&"0".repeat(64))));
    until("also of the plugin that runs", || refused(3)).await;
    let listed = gateway.succeed(&["plugin", "list"]);
    assert!(listed.contains("REFUSED since ") && listed.contains("has the digest sha256:"), "{listed}");
    let told = as_json(&gateway, &["plugin", "list"])["refused"].clone();
    assert!(told["reason"].as_str().is_some_and(|reason| reason.contains("has the digest sha256:")), "{told}");
    assert!(told["since"].as_str().is_some_and(|since| since.ends_with('Z')), "{told}");
    assert!(lists(&client, "raw__numbers").await && !lists(&client, "raw__echo").await, "the old policies stay");

    for change in [&["plugin", "rollback"][..], &["plugin", "disable", "deny"], &["plugin", "add", "x", "builtin:acl"]]
    {
        let finished = gateway.run(change);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("policies.yaml: change that file"), "{finished:?}");
    }
    let answer = reqwest::Client::new().post(gateway.url("/api/v0/plugins/rollback")).send().await.expect("an answer");
    assert_eq!(answer.status(), 409);
    let listed = gateway.succeed(&["plugin", "list"]);
    assert!(listed.contains("which is watched for changes"), "{listed}");
    assert!(listed.contains(" deny.wasm ") && !listed.contains("uploaded"), "{listed}");
    assert!(gateway.succeed(&["plugin", "get", "deny"]).contains("/deny.wasm\n"));

    // The component is watched as well: another one under the name runs, with settings that fit it.
    write(&policies("raw__spaced", None));
    until_true("a good file runs again", async || !lists(&client, "raw__spaced").await).await;
    until("that is no news any more", || !gateway.succeed(&["plugin", "list"]).contains("REFUSED")).await;
    let runs = std::fs::read(home.path().join("deny.wasm")).expect("the component is there");
    std::fs::write(home.path().join("deny.wasm"), "no component").expect("the home is writable");
    until("a bad component is refused", || refused(4)).await;
    assert!(gateway.log().contains("deny.wasm: this is no WebAssembly"), "{}", gateway.log());
    std::fs::write(home.path().join("deny.wasm"), runs).expect("the home is writable");
    until("and what ran is what the file says again", || gateway.log().contains("is no longer refused")).await;
    assert!(!lists(&client, "raw__spaced").await);
}

#[tokio::test]
async fn a_plugin_for_which_the_pool_has_no_room_runs_and_the_log_says_how() {
    let home = new_home();
    let mut policies: serde_json::Value = serde_json::from_str(&policies("raw__numbers", None)).expect("it is JSON");
    policies["policies"][3]["limits"] = json!({ "instances": 600 });
    std::fs::write(home.path().join("policies.yaml"), policies.to_string()).expect("the home is writable");
    std::fs::copy(component("deny-one-tool.wasm"), home.path().join("deny.wasm")).expect("the home is writable");
    let gateway = Gateway::start_in(home.clone(), &["--policies", "policies.yaml"]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    assert!(!lists(&client, "raw__numbers").await && lists(&client, "raw__echo").await);
    let log = gateway.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("the pool has no room")).collect();
    assert!(told.len() == 1 && told[0].contains("deny") && told[0].contains("600"), "{log}");
}

/// Accepts its settings once there is a group `ready`.
const WAITS_FOR_A_GROUP: Hostile<'static> = Hostile {
    worlds: &["configured"],
    top_level: r#"(import "mcpjungle:policy/directory@0.1.0" "group-admits" (func $admits (param i32 i32 i32 i32 i32)))
        (data (i32.const 512) "ready")
        (data (i32.const 520) "there is no group yet")
        (func (export "mcpjungle:policy/configuration@0.1.0#describe") (result i32) (i32.const 16))
        (func (export "mcpjungle:policy/configuration@0.1.0#accept") (param i32 i32) (result i32)
            (call $admits (i32.const 512) (i32.const 5) (i32.const 512) (i32.const 5) (i32.const 256))
            (if (i32.load8_u (i32.const 256)) (then (return (i32.const 16))))
            (i32.store8 (i32.const 64) (i32.const 1))
            (i32.store (i32.const 68) (i32.const 520))
            (i32.store (i32.const 72) (i32.const 21))
            (i32.const 64))"#,
    trigger: None,
    authorize: "",
    authorize_items: "",
};

#[tokio::test]
async fn what_is_in_the_way_of_a_file_may_pass_without_a_change_of_it() {
    let home = new_home();
    let path = home.path().join("policies.yaml");
    let write = |plugins: Value| {
        let text = json!({ "policies": plugins }).to_string();
        std::fs::write(&path, text).expect("the home is writable");
    };
    WAITS_FOR_A_GROUP.write(home.path(), "waiting");
    write(json!([]));
    let gateway = Gateway::start_in(home.clone(), &["--policies", "policies.yaml"]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));

    write(json!([{ "name": "waiting", "component": "waiting.wasm" }]));
    until("it is refused", || gateway.log().contains("a bad policies file is refused")).await;
    assert!(gateway.log().contains("there is no group yet"), "{}", gateway.log());
    gateway.create_group(&json!({ "name": "ready", "included_servers": ["raw"] }));
    until("it runs", || gateway.log().contains("what it says runs")).await;
    assert!(gateway.succeed(&["plugin", "list"]).contains("waiting"));
    assert_eq!(gateway.log().matches("a bad policies file is refused").count(), 1, "{}", gateway.log());
}
