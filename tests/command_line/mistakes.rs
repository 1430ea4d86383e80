//! Arguments, files and gateways that are not as they should be: one plain line, exit status 1.

use crate::support::{Api, Person};

#[test]
fn a_mistyped_command_is_named() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&["lst"]), @"");
    insta::assert_snapshot!(person.run(&["list", "toolz"]), @"");
    insta::assert_snapshot!(person.run(&["list", "servers", "extra"]), @"");
}

#[test]
fn a_wrong_number_of_arguments_is_counted() {
    let person = Person::new();
    let first_line = |arguments: &[&str]| person.run(arguments).lines().take(3).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(person.run(&["usage"]), @"");
    insta::assert_snapshot!(first_line(&["deregister", "a", "b", "c"]), @"");
    insta::assert_snapshot!(first_line(&["get", "prompt", "--arg", "a=b"]), @"");
    insta::assert_snapshot!(first_line(&["enable", "tool", "a", "b"]), @"");
}

#[test]
fn flags_that_are_unknown_or_missing_are_named() {
    let person = Person::new();
    let first_line = |arguments: &[&str]| person.run(arguments).lines().take(3).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(first_line(&["list", "tools", "--sever", "x"]), @"");
    insta::assert_snapshot!(first_line(&["version", "-x"]), @"");
    insta::assert_snapshot!(first_line(&["create", "group"]), @"");
    insta::assert_snapshot!(first_line(&["invoke", "a__b", "--input"]), @"");
}

#[test]
fn a_gateway_that_does_not_run_is_one_line() {
    let person = Person::new();
    person.write_conf("registry_url: http://127.0.0.1:9\n");
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"");
    insta::assert_snapshot!(person.run(&["register", "--name", "a", "--url", "http://x/mcp"]), @"");
}

#[test]
fn an_answer_that_is_not_of_the_api_is_shown() {
    let api = Api::answering(&[("GET /servers", 502, "<html>Bad gateway</html>\n"), ("GET /tools", 200, "<html>")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"");
    insta::assert_snapshot!(person.run(&["list", "tools"]), @"");
    insta::assert_snapshot!(person.run(&["list", "groups"]), @"");
}

#[test]
fn the_registry_flag_wins_and_a_tip_saves_typing_it() {
    let api = Api::answering(&[("GET /servers", 200, "[]")]);
    let person = Person::of(&api);
    person.write_conf("access_token: s3cret\n");
    insta::assert_snapshot!(person.run(&["--registry", &api.url, "list", "servers"]), @"");
    assert_eq!(api.requests(), ["GET /servers [Bearer s3cret]"]);
    person.write_conf("registry_url: http://127.0.0.1:9\n");
    insta::assert_snapshot!(person.run(&["list", "servers", "--registry", &format!("{}/", api.url)]), @"");
    insta::assert_snapshot!(person.run(&["--registry", "my-server:9000", "list", "servers"]), @"");
}

#[test]
fn a_gateway_below_a_path_is_found_there() {
    let api = Api::answering(&[("GET /jungle/api/v0/servers", 200, "[]")]);
    let person = Person::of(&api);
    person.write_conf(&format!("registry_url: {}/jungle/\n", api.url));
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"");
}

#[test]
fn names_cannot_reach_other_routes() {
    let api = Api::answering(&[]);
    let person = Person::of(&api);
    person.run(&["deregister", "a/../../b?x#y"]);
    assert_eq!(api.requests(), ["DELETE /servers/a%2F..%2F..%2Fb%3Fx%23y"]);
}
