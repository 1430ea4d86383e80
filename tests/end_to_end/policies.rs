//! WebAssembly decides: a policies file that denies one tool.

use std::path::PathBuf;

use serde_json::Value;

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;

fn component() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/policies/deny-one-tool.wasm");
    path.canonicalize().expect("the component is committed")
}

#[tokio::test]
async fn a_tool_that_a_component_denies_is_gone_refused_and_never_asked_for() {
    let policies = format!(
        r#"policies:
  - name: builtin-auth
    component: builtin:auth
  - name: deny-one-tool
    component: {}
    settings:
      deny: [raw__numbers]
  - name: builtin-groups
    component: builtin:groups
  - name: builtin-headers
    component: builtin:headers
"#,
        component().display()
    );
    let home = new_home();
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, policies).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--policies", file.to_str().expect("temporary paths are UTF-8")]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;

    let listed = client.list("tools/list", "tools").await.join("\n");
    assert!(!listed.contains("raw__numbers"), "{listed}");
    assert!(listed.contains("raw__spaced"), "{listed}");

    let unknown = client.call("raw__nobody", "{}").await;
    let refused = client.call("raw__numbers", "{}").await;
    assert_eq!(refused, unknown.replace("raw__nobody", "raw__numbers"));
    assert_eq!(serde_json::from_str::<Value>(&refused).unwrap()["error"]["code"], -32602);
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");

    let answer = client.call("raw__spaced", "{}").await;
    assert!(answer.contains("result"), "{answer}");
    assert_eq!(upstream.requests("tools/call").len(), 1);
}

#[tokio::test]
async fn a_policies_file_that_cannot_be_used_stops_the_start_with_the_reason() {
    for (policies, reason) in [
        ("policies: [{name: x, component: no/such/file.wasm}]", "no/such/file.wasm"),
        ("policies: [{name: x, component: 'builtin:nothing'}]", "builtin:nothing"),
        ("policies: [not", "policies.yaml"),
    ] {
        let home = new_home();
        std::fs::write(home.path().join("policies.yaml"), policies).expect("the home is writable");
        let mut command = bare_command(home.path());
        command.args(["start", "--port", "0", "--policies", "policies.yaml"]);
        let finished = finish(command);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains(reason), "{finished:?}");
    }
}
