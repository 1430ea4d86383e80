//! `version` and `--version`.

use crate::support::{Api, Person};

#[test]
fn version_shows_both_versions_and_where_the_gateway_is() {
    let api = Api::answering(&[("GET /metadata", 200, r#"{"version":"0.9.0"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["version"]), @r"
    exit: 0
    --- stdout

      _ __ ___   ___ _ __    _ _   _ _ __   __ _| | ___
     | '_ ` _ \ / __| '_ \  (_) | | | '_ \ / _` | |/ _ \
     | | | | | | (__| |_) | | | |_| | | | | (_| | |  __/
     |_| |_| |_|\___| .__/ _/ |\__,_|_| |_|\__, |_|\___|
          ~^~ ~^~   |_|   |__/  ~^~  ~^~   |___/  ~^~

    CLI Version: v0.1.0
    Server Version: v0.9.0
    Server URL:  [api]
    ");
    insta::assert_snapshot!(person.stdout(&["version", "--json"]), @r#"
    {
      "cli_version": "v0.1.0",
      "server_url": "[api]",
      "server_version": "0.9.0"
    }
    "#);
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
