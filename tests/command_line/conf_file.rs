//! `~/.mcpjungle.conf`, when it cannot be used.

use crate::support::{Api, Person};

#[test]
fn a_file_that_is_not_valid_is_told_of_and_ignored() {
    let api = Api::answering(&[("GET /servers", 200, "[]")]);
    let person = Person::of(&api);
    person.write_conf("registry_url: [http://elsewhere:1\n");
    insta::assert_snapshot!(person.run(&["list", "servers", "--registry", &api.url]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    --- stderr
    Warning: [home]/.mcpjungle.conf:1:15: registry_url: invalid type: sequence, expected a string; the file is ignored
    ");
    person.write_conf("s3cret");
    insta::assert_snapshot!(person.run(&["list", "servers", "--registry", &api.url]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    --- stderr
    Warning: [home]/.mcpjungle.conf:1:1: invalid type: string, expected an object with keys and values; the file is ignored
    ");
}
