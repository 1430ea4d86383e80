//! Arguments, files and gateways that are not as they should be: one plain line, exit status 1.

use crate::support::{Api, Person};

#[test]
fn a_mistyped_command_is_named() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&["lst"]), @r#"
    exit: 1
    --- stderr
    unknown command "lst" for "mcpjungle"
    Did you mean "list"?
    Run 'mcpjungle --help' for usage.
    "#);
    insta::assert_snapshot!(person.run(&["list", "toolz"]), @r#"
    exit: 1
    --- stderr
    unknown command "toolz" for "mcpjungle list"
    Did you mean "tools"?
    Run 'mcpjungle list --help' for usage.
    "#);
    insta::assert_snapshot!(person.run(&["list", "servers", "extra"]), @r#"
    exit: 1
    --- stderr
    unknown command "extra" for "mcpjungle list servers"
    Run 'mcpjungle list servers --help' for usage.
    "#);
    insta::assert_snapshot!(person.run(&["plgin", "list"]), @r#"
    exit: 1
    --- stderr
    unknown command "plgin" for "mcpjungle"
    Did you mean "plugin"?
    Run 'mcpjungle --help' for usage.
    "#);
    insta::assert_snapshot!(person.run(&["plugin", "lst"]), @r#"
    exit: 1
    --- stderr
    unknown command "lst" for "mcpjungle plugin"
    Did you mean "list"?
    Run 'mcpjungle plugin --help' for usage.
    "#);
    insta::assert_snapshot!(person.run(&["plugin", "qqq"]), @r#"
    exit: 1
    --- stderr
    unknown command "qqq" for "mcpjungle plugin"
    Run 'mcpjungle plugin --help' for usage.
    "#);
}

#[test]
fn a_plugin_command_names_the_argument_that_is_missing() {
    let person = Person::new();
    for (arguments, message, usage) in [
        (&["add"][..], "missing arguments: <NAME>, <FILE>", "add [OPTIONS] <NAME> <FILE>"),
        (&["add", "deny"], "missing argument: <FILE>", "add [OPTIONS] <NAME> <FILE>"),
        (&["plan", "add", "deny"], "missing argument: <FILE>", "plan add [OPTIONS] <NAME> <FILE>"),
        (&["get"], "missing argument: <NAME>", "get [OPTIONS] <NAME>"),
        (&["order"], "missing argument: <NAME>...", "order [OPTIONS] <NAME>..."),
        (&["new", "deny"], "missing argument: --stage <STAGE>", "new [OPTIONS] --stage <STAGE> <NAME> [PATH]"),
        (&["test", "deny.wasm"], "missing argument: --cases <CASES>", "test [OPTIONS] --cases <CASES> <FILE>"),
        (&["secret", "set"], "missing argument: <NAME>", "secret set [OPTIONS] <NAME>"),
    ] {
        let shown = person.run(&[&["plugin"], arguments].concat());
        assert!(shown.starts_with(&format!("exit: 1\n--- stderr\n{message}\n\n")), "{arguments:?}: {shown}");
        assert!(shown.contains(&format!("\nUsage: mcpjungle plugin {usage}\n")), "{arguments:?}: {shown}");
    }
    let shown = person.run(&["plugin", "add", "deny", "deny.wasm", "more"]);
    assert!(shown.starts_with("exit: 1\n--- stderr\naccepts 2 arg(s), received 3\n"), "{shown}");
}

#[test]
fn a_wrong_number_of_arguments_is_counted() {
    let person = Person::new();
    let first_line = |arguments: &[&str]| person.run(arguments).lines().take(3).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(person.run(&["usage"]), @"
    exit: 1
    --- stderr
    accepts 1 arg(s), received 0

    Show what a tool does and what input it takes

    Usage: mcpjungle usage [OPTIONS] <NAME>

    Arguments:
      <NAME>  Its name; that of a tool or prompt is `<server>__<name>`

    Options:
      -h, --help  Print help

    Global Options:
          --registry <URL>  Base URL of the gateway [default: `registry_url` in ~/.mcpjungle.conf, or
                            http://127.0.0.1:8080]
          --json            Print the API's answer as JSON in place of text

    Example:
      mcpjungle usage calculator__multiply
    ");
    insta::assert_snapshot!(first_line(&["deregister", "a", "b", "c"]), @"
    exit: 1
    --- stderr
    accepts 1 arg(s), received 3
    ");
    insta::assert_snapshot!(first_line(&["get", "prompt", "--arg", "a=b"]), @"
    exit: 1
    --- stderr
    accepts 1 arg(s), received 0
    ");
    insta::assert_snapshot!(first_line(&["enable", "tool", "a", "b"]), @"
    exit: 1
    --- stderr
    accepts 1 arg(s), received 2
    ");
}

#[test]
fn flags_that_are_unknown_or_missing_are_named() {
    let person = Person::new();
    let first_line = |arguments: &[&str]| person.run(arguments).lines().take(3).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(first_line(&["list", "tools", "--sever", "x"]), @"
    exit: 1
    --- stderr
    unknown flag: --sever
    ");
    insta::assert_snapshot!(first_line(&["version", "-x"]), @"
    exit: 1
    --- stderr
    unknown shorthand flag: 'x' in -x
    ");
    insta::assert_snapshot!(first_line(&["create", "group"]), @r#"
    exit: 1
    --- stderr
    required flag(s) "conf" not set
    "#);
    insta::assert_snapshot!(first_line(&["invoke", "a__b", "--input"]), @"
    exit: 1
    --- stderr
    flag needs an argument: --input
    ");
}

#[test]
fn a_gateway_that_does_not_run_is_one_line() {
    let person = Person::new();
    person.write_conf("registry_url: http://127.0.0.1:9\n");
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"
    exit: 1
    --- stderr
    failed to list servers: failed to send request to http://127.0.0.1:9/api/v0/servers: Connection refused (os error 111); is the gateway running there?
    ");
    insta::assert_snapshot!(person.run(&["register", "--name", "a", "--url", "http://x/mcp"]), @"
    exit: 1
    --- stderr
    failed to register server: failed to send request to http://127.0.0.1:9/api/v0/servers: Connection refused (os error 111); is the gateway running there?
    ");
}

#[test]
fn an_answer_that_is_not_of_the_api_is_shown() {
    let api = Api::answering(&[("GET /servers", 502, "<html>Bad gateway</html>\n"), ("GET /tools", 200, "<html>")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"
    exit: 1
    --- stderr
    failed to list servers: request failed with status: 502, message: <html>Bad gateway</html>
    ");
    insta::assert_snapshot!(person.run(&["list", "tools"]), @"
    exit: 1
    --- stderr
    failed to list tools: failed to parse response: expected value at line 1 column 1
    ");
    insta::assert_snapshot!(person.run(&["list", "groups"]), @"
    exit: 1
    --- stderr
    failed to list tool groups: request failed with status: 404, message: no canned answer for GET /tool-groups
    ");
}

#[test]
fn the_registry_flag_wins_and_a_tip_saves_typing_it() {
    let api = Api::answering(&[("GET /servers", 200, "[]")]);
    let person = Person::of(&api);
    person.write_conf("access_token: s3cret\n");
    insta::assert_snapshot!(person.run(&["--registry", &api.url, "list", "servers"]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    --- stderr
    TIP: You can set `registry_url: [api]` in [home]/.mcpjungle.conf to avoid setting the --registry flag every time.
    ");
    assert_eq!(api.requests(), ["GET /servers [Bearer s3cret]"]);
    person.write_conf("registry_url: http://127.0.0.1:9\n");
    insta::assert_snapshot!(person.run(&["list", "servers", "--registry", &format!("{}/", api.url)]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    ");
    insta::assert_snapshot!(person.run(&["--registry", "my-server:9000", "list", "servers"]), @"
    exit: 1
    --- stderr
    invalid registry URL 'my-server:9000': must be a valid http or https url, such as http://127.0.0.1:8080
    ");
}

#[test]
fn a_gateway_below_a_path_is_found_there() {
    let api = Api::answering(&[("GET /jungle/api/v0/servers", 200, "[]")]);
    let person = Person::of(&api);
    person.write_conf(&format!("registry_url: {}/jungle/\n", api.url));
    insta::assert_snapshot!(person.run(&["list", "servers"]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    ");
}

#[test]
fn names_cannot_reach_other_routes() {
    let api = Api::answering(&[]);
    let person = Person::of(&api);
    person.run(&["deregister", "a/../../b?x#y"]);
    assert_eq!(api.requests(), ["DELETE /servers/a%2F..%2F..%2Fb%3Fx%23y"]);
}
