//! `plugin bench`: figures, in time.

use std::time::{Duration, Instant};

use crate::plugin_check::fixture;
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
