//! `register`, `deregister`, `list servers`, `enable server`, `disable server`.

use crate::support::{Api, Person};

const CALCULATOR: &str = r#"{"server":{"name":"calculator","transport":"streamable_http"},"name":"calculator"}"#;

#[test]
fn registering_by_flags_shows_what_the_server_provides() {
    let api = Api::answering(&[
        ("POST /servers", 201, CALCULATOR),
        (
            "GET /tools?server=calculator",
            200,
            r#"[{"name":"calculator__add","enabled":true,"description":"Adds two numbers"},
                {"name":"calculator__pi","enabled":true,"description":""}]"#,
        ),
        (
            "GET /prompts?server=calculator",
            200,
            r#"[{"name":"calculator__explain","enabled":true,"description":"Explains a formula"}]"#,
        ),
        (
            "GET /resources?server=calculator",
            200,
            r#"[{"name":"calculator__manual","uri":"mcpj://res/calculator/Zg","enabled":true}]"#,
        ),
    ]);
    let person = Person::of(&api);
    let url = "http://127.0.0.1:8000/mcp";
    insta::assert_snapshot!(person.run(&["register", "--name", "calculator", "--description", "Basic math", "--url", url, "--bearer-token", "t0ken"]), @"
    exit: 0
    --- stdout
    Server calculator registered successfully!

    The following tools are now available from this server:
    1. calculator__add: Adds two numbers

    2. calculator__pi: 


    The following prompts are now available from this server:
    1. calculator__explain
       Explains a formula


    The following resources are now available from this server:
    1. calculator__manual
       URI: mcpj://res/calculator/Zg
    ");
    assert_eq!(
        api.requests()[0],
        format!(
            r#"POST /servers {{"bearer_token":"t0ken","description":"Basic math","name":"calculator","transport":"streamable_http","url":"{url}"}}"#
        )
    );
}

#[test]
fn a_file_may_be_yaml() {
    let api = Api::answering(&[("POST /servers", 201, CALCULATOR)]);
    let person = Person::of(&api);
    person.write("calculator.yaml", "# Sums.\nname: calculator\ntransport: stdio\nargs: [a, 'b']\n");
    person.stdout(&["register", "-c", "calculator.yaml", "--json"]);
    assert_eq!(api.requests(), [r#"POST /servers {"args":["a","b"],"name":"calculator","transport":"stdio"}"#]);
}

#[test]
fn registering_from_a_file_fills_in_placeholders_and_ignores_other_flags() {
    let api = Api::answering(&[
        ("POST /servers?force=true", 201, CALCULATOR),
        ("GET /tools?server=calculator", 200, "[]"),
        ("GET /prompts?server=calculator", 200, "null"),
        ("GET /resources?server=calculator", 200, "[]"),
    ]);
    let mut person = Person::of(&api);
    person.set("CALC_TOKEN", "t0ken");
    person.write(
        "calculator.json",
        r#"{"name":"calculator","transport":"stdio","command":"calc","env":{"TOKEN":"x-${CALC_TOKEN}"},"own":1}"#,
    );
    insta::assert_snapshot!(person.run(&["register", "-c", "./calculator.json", "--name", "other", "--force"]), @"
    exit: 0
    --- stdout
    Server calculator registered successfully!
    --- stderr
    Warning: failed to list the prompts of this server: failed to parse response: invalid type: null, expected a sequence at line 1 column 4
    ");
    assert_eq!(
        api.requests()[0],
        r#"POST /servers?force=true {"command":"calc","env":{"TOKEN":"x-t0ken"},"name":"calculator","own":1,"transport":"stdio"}"#
    );
}

#[test]
fn registering_a_server_of_the_old_transport_says_so() {
    let api = Api::answering(&[
        ("POST /servers", 201, r#"{"name":"old"}"#),
        ("GET /tools?server=old", 200, "[]"),
        ("GET /prompts?server=old", 200, "[]"),
        ("GET /resources?server=old", 200, "[]"),
    ]);
    let person = Person::of(&api);
    person.write("old.json", r#"{"name":"old","transport":"sse","url":"http://x/sse"}"#);
    insta::assert_snapshot!(person.run(&["register", "-c", "old.json"]), @"
    exit: 0
    --- stdout
    Server old registered successfully!

    This MCP server uses the SSE (Server-sent events) transport.
    Like those of any other server, its tools are accessible at every endpoint.
    WARNING: SSE is deprecated, use the 'streamable_http' transport where the server supports it.
    This server does not provide any tools, prompts or resources.
    ");
}

#[test]
fn registering_as_json_prints_the_answer_of_the_api_only() {
    let api = Api::answering(&[("POST /servers", 201, CALCULATOR)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["register", "--name", "calculator", "--url", "http://x/mcp", "--json"]), @r#"
    exit: 0
    --- stdout
    {
      "server": {
        "name": "calculator",
        "transport": "streamable_http"
      },
      "name": "calculator"
    }
    "#);
    assert_eq!(api.requests().len(), 1);
}

#[test]
fn a_registered_server_whose_tools_cannot_be_listed_is_still_a_success() {
    let api = Api::answering(&[
        ("POST /servers", 201, CALCULATOR),
        ("GET /tools?server=calculator", 500, r#"{"error":"the database is busy"}"#),
        ("GET /prompts?server=calculator", 200, "[]"),
        ("GET /resources?server=calculator", 200, "[]"),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["register", "--name", "calculator", "--url", "http://x/mcp"]), @"
    exit: 0
    --- stdout
    Server calculator registered successfully!
    --- stderr
    Warning: failed to list the tools of this server: the database is busy
    ");
}

#[test]
fn what_is_wrong_with_a_registration_is_one_line() {
    let api = Api::answering(&[("POST /servers", 409, r#"{"error":"server `calculator` already exists"}"#)]);
    let person = Person::of(&api);
    person.write("bad.json", "{\n  \"name\": calculator\n}");
    person.write("list.json", "[]");
    person.write("unset.json", r#"{"name":"a","bearer_token":"${NO_SUCH_VARIABLE}"}"#);
    person.write("open.json", r#"{"name":"a","headers":{"X":"${OPEN"}}"#);
    insta::assert_snapshot!(person.run(&["register", "--name", "calculator", "--url", "http://x/mcp"]), @"
    exit: 1
    --- stderr
    failed to register server: server `calculator` already exists
    ");
    insta::assert_snapshot!(person.run(&["register"]), @r#"
    exit: 1
    --- stderr
    either supply a configuration file or set the required flag "name"
    "#);
    insta::assert_snapshot!(person.run(&["register", "--name", "calculator"]), @r#"
    exit: 1
    --- stderr
    required flag "url" not set
    "#);
    insta::assert_snapshot!(person.run(&["register", "-c", "missing.json"]), @"
    exit: 1
    --- stderr
    failed to read config file missing.json: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(person.run(&["register", "-c", "bad.json"]), @"
    exit: 1
    --- stderr
    failed to parse config file: bad.json: expected value at line 2 column 11
    ");
    insta::assert_snapshot!(person.run(&["register", "-c", "list.json"]), @"
    exit: 1
    --- stderr
    failed to parse config file: list.json: must hold one object
    ");
    insta::assert_snapshot!(person.run(&["register", "-c", "unset.json"]), @"
    exit: 1
    --- stderr
    failed to resolve config file environment variables: environment variable NO_SUCH_VARIABLE is not set
    ");
    insta::assert_snapshot!(person.run(&["register", "-c", "open.json"]), @r#"
    exit: 1
    --- stderr
    failed to resolve config file environment variables: invalid environment variable placeholder in "${OPEN"
    "#);
    assert_eq!(api.requests().len(), 1, "what is wrong on this side is not sent");
}

#[test]
fn deregistering_says_what_went_with_the_server() {
    let api = Api::answering(&[
        ("DELETE /servers/calculator", 204, ""),
        ("DELETE /servers/gone", 404, r#"{"error":"MCP server gone not found"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["deregister", "calculator"]), @"
    exit: 0
    --- stdout
    Successfully deregistered MCP server calculator
    Any tools, prompts or resources provided by this server have also been deregistered.
    ");
    insta::assert_snapshot!(person.run(&["deregister", "gone"]), @"
    exit: 1
    --- stderr
    failed to deregister MCP server gone: MCP server gone not found
    ");
    insta::assert_snapshot!(person.stdout(&["deregister", "calculator", "--json"]), @r#"
    {
      "deleted": true,
      "name": "calculator"
    }
    "#);
}

#[test]
fn listing_servers_shows_how_each_is_reached_and_no_secret() {
    let servers = r#"[
        {"name":"calculator","transport":"streamable_http","enabled":true,"description":"Basic math",
         "url":"http://127.0.0.1:8000/mcp","command":"","args":null,"env":null,"session_mode":"stateless",
         "health":{"state":"healthy","last_error":"it was down","last_error_at":"2026-01-31T08:05:09.250Z"}},
        {"name":"down","transport":"sse","enabled":true,"url":"http://127.0.0.1:8001/sse",
         "health":{"state":"unhealthy","last_error":"connection refused","last_error_at":"2026-01-31T08:05:09.250Z"}},
        {"name":"filesystem","transport":"stdio","enabled":false,"description":"","url":"",
         "command":"npx","args":["-y","@modelcontextprotocol/server-filesystem","."],
         "env":{"TOKEN":"hunter2","DEBUG":"1"},"session_mode":"stateful",
         "health":{"state":"unhealthy","last_error":"old"}}]"#;
    let api = Api::answering(&[("GET /servers", 200, servers)]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "servers"]), @"
    exit: 0
    --- stdout
    1. calculator
    Basic math
    Transport: streamable_http
    URL: http://127.0.0.1:8000/mcp
    Health: healthy

    2. down
    Transport: sse
    URL: http://127.0.0.1:8001/sse
    Health: unhealthy
    Last error: connection refused
    Last error at: 2026-01-31T08:05:09.250Z

    3. filesystem
    Status: DISABLED
    Transport: stdio
    Command: npx -y @modelcontextprotocol/server-filesystem .
    Environment variables: map[DEBUG:**** TOKEN:****]
    ");
    let empty = Api::answering(&[("GET /servers", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "servers"]), @"
    exit: 0
    --- stdout
    There are no MCP servers in the registry
    ");
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "servers", "--json"]), @"
    exit: 0
    --- stdout
    []
    ");
}

#[test]
fn enabling_and_disabling_a_server_lists_what_was_affected() {
    let affected = r#"{"name":"calculator","tools_affected":["calculator__add","calculator__pi"],"prompts_affected":["calculator__explain"]}"#;
    let api = Api::answering(&[
        ("POST /servers/calculator/enable", 200, affected),
        (
            "POST /servers/calculator/disable",
            200,
            r#"{"name":"calculator","tools_affected":null,"prompts_affected":null}"#,
        ),
        ("POST /servers/gone/disable", 404, r#"{"error":"MCP server gone not found"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["enable", "server", "calculator"]), @"
    exit: 0
    --- stdout
    MCP server 'calculator' enabled successfully!
    Following MCP tools have been enabled:
        - calculator__add
        - calculator__pi

    Following MCP prompts have been enabled:
        - calculator__explain
    ");
    insta::assert_snapshot!(person.run(&["disable", "server", "calculator"]), @"
    exit: 0
    --- stdout
    MCP server 'calculator' disabled successfully!
    ");
    insta::assert_snapshot!(person.run(&["disable", "server", "gone"]), @"
    exit: 1
    --- stderr
    failed to disable server gone: MCP server gone not found
    ");
    insta::assert_snapshot!(person.stdout(&["enable", "server", "calculator", "--json"]), @r#"
    {
      "name": "calculator",
      "tools_affected": [
        "calculator__add",
        "calculator__pi"
      ],
      "prompts_affected": [
        "calculator__explain"
      ]
    }
    "#);
}
