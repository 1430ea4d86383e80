//! `explain`: what the pipeline would decide, asked of the real one, and no server is asked.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::enterprise::{self, client, user};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;

async fn rig() -> (Gateway, RawServer) {
    let people = [client("reader", "token-of-reader", &["raw__get*", "raw__echo"]), user("alice", "token-of-alice")];
    let gateway = enterprise::start(&people).await;
    let server = RawServer::http(&[]);
    let mut registration = server.registration("raw");
    registration["bearer_token"] = "secret-of-raw".into();
    registration["headers"] = json!({ "X-Team": "secret-team" });
    gateway.register(&registration);
    gateway.create_group(&json!({ "name": "few", "included_tools": ["raw__echo", "raw__numbers"] }));
    gateway.create_group(&json!({ "name": "closed", "included_tools": ["raw__echo"], "allowed_clients": [] }));
    (gateway, server)
}

fn explain(gateway: &Gateway, words: &[&str]) -> Value {
    let shown = gateway.succeed(&[&["explain", "--json"], words].concat());
    assert!(!shown.contains("secret"), "{shown}");
    serde_json::from_str(&shown).expect("it is JSON")
}

/// Stage, plugin and answer of each step.
fn steps(explanation: &Value) -> Vec<String> {
    let stages = explanation["stages"].as_array().expect("there are stages");
    let of_stage = |stage: &Value| -> Vec<String> {
        let name = stage["stage"].as_str().expect("it has a name").to_owned();
        let steps = stage["steps"].as_array().expect("it has steps");
        let step = |step: &Value| format!("{name} {} {}", step["plugin"].as_str().unwrap(), step["answer"]);
        if steps.is_empty() {
            vec![format!("{name}: {}", stage["not_asked"])]
        } else {
            steps.iter().map(step).collect()
        }
    };
    stages.iter().flat_map(of_stage).collect()
}

fn findings(explanation: &Value) -> String {
    let findings = explanation["findings"].as_array().expect("there are findings");
    findings.iter().map(|finding| finding.as_str().expect("a finding is text")).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn every_step_is_told_with_its_component_its_answer_and_its_time() {
    let (gateway, server) = rig().await;
    let asked = server.asked_so_far().await;
    let allowed = explain(&gateway, &["--client", "reader", "--tool", "raw__echo", "--group", "few"]);
    assert_eq!(
        steps(&allowed),
        [
            "authenticator builtin-auth null",
            "tool-filter builtin-groups \"allow\"",
            "authorizer builtin-acl \"allow\"",
            "guard: \"no component that reviews arguments is installed\"",
            "header-injector builtin-headers \"headers\"",
        ]
    );
    assert_eq!(allowed["allowed"], true);
    assert_eq!(allowed["told"], Value::Null);
    assert_eq!(allowed["endpoint"], "/v0/groups/few/mcp");
    assert_eq!(
        allowed["principal"],
        json!({ "kind": "client", "name": "reader", "allow": ["raw__get*", "raw__echo"] })
    );
    assert_eq!(allowed["item"], json!({ "kind": "tool", "name": "raw__echo", "uri": null }));
    let injected = &allowed["stages"][4]["steps"][0];
    assert_eq!(injected["headers"], json!(["authorization", "x-team"]));
    let lock: Value = serde_json::from_str(include_str!("../../plugins/dist/lock.json")).expect("the lock is JSON");
    for stage in ["builtin-groups", "builtin-acl", "builtin-headers"] {
        let step = allowed["stages"].as_array().unwrap().iter().flat_map(|stage| stage["steps"].as_array().unwrap());
        let step = step.into_iter().find(|step| step["plugin"] == stage).expect("it was asked");
        assert!(lock.to_string().contains(step["digest"].as_str().unwrap()), "{step}");
        assert!(step["duration_us"].is_u64(), "{step}");
    }

    let denied =
        explain(&gateway, &["--client", "reader", "--tool", "raw__numbers", "--group", "few", "--input", "{}"]);
    assert_eq!(
        steps(&denied)[1..],
        [
            "tool-filter builtin-groups \"allow\"",
            "authorizer builtin-acl \"deny\"",
            "guard: \"the call ends before\"",
            "header-injector: \"the call ends before\"",
        ]
    );
    assert!(findings(&denied).contains("the allow-list of `reader` does not match `raw__numbers`"), "{denied}");
    assert_eq!(server.record().len(), asked, "the upstream was not asked");
}

#[tokio::test]
async fn what_is_explained_is_what_the_caller_is_then_told() {
    let (gateway, server) = rig().await;
    for (words, tool, path) in [
        (&["--tool", "raw__echo"][..], "raw__echo", "/mcp"),
        (&["--tool", "raw__numbers"], "raw__numbers", "/mcp"),
        (&["--tool", "raw__nothing"], "raw__nothing", "/mcp"),
        (&["--tool", "nothing"], "nothing", "/mcp"),
        (&["--tool", "raw__echo", "--group", "few"], "raw__echo", "/v0/groups/few/mcp"),
        (&["--tool", "raw__failing", "--group", "few"], "raw__failing", "/v0/groups/few/mcp"),
        (&["--tool", "raw__echo", "--group", "closed"], "raw__echo", "/v0/groups/closed/mcp"),
        (&["--tool", "raw__echo", "--group", "absent"], "raw__echo", "/v0/groups/absent/mcp"),
        (&["--tool", "echo", "--server", "raw"], "echo", "/v0/servers/raw/mcp"),
        (&["--tool", "numbers", "--server", "raw"], "numbers", "/v0/servers/raw/mcp"),
        (&["--tool", "echo", "--server", "absent"], "echo", "/v0/servers/absent/mcp"),
    ] {
        let explained = explain(&gateway, &[&["--client", "reader"], words].concat());
        let calls = server.requests("tools/call").len();
        let client = Client::new(gateway.url(path)).with_token("token-of-reader");
        let first = client.post(crate::harness::client::INITIALIZE).await;
        let told = if first.status == 200 {
            let client = client.introduced("{}").await;
            let answer: Value = serde_json::from_str(&client.call(tool, "{}").await).expect("an answer is JSON");
            json!({ "status": 200, "body": { "error": answer["error"] } })
        } else {
            json!({ "status": first.status.as_u16(), "body": first.json() })
        };
        let is_made = server.requests("tools/call").len() > calls;
        assert_eq!(explained["allowed"], is_made, "{words:?}: {explained}");
        if !is_made {
            assert_eq!(explained["told"], told, "{words:?}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_finding_and_no_failure() {
    let (gateway, server) = rig().await;
    gateway.succeed(&["disable", "tool", "raw__echo"]);
    let asked = server.asked_so_far().await;
    for (words, finding, status) in [
        (&["--client", "nobody", "--tool", "raw__echo"][..], "there is no client `nobody`", 401),
        (&["--user", "nobody", "--tool", "raw__echo"], "there is no user `nobody`", 401),
        (&["--client", "reader", "--tool", "gone__echo"], "there is no server `gone`", 200),
        (&["--client", "reader", "--tool", "raw__gone"], "server `raw` offers no tool `gone`", 200),
        (&["--client", "reader", "--tool", "echo"], "`echo` is no canonical name", 200),
        (&["--client", "reader", "--tool", "raw__echo"], "tool `raw__echo` is disabled", 200),
        (&["--client", "reader", "--tool", "raw__echo", "--group", "gone"], "there is no group `gone`", 404),
        (&["--client", "reader", "--tool", "echo", "--server", "gone"], "there is no server `gone`", 404),
        (&["--client", "reader", "--tool", "raw__numbers", "--group", "closed"], "shows client `reader` nothing", 404),
        (&["--client", "reader", "--prompt", "raw__greet"], "does not match `raw__greet`", 200),
        (&["--client", "reader", "--resource", "mcpj://res/raw/cmF3OmJsb2I/eD0xI3k"], "`raw__blob`", 200),
        (&["--client", "reader", "--resource", "raw:gone"], "offers the resource `raw:gone`", 200),
        (&["--user", "alice", "--tool", "raw__gone"], "server `raw` offers no tool `gone`", 404),
    ] {
        let explained = explain(&gateway, words);
        assert!(findings(&explained).contains(finding), "{words:?}: {}", findings(&explained));
        assert_eq!((&explained["allowed"], &explained["told"]["status"]), (&json!(false), &json!(status)), "{words:?}");
    }
    // A user's view is the API's, where what is disabled can be tried.
    assert_eq!(explain(&gateway, &["--user", "alice", "--tool", "raw__echo"])["allowed"], true);
    let nobody = gateway.run(&["explain", "--tool", "raw__echo"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""), "{nobody:?}");
    assert!(nobody.stderr.contains("say who would call"), "{nobody:?}");
    assert_eq!(server.record().len(), asked, "the upstream was not asked");
}

#[tokio::test]
async fn only_administrators_are_told() {
    let (gateway, _server) = rig().await;
    let ask = async |token: &str| {
        let client = Client::new(gateway.url("/api/v0/explain")).with_token(token);
        client.post(r#"{"client":"reader","tool":"raw__echo"}"#).await.status.as_u16()
    };
    assert_eq!(ask(enterprise::ADMIN_TOKEN).await, 200);
    assert_eq!(ask("token-of-alice").await, 403);
    assert_eq!(ask("token-of-reader").await, 401);
}

#[tokio::test]
async fn a_guard_reviews_the_input_and_its_refusal_is_told() {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm");
    let stock = |name: &str| json!({ "name": name, "component": format!("builtin:{name}") });
    let settings = json!({ "deny_tool": "numbers", "arguments": { r#"{"a":1}"#: r#"{"b":2}"# }, "hide": ["failing"] });
    let ours = json!({ "name": "house-rules", "component": component, "settings": settings });
    let home = new_home();
    let policies = json!({ "policies": [stock("auth"), stock("acl"), stock("groups"), stock("headers"), ours] });
    std::fs::write(home.path().join("policies.yaml"), policies.to_string()).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--policies", "policies.yaml"]);
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("raw"));
    for (tool, answer, told) in [
        ("raw__echo", "\"rewrite\"", Value::Null),
        ("raw__numbers", "\"deny\"", json!({ "code": -31001, "message": "numbers is against the house rules" })),
    ] {
        let explained = explain(&gateway, &["--tool", tool, "--input", r#"{"a":1}"#]);
        assert!(steps(&explained).contains(&format!("guard house-rules {answer}")), "{explained}");
        assert_eq!(explained["told"]["body"]["error"], told);
        assert_eq!(explained["principal"]["kind"], "anonymous");
    }
    let hidden = explain(&gateway, &["--tool", "raw__failing"]);
    assert_eq!(steps(&hidden)[1..3], ["authorizer acl \"allow\"", "authorizer house-rules \"deny\""]);
    assert!(findings(&hidden).contains("plugin `house-rules` (authorizer) hides it"), "{hidden}");
    assert_eq!(server.requests("tools/call").len(), 0, "the upstream was not asked");
}
