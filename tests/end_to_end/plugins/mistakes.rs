//! What cannot be installed is refused with the reason, and nothing changes.

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
    let deny = component("deny-one-tool.wasm");
    for (arguments, expected) in [
        (&["add", "x", "no/such.wasm"][..], "cannot read the component no/such.wasm"),
        (&["add", "x", &text], "this is no WebAssembly"),
        (&["add", "x", &empty], "the body is empty"),
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
