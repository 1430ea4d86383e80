//! `plugin add`, `order` and `plan update` against the gateway itself: what each option does, not only that it is
//! taken.

use serde_json::{Value, json};

use crate::plugin_check::fixture;
use crate::running::Running;
use crate::support::Person;

#[path = "../../host/tests/hostile/component.rs"]
#[expect(dead_code, reason = "each test target uses its part")]
pub mod component;

use component::Hostile;

/// A listing that shows each item that it is asked about, until something changes.
pub const SHOWS_ALL: &str = "(memory.fill (i32.const 128) (i32.const 1) (i32.const 1024))
    (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (local.get 15)) (i32.const 64)";

/// A gateway with the server `raw`, which has the tools `raw__echo` and `raw__numbers`.
fn with_server(person: &Person) -> (Running, Running) {
    let (gateway, server) = (Running::gateway(person), Running::mcp_server());
    person.stdout(&["register", "--name", "raw", "--url", &server.mcp_url()]);
    (gateway, server)
}

/// Writes an authorizer that does this about `raw__numbers` and allows everything else.
fn write_authorizer(person: &Person, name: &str, authorize: &str) {
    let component = Hostile { trigger: Some('n'), authorize, authorize_items: SHOWS_ALL, ..Hostile::default() };
    component.write(person.directory.path(), name);
}

fn calls_numbers(person: &Person) -> String {
    person.run(&["invoke", "raw__numbers", "--input", "{}"])
}

fn as_json(person: &Person, arguments: &[&str]) -> Value {
    serde_json::from_str(&person.stdout(&[arguments, &["--json"]].concat())).unwrap()
}

/// The names of the installed plugins, in their order.
fn installed(person: &Person) -> Vec<String> {
    let policies = as_json(person, &["plugin", "list"]);
    let plugins = policies["plugins"].as_array().unwrap();
    plugins.iter().map(|plugin| plugin["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_plan_of_an_update_says_what_it_would_change_and_changes_nothing() {
    let person = Person::new();
    let _running = with_server(&person);
    let policy = fixture("deny-one-tool.wasm");
    person.stdout(&["plugin", "add", "deny", &policy, "--settings", r#"{"deny": ["raw__numbers"]}"#]);
    let (before, tools) = (person.stdout(&["plugin", "history"]), person.stdout(&["list", "tools"]));
    let update = ["plugin", "plan", "update", "deny", "--settings", r#"{"deny": ["raw__echo"]}"#];
    insta::assert_snapshot!(person.stdout(&update), @"
    Plan: update deny (settings). Nothing was changed.

    everybody at /mcp:
      - tool raw__echo
      + tool raw__numbers

    All others would see the same (1 views were compared).
    ");
    assert_eq!((person.stdout(&["plugin", "history"]), person.stdout(&["list", "tools"])), (before, tools));
    let refused = person.run(&["plugin", "plan", "update", "gone", "--settings", "{}"]);
    assert!(refused.starts_with("exit: 1\n") && refused.contains("gone"), "{refused}");
}

#[test]
fn per_call_nothing_that_a_plugin_remembers_outlives_a_call() {
    let person = Person::new();
    let _running = with_server(&person);
    // Allows the first call that an instance is asked about, and refuses the others.
    let remembers = "(if (result i32) (i32.load (i32.const 2048))
        (then (i32.store8 (i32.const 1280) (i32.const 1)) (i32.const 1280))
        (else (i32.store (i32.const 2048) (i32.const 1)) (i32.const 16)))";
    write_authorizer(&person, "once", remembers);

    person.stdout(&["plugin", "add", "once", "once.wasm"]);
    assert_eq!(as_json(&person, &["plugin", "get", "once"])["isolation"], "reuse");
    assert!(calls_numbers(&person).starts_with("exit: 0\n"));
    let refused = calls_numbers(&person);
    assert!(refused.starts_with("exit: 1\n"), "{refused}");

    person.stdout(&["plugin", "remove", "once"]);
    person.stdout(&["plugin", "add", "once", "once.wasm", "--isolation", "per-call"]);
    assert_eq!(as_json(&person, &["plugin", "get", "once"])["isolation"], "per-call");
    for _ in 0..3 {
        let allowed = calls_numbers(&person);
        assert!(allowed.starts_with("exit: 0\n"), "{allowed}");
    }
}

#[test]
fn a_plugin_that_fails_open_lets_calls_pass_that_it_gives_no_answer_to() {
    let person = Person::new();
    let _running = with_server(&person);
    write_authorizer(&person, "traps", "unreachable");

    person.stdout(&["plugin", "add", "traps", "traps.wasm"]);
    insta::assert_snapshot!(calls_numbers(&person), @"
    exit: 1
    --- stderr
    failed to invoke tool: the policy that decides this is unavailable (authorizer): see the gateway's log
    ");

    person.stdout(&["plugin", "remove", "traps"]);
    let added = person.stdout(&["plugin", "add", "traps", "traps.wasm", "--fail-open"]);
    assert!(added.contains("It fails open: a call that it gives no answer to passes."), "{added}");
    let passes = calls_numbers(&person);
    assert!(passes.starts_with("exit: 0\n"), "{passes}");
    let policies = as_json(&person, &["plugin", "list"]);
    let steps = policies["stages"].as_array().unwrap().iter().flat_map(|stage| stage["plugins"].as_array().unwrap());
    let step = steps.into_iter().find(|step| step["name"] == "traps").unwrap();
    assert_eq!((&step["fail_open"], &step["failures"]), (&json!(true), &json!(1)), "{step}");
}

#[test]
fn a_plugin_has_the_place_that_it_is_given() {
    let person = Person::new();
    let _running = with_server(&person);
    person.stdout(&["plugin", "add", "second", "builtin:acl", "--after", "builtin-auth"]);
    assert_eq!(installed(&person), ["builtin-auth", "second", "builtin-groups", "builtin-acl", "builtin-headers"]);

    let ordered = person.stdout(&["plugin", "order", "builtin-acl", "second"]);
    assert!(ordered.starts_with("Done: "), "{ordered}");
    assert_eq!(installed(&person), ["builtin-auth", "builtin-acl", "second", "builtin-groups", "builtin-headers"]);
    let policies = as_json(&person, &["plugin", "list"]);
    let authorizer =
        policies["stages"].as_array().unwrap().iter().find(|stage| stage["stage"] == "authorizer").unwrap();
    let names: Vec<_> = authorizer["plugins"].as_array().unwrap().iter().map(|step| &step["name"]).collect();
    assert_eq!(names, ["builtin-acl", "second"]);

    for arguments in [["order", "builtin-acl", "gone"].as_slice(), &["add", "x", "builtin:acl", "--after", "gone"]] {
        let refused = person.run(&[&["plugin"], arguments].concat());
        assert!(refused.starts_with("exit: 1\n") && refused.contains("gone"), "{refused}");
    }
}
