//! `version` and `--version`.

use crate::support::{Api, Person};

#[test]
fn version_shows_both_versions_and_where_the_gateway_is() {
    let api = Api::answering(&[("GET /metadata", 200, r#"{"version":"0.9.0"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["version"]), @"");
    insta::assert_snapshot!(person.stdout(&["version", "--json"]), @"");
}

#[test]
fn version_does_without_a_gateway() {
    let person = Person::new();
    person.write_conf("registry_url: http://127.0.0.1:9\n");
    let shown = person.stdout(&["version"]);
    assert!(
        shown.ends_with("Couldn't retrieve Server version at this time\nServer URL:  http://127.0.0.1:9\n"),
        "{shown}"
    );
}

#[test]
fn the_version_flag_asks_nobody() {
    for flag in ["--version", "-v"] {
        let shown = Person::new().stdout(&[flag]);
        assert!(shown.ends_with(&format!("\n\nMCPJungle v{}\n", env!("CARGO_PKG_VERSION"))), "{shown}");
    }
}
