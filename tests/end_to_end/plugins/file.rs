//! A policies file is watched: what it says runs, and a bad one is refused.

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::{until, until_true};
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
    std::fs::write(home.path().join("deny.wasm"), "no component").expect("the home is writable");
    until("a bad component is refused", || refused(3)).await;
    assert!(!lists(&client, "raw__spaced").await);
}
