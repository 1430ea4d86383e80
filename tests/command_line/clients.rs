//! `create mcp-client`, `list mcp-clients`, `update mcp-client`, `delete mcp-client`.

use crate::support::{Api, Person};

const CREATED: &str = r#"{"ID":1,"name":"cursor-local","description":"","allow_list":["calculator","github"],
    "access_token":"1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw"}"#;

#[test]
fn creating_a_client_prints_its_token_once() {
    let api = Api::answering(&[("POST /clients", 201, CREATED)]);
    let person = Person::of(&api);
    let create = ["create", "mcp-client", "cursor-local", "--allow", "calculator, github, "];
    insta::assert_snapshot!(person.run(&create), @"
    exit: 0
    --- stdout
    MCP client 'cursor-local' created successfully!
    Servers accessible: calculator,github

    Access token: 1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw
    Send this token in the `Authorization: Bearer {token}` HTTP header.
    ");
    assert_eq!(
        api.requests(),
        [r#"POST /clients {"allow_list":["calculator","github"],"description":"","name":"cursor-local"}"#]
    );
    insta::assert_snapshot!(person.run(&[&create[..], &["--json"]].concat()), @r#"
    exit: 0
    --- stdout
    {
      "ID": 1,
      "name": "cursor-local",
      "description": "",
      "allow_list": [
        "calculator",
        "github"
      ],
      "access_token": "1YHf2LwE1LXtp5lW_vM-gmdYHlPHdqwnILitBhXE4Aw"
    }
    "#);
}

#[test]
fn a_client_without_access_and_one_with_all_are_told_of() {
    let none = r#"{"name":"c","allow_list":[],"access_token":"-generated"}"#;
    let api = Api::answering(&[("POST /clients", 201, none)]);
    insta::assert_snapshot!(Person::of(&api).run(&["create", "mcp-client", "c"]), @"
    exit: 0
    --- stdout
    MCP client 'c' created successfully!
    This client does not have access to any MCP servers.

    Access token: -generated
    Send this token in the `Authorization: Bearer {token}` HTTP header.
    ");
    let all = r#"{"name":"c","allow_list":["*"],"access_token":"-chosen-token"}"#;
    let api = Api::answering(&[("POST /clients", 201, all)]);
    let arguments = ["create", "mcp-client", "c", "--allow", "*", "--access-token", "-chosen-token"];
    insta::assert_snapshot!(Person::of(&api).run(&[&arguments[..], &["--description", "-all"]].concat()), @"
    exit: 0
    --- stdout
    MCP client 'c' created successfully!
    Servers accessible: *

    Send this token in the `Authorization: Bearer {token}` HTTP header.
    --- stderr
    NOTE: This client will have access to all MCP Servers because a wildcard is used.
    This practice is highly discouraged!
    ");
    assert_eq!(
        api.requests(),
        [
            r#"POST /clients {"access_token":"-chosen-token","allow_list":["*"],"description":"-all","is_custom_access_token":true,"name":"c"}"#
        ]
    );
}

#[test]
fn a_client_is_created_from_a_file() {
    let created = r#"{"name":"claude-desktop","allow_list":["github","jira"],"access_token":"token-from-env"}"#;
    let api = Api::answering(&[("POST /clients", 201, created)]);
    let mut person = Person::of(&api);
    person.set("CLAUDE_CLIENT_TOKEN", " token-from-env\n");
    person.set("WHO", "Alice");
    person.write(
        "claude-client.json",
        r#"{"name":"claude-desktop","description":"Claude Desktop on ${WHO}'s machine",
            "allowed_servers":["github","jira"],"access_token_ref":{"env":"CLAUDE_CLIENT_TOKEN"}}"#,
    );
    let arguments = ["create", "mcp-client", "--conf", "./claude-client.json", "--allow", "ignored"];
    insta::assert_snapshot!(person.run(&arguments), @"
    exit: 0
    --- stdout
    MCP client 'claude-desktop' created successfully!
    Servers accessible: github,jira

    Send this token in the `Authorization: Bearer {token}` HTTP header.
    ");
    person.write("token", "token-from-file\n");
    person.write("client.yaml", "name: c\naccess_token_ref:\n  env: UNSET\n  file: token\n");
    person.run(&["create", "mcp-client", "-c", "client.yaml"]);
    assert_eq!(
        api.requests(),
        [
            r#"POST /clients {"access_token":"token-from-env","allow_list":["github","jira"],"description":"Claude Desktop on Alice's machine","is_custom_access_token":true,"name":"claude-desktop"}"#,
            r#"POST /clients {"access_token":"token-from-file","allow_list":[],"description":"","is_custom_access_token":true,"name":"c"}"#,
        ]
    );
}

#[test]
fn a_client_that_is_not_described_well_is_refused_before_it_is_sent() {
    let api = Api::answering(&[]);
    let mut person = Person::of(&api);
    person.set("EMPTY", "");
    person.write("empty-token", "\n");
    for (file, problem) in [
        (r#"{"access_token":"12345678"}"#, "config file must define a client name"),
        (r#"{"name":"c"}"#, "config file must supply a custom access token"),
        (r#"{"name":"c","access_token":"${EMPTY}"}"#, "config file must supply a custom access token"),
        (r#"{"name":"c","access_token_ref":{"env":"EMPTY"}}"#, "environment variable EMPTY is not set or empty"),
        (r#"{"name":"c","access_token_ref":{"file":"empty-token"}}"#, "access token file empty-token is empty"),
        (
            r#"{"name":"c","access_token_ref":{"file":"missing"}}"#,
            "failed to read access token file missing: No such file or directory (os error 2)",
        ),
        (
            r#"{"name":"c","access_token":"${UNSET}"}"#,
            "failed to resolve config file environment variables: environment variable UNSET is not set",
        ),
        (
            r#"{"name":"c","access_token":"12345678","allowed_servers":"a"}"#,
            "failed to parse config file: client.json: invalid type: string \"a\", expected a sequence",
        ),
    ] {
        person.write("client.json", file);
        let shown = person.run(&["create", "mcp-client", "-c", "client.json"]);
        assert_eq!(shown, format!("exit: 1\n--- stderr\n{problem}\n"), "{file}");
    }
    for (arguments, problem) in [
        (&["create", "mcp-client"][..], "either supply a configuration file or the name of the client"),
        (
            &["create", "mcp-client", "c", "-c", "client.json"],
            "a name cannot be given beside --conf: the file names the client",
        ),
        (
            &["create", "mcp-client", "c", "--access-token", ""],
            "the flag --access-token must not be empty: leave it out to have a token generated",
        ),
        (
            &["update", "mcp-client", "c"],
            "at least one of the flags \"access-token\", \"rotate\", \"allow\" and \"description\" must be set",
        ),
        (
            &["update", "mcp-client", "c", "--grace", "10m"],
            "the flag --grace needs a new token: set --access-token or --rotate",
        ),
        (&["update", "mcp-client", "c", "--access-token", ""], "the flag --access-token must not be empty"),
    ] {
        assert_eq!(person.run(arguments), format!("exit: 1\n--- stderr\n{problem}\n"), "{arguments:?}");
    }
    for (arguments, problem) in [
        (&["create", "mcp-client", "a", "b"][..], "accepts 1 arg(s), received 2"),
        (&["update", "mcp-client", "--rotate"], "accepts 1 arg(s), received 0"),
        (
            &["update", "mcp-client", "c", "--rotate", "--grace", "10"],
            "invalid value '10' for '--grace <DURATION>': must be a whole number of seconds, minutes, hours or days, \
             such as 90s, 10m, 2h or 1d; at most 366d",
        ),
    ] {
        let shown = person.run(arguments);
        assert!(shown.starts_with(&format!("exit: 1\n--- stderr\n{problem}\n")), "{arguments:?}: {shown}");
    }
    assert!(api.requests().is_empty());
}

#[test]
fn listing_clients_shows_what_they_may_use() {
    let clients = r#"[{"name":"a","description":"First","allow_list":["github","jira"]},
        {"name":"b","description":"","allow_list":[]}]"#;
    let api = Api::answering(&[("GET /clients", 200, clients)]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "mcp-clients"]), @"
    exit: 0
    --- stdout
    1. a
    Description:  First
    Allowed servers: github,jira

    2. b
    This client does not have access to any MCP servers.
    ");
    let empty = Api::answering(&[("GET /clients", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "mcp-clients"]), @"
    exit: 0
    --- stdout
    There are no MCP clients in the registry
    ");
}

#[test]
fn updating_a_client_says_what_has_changed() {
    let client = r#"{"name":"c","description":"d","allow_list":["time"]}"#;
    let api = Api::answering(&[("PUT /clients/c", 200, client)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["update", "mcp-client", "c", "--access-token", "new-secret-token"]), @"
    exit: 0
    --- stdout
    MCP client c access token updated successfully.
    ");
    let change = ["update", "mcp-client", "c", "--allow", "time", "--description", "d"];
    insta::assert_snapshot!(person.run(&change), @"
    exit: 0
    --- stdout
    MCP client c updated successfully.
    Servers accessible: time
    ");
    person.run(&["update", "mcp-client", "c", "--access-token", "another-token", "--grace", "10m", "--allow", ""]);
    assert_eq!(
        api.requests(),
        [
            r#"PUT /clients/c {"access_token":"new-secret-token"}"#,
            r#"PUT /clients/c {"allow_list":["time"],"description":"d"}"#,
            r#"PUT /clients/c {"access_token":"another-token","allow_list":[],"grace_seconds":600}"#,
        ]
    );
    let rotated = r#"{"name":"c","description":"d","allow_list":["time"],"access_token":"generated-token"}"#;
    let api = Api::answering(&[("PUT /clients/c", 200, rotated)]);
    insta::assert_snapshot!(Person::of(&api).run(&["update", "mcp-client", "c", "--rotate", "--grace", "2h"]), @"
    exit: 0
    --- stdout
    MCP client c access token updated successfully.

    Access token: generated-token
    Send this token in the `Authorization: Bearer {token}` HTTP header.
    ");
    assert_eq!(api.requests(), [r#"PUT /clients/c {"grace_seconds":7200,"rotate":true}"#]);
}

#[test]
fn deleting_a_client_says_so() {
    let api = Api::answering(&[("DELETE /clients/claude%20desktop", 204, "")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["delete", "mcp-client", "claude desktop"]), @"
    exit: 0
    --- stdout
    MCP client 'claude desktop' deleted successfully (if it existed)!
    ");
    insta::assert_snapshot!(person.stdout(&["delete", "mcp-client", "claude desktop", "--json"]), @r#"
    {
      "deleted": true,
      "name": "claude desktop"
    }
    "#);
}
