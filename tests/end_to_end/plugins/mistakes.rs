//! What cannot be installed is refused with the reason, and nothing changes.

use reqwest::Method;

use crate::harness::client::http_client;
use crate::harness::gateway::Gateway;
use crate::plugins::{add_deny, component, installed, with_upstream};

#[tokio::test]
async fn every_mistake_is_named_and_changes_nothing() {
    let (gateway, _upstream, _client) = with_upstream().await;
    add_deny(&gateway, "raw__nobody");
    let before = gateway.succeed(&["plugin", "history"]);
    let home = gateway.home();
    let file = |name: &str, bytes: &[u8]| {
        std::fs::write(home.join(name), bytes).expect("the home is writable");
        name.to_owned()
    };
    let (text, empty) = (file("text.wasm", b"hello"), file("empty.wasm", b""));
    let (core, broken) = (file("core.wasm", b"\0asm\x01\0\0\0"), file("broken.wasm", b"\0asm\x0d\0\x01\0garbage"));
    let long = file("long.json", format!(r#"{{"deny": ["{}"]}}"#, "x".repeat(64 << 10)).as_bytes());
    let deny = component("deny-one-tool.wasm");
    for (arguments, expected) in [
        (&["add", "x", "no/such.wasm"][..], "cannot read the component no/such.wasm"),
        (&["add", "x", &text], "this is no WebAssembly"),
        (&["add", "x", &empty], "this is empty"),
        (&["add", "x", &core], "core module, not a component"),
        (&["add", "x", &broken], "is not a component that this gateway can run"),
        (&["add", "x", "builtin:nope"], "`builtin:nope` is no component"),
        (&["add", "a b", "builtin:acl"], "is no name for a plugin"),
        (&["add", "history", "builtin:acl"], "the API uses it"),
        (&["add", "deny", "builtin:acl"], "installed already"),
        (&["add", "x", "builtin:acl", "--before", "nobody"], "plugin `nobody` is not installed"),
        (&["add", "x", "builtin:acl", "--grant", "everything"], "`everything` is no grant"),
        (&["add", "x", "builtin:acl", "--stage", "guard"], "which it does not export"),
        (&["add", "x", "builtin:acl", "--stage", "acl"], "there is no stage `acl`"),
        (
            &["add", "x", "builtin:acl", "--deadline", "0"],
            "invalid value '0' for '--deadline <MS>': must be a whole number of milliseconds from 1 to 60000",
        ),
        (&["update", "deny", "--deadline", "4000000000"], "invalid value '4000000000' for '--deadline <MS>'"),
        (
            &["add", "x", "builtin:acl", "--memory", "100000000"],
            "invalid value '100000000' for '--memory <MIB>': must be a whole number of MiB from 1 to 4096",
        ),
        (&["add", "x", &deny, "--settings", "{}"], "missing field `deny`"),
        (&["add", "x", &deny, "--settings", "[1]"], "--settings is a list, not an object: give a JSON object"),
        (&["add", "x", &deny, "--settings", ""], "--settings is empty: give a JSON object"),
        (&["update", "deny", "--settings", "gone.yaml"], "--settings names the file gone.yaml, which cannot be read"),
        (&["add", "x", &deny, "--settings", "{"], "not valid JSON"),
        (&["add", "x", &deny, "--settings", r#"{"deny":[],"more":1}"#], "unknown field `more`"),
        (&["add", "x", &deny, "--settings", &long], "the settings of plugin `x` are 65549 bytes of JSON"),
        (&["update", "deny", "--settings", &long], "the settings of plugin `deny` are 65549 bytes of JSON"),
        (&["update", "deny"], "nothing to update"),
        (&["update", "deny", "--revoke", "kv"], "does not have the grant `kv`"),
        (&["update", "nobody", "--fail-open"], "plugin `nobody` is not installed"),
        (&["remove", "nobody"], "plugin `nobody` is not installed"),
        (&["disable", "nobody"], "plugin `nobody` is not installed"),
        (&["get", "nobody"], "plugin `nobody` is not installed"),
        (&["rollback", "deny"], "no earlier version"),
        (&["order", "deny", "deny"], "named twice"),
        (&["plan", "remove", "nobody"], "plugin `nobody` is not installed"),
    ] {
        let finished = gateway.run(&[&["plugin"], arguments].concat());
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        assert!(finished.stderr.contains(expected), "{arguments:?}: {}", finished.stderr);
    }
    assert_eq!(gateway.succeed(&["plugin", "history"]), before);
    assert_eq!(installed(&gateway).len(), 5);
}

#[tokio::test]
async fn a_body_that_is_not_as_it_must_be_is_told_by_its_member() {
    let gateway = Gateway::start();
    let http = http_client();
    let one_of = "give one of `add`, `update`, `enable`, `disable`, `remove`, `order` and `rollback`";
    for (method, path, body, expected) in [
        (Method::POST, "", "", "the request body is empty: send a JSON object"),
        // Not its members in their order.
        (Method::POST, "", r#"["x", "builtin:acl"]"#, "the request body is a list: it must be a JSON object"),
        (
            Method::POST,
            "",
            r#"{"name":"x"}"#,
            "`component` is missing: give `builtin:NAME`, or `sha256:` and the digest",
        ),
        (Method::POST, "", r#"{"name":"x","component":7}"#, "`component` is 7: it must be `builtin:NAME`, or"),
        (Method::POST, "", r#"{"name":"x","component":"acl"}"#, "`component`: `acl` is no component; there are"),
        (
            Method::PATCH,
            "/builtin-acl",
            r#"{"limits":{"deadline_ms":4000000000}}"#,
            "`limits.deadline_ms` is 4000000000: it must be a whole number from 1 to 60000",
        ),
        (Method::PATCH, "/builtin-acl", r#"{"setings":{}}"#, "the request body has no member `setings`: did you mean"),
        (Method::POST, "/order", "{}", "`names` is missing: give a list of the names of plugins"),
        (Method::POST, "/plan", "{}", one_of),
        (Method::POST, "/plan", r#"{"disable":{"name":"a"},"remove":{"name":"a"}}"#, one_of),
        (Method::POST, "/plan", r#"{"remove":{}}"#, "`remove.name` is missing: give the name of a plugin"),
        (
            Method::POST,
            "/plan",
            r#"{"update":{"name":"builtin-acl","changes":{"limits":{"memory_mib":-1}}}}"#,
            "`update.changes.limits.memory_mib` is -1: it must be a whole number from 1 to 4096",
        ),
    ] {
        let url = gateway.url(&format!("/api/v0/plugins{path}"));
        let answer = http.request(method, url).body(body).send().await.expect("the gateway answers");
        assert_eq!(answer.status(), 400, "{path} {body}");
        let answer: serde_json::Value = answer.json().await.expect("it is JSON");
        assert!(answer["error"].as_str().is_some_and(|error| error.starts_with(expected)), "{path} {body}: {answer}");
    }
}
