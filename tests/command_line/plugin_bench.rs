//! `plugin bench`: figures, in time.

use std::time::{Duration, Instant};

use crate::plugin_check::fixture;
use crate::plugin_options::SHOWS_ALL;
use crate::plugin_options::component::Hostile;
use crate::support::Person;

#[test]
fn every_stage_is_measured_within_ten_seconds() {
    let person = Person::new();
    let started = Instant::now();
    let shown = person.stdout(&["plugin", "bench", &fixture("house-rules.wasm")]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    for part in [
        "  compile   ",
        "  instance  p50 ",
        "  memory    ",
        "authorizer       one item",
        "authorizer       a list of 500",
        "tool-filter      a list of 1",
        "guard            arguments",
        "header-injector  headers",
        "observer         one observation",
    ] {
        assert!(shown.contains(part), "{part:?}: {shown}");
    }
}

#[test]
fn a_component_that_fails_is_not_measured_any_further() {
    let person = Person::new();
    let shown = person.run(&["plugin", "bench", &fixture("house-rules.wasm"), "--settings", r#"{"hid": 1}"#]);
    assert!(shown.starts_with("exit: 1\n"), "{shown}");
    assert!(shown.contains("--- stderr\nstopped: plugin `house-rules` does not accept its settings"), "{shown}");
}

/// Writes an authorizer that does this about the item of the usual question, and answers lists at once.
fn write_authorizer(person: &Person, authorize: &str) {
    // That item is the tool `tool_0`.
    let component = Hostile { trigger: Some('t'), authorize, authorize_items: SHOWS_ALL, ..Hostile::default() };
    component.write(person.directory.path(), "policy");
}

#[test]
fn of_a_component_that_is_slow_fewer_calls_are_counted() {
    let person = Person::new();
    // Some tens of milliseconds.
    let counts = "(i64.store (i32.const 2048) (i64.const 20000000))
        (loop
            (i64.store (i32.const 2048) (i64.sub (i64.load (i32.const 2048)) (i64.const 1)))
            (br_if 0 (i64.ne (i64.load (i32.const 2048)) (i64.const 0))))
        i32.const 16";
    write_authorizer(&person, counts);
    let shown = person.stdout(&["plugin", "bench", "policy.wasm", "--deadline", "10000", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(report["stopped"], serde_json::Value::Null, "{report}");
    let [slow, quick, long] = report["stages"].as_array().unwrap().as_slice() else { panic!("{report}") };
    assert_eq!((&slow["question"], &quick["question"]), (&"one item".into(), &"a list of 1".into()));
    let calls = |row: &serde_json::Value| row["calls"].as_u64().unwrap();
    assert!((1..calls(quick)).contains(&calls(slow)) && calls(long) > 0, "{report}");
}

#[test]
fn a_component_that_does_not_answer_is_given_up_whatever_its_deadline_is() {
    let person = Person::new();
    write_authorizer(&person, "(loop (br 0)) unreachable");
    for (arguments, reason) in [
        (&[][..], "stopped: the question `one item` was not answered: plugin `policy` missed its deadline of 250 ms"),
        (&["--deadline", "60000"], "stopped: no answer to `one item` in 1000 ms"),
    ] {
        let shown = person.run(&[&["plugin", "bench", "policy.wasm"], arguments].concat());
        assert!(shown.starts_with("exit: 1\n") && shown.contains("  instance  p50 "), "{shown}");
        assert!(shown.contains(&format!("--- stderr\n{reason}")), "{shown}");
    }
}
