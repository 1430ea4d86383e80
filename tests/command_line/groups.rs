//! `list groups`, `get group`, `create group`, `update group`, `delete group`.

use crate::support::{Api, Person};

const ENDPOINTS: &str = r#"{"streamable_http_endpoint":"http://127.0.0.1:8080/v0/groups/claude-tools/mcp",
    "sse_endpoint":"http://127.0.0.1:8080/v0/groups/claude-tools/sse"}"#;

#[test]
fn creating_a_group_names_its_endpoint() {
    let api = Api::answering(&[("POST /tool-groups", 201, ENDPOINTS)]);
    let mut person = Person::of(&api);
    person.set("WHO", "Claude");
    person.write("group.json", r#"{"name":"claude-tools","description":"For ${WHO}","included_servers":["time"]}"#);
    insta::assert_snapshot!(person.run(&["create", "group", "-c", "./group.json"]), @"
    exit: 0
    --- stdout
    Tool Group claude-tools created successfully
    It is now accessible at the following streamable http endpoint:

        http://127.0.0.1:8080/v0/groups/claude-tools/mcp
    ");
    assert_eq!(
        api.requests(),
        [r#"POST /tool-groups {"description":"For Claude","included_servers":["time"],"name":"claude-tools"}"#]
    );
}

#[test]
fn a_group_that_is_refused_says_why() {
    let refusal = r#"{"error":"tool group must contain at least one tool after resolving servers and exclusions"}"#;
    let api = Api::answering(&[("POST /tool-groups", 400, refusal)]);
    let person = Person::of(&api);
    person.write("group.json", r#"{"name":"claude-tools"}"#);
    insta::assert_snapshot!(person.run(&["create", "group", "-c", "./group.json"]), @"
    exit: 1
    --- stderr
    failed to create tool group: tool group must contain at least one tool after resolving servers and exclusions
    ");
}

#[test]
fn listing_groups_shows_names_and_descriptions() {
    let api = Api::answering(&[("GET /tool-groups", 200, r#"[{"name":"a","description":"First"},{"name":"b"}]"#)]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "groups"]), @"
    exit: 0
    --- stdout
    1. a
    First

    2. b
    ");
    let empty = Api::answering(&[("GET /tool-groups", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "groups"]), @"
    exit: 0
    --- stdout
    There are no tool groups in the registry
    ");
}

#[test]
fn getting_a_group_shows_its_endpoint_and_what_is_in_it() {
    let group = r#"{"name":"claude-tools","description":"For Claude","included_tools":["fs__read","time__now"],
        "excluded_tools":["time__convert"],"streamable_http_endpoint":"http://127.0.0.1:8080/v0/groups/claude-tools/mcp",
        "sse_endpoint":"http://127.0.0.1:8080/v0/groups/claude-tools/sse"}"#;
    let api = Api::answering(&[
        ("GET /tool-groups/claude-tools", 200, group),
        ("GET /tool-groups/gone", 404, r#"{"error":"tool group not found: not found"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["get", "group", "claude-tools"]), @"
    exit: 0
    --- stdout
    claude-tools
    Description: For Claude

    MCP Server streamable http endpoint:
    http://127.0.0.1:8080/v0/groups/claude-tools/mcp

    Included Tools:
    1. fs__read
    2. time__now

    Included Servers: None

    Excluded Tools:
    1. time__convert

    NOTE: If a tool in this group is disabled globally or has been deleted, then it will not be available via the group's MCP endpoint.
    ");
    insta::assert_snapshot!(person.run(&["get", "group", "gone"]), @"
    exit: 1
    --- stderr
    failed to get tool group 'gone': tool group not found: not found
    ");
    insta::assert_snapshot!(person.stdout(&["get", "group", "claude-tools", "--json"]), @r#"
    {
      "name": "claude-tools",
      "description": "For Claude",
      "included_tools": [
        "fs__read",
        "time__now"
      ],
      "excluded_tools": [
        "time__convert"
      ],
      "streamable_http_endpoint": "http://127.0.0.1:8080/v0/groups/claude-tools/mcp",
      "sse_endpoint": "http://127.0.0.1:8080/v0/groups/claude-tools/sse"
    }
    "#);
}

#[test]
fn updating_a_group_shows_what_that_changed() {
    let changed = r#"{"name":"g","old":{"name":"g","description":"Old","included_tools":["a__x","a__y"]},
        "new":{"name":"g","description":"New","included_tools":["a__y","a__z"],"included_servers":["time"]}}"#;
    let api = Api::answering(&[("PUT /tool-groups/g", 200, changed)]);
    let person = Person::of(&api);
    person.write("group.json", r#"{"name":"g","description":"New"}"#);
    insta::assert_snapshot!(person.run(&["update", "group", "--conf", "group.json"]), @"
    exit: 0
    --- stdout
    Tool Group g updated successfully

    * Description updated from:
        Old
      to:
        New
    * Tools removed from included_tools:
        - a__x
    * Tools added to included_tools:
        - a__z
    * Servers added to included_servers:
        - time
    * No changes in excluded_tools
    ");
    let same = r#"{"name":"g","old":{"name":"g","description":"New"},"new":{"name":"g","description":"New"}}"#;
    let api = Api::answering(&[("PUT /tool-groups/g", 200, same)]);
    let person = Person::of(&api);
    person.write("group.json", r#"{"name":"g","description":"New"}"#);
    person.write("nameless.json", r#"{"description":"New"}"#);
    insta::assert_snapshot!(person.run(&["update", "group", "--conf", "group.json"]), @"
    exit: 0
    --- stdout
    No changes detected for Tool Group g. Nothing was updated.
    ");
    insta::assert_snapshot!(person.run(&["update", "group", "--conf", "nameless.json"]), @"
    exit: 1
    --- stderr
    config file must define a group name
    ");
}

#[test]
fn a_group_of_prompts_resources_and_chosen_clients_shows_them() {
    let group = r#"{"name":"g","included_tools":["fs__read"],"included_prompts":["fs__draft"],
        "excluded_prompts":["fs__old"],"included_resources":["fs__notes","mcpj://res/fs/eA"],
        "excluded_resources":["fs__secret"],"allowed_clients":["claude","cursor"],
        "streamable_http_endpoint":"http://127.0.0.1:8080/v0/groups/g/mcp"}"#;
    let closed = r#"{"name":"closed","included_tools":["fs__read"],"allowed_clients":[]}"#;
    let api = Api::answering(&[("GET /tool-groups/g", 200, group), ("GET /tool-groups/closed", 200, closed)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.stdout(&["get", "group", "g"]), @"
    g

    MCP Server streamable http endpoint:
    http://127.0.0.1:8080/v0/groups/g/mcp

    Included Tools:
    1. fs__read

    Included Servers: None

    Excluded Tools: None

    Included Prompts:
    1. fs__draft

    Excluded Prompts:
    1. fs__old

    Included Resources:
    1. fs__notes
    2. mcpj://res/fs/eA

    Excluded Resources:
    1. fs__secret

    Allowed Clients:
    1. claude
    2. cursor

    NOTE: If a tool in this group is disabled globally or has been deleted, then it will not be available via the group's MCP endpoint.
    ");
    let shown = person.stdout(&["get", "group", "closed"]);
    assert!(shown.contains("\nAllowed Clients: None\n"), "{shown}");
}

#[test]
fn updating_a_group_shows_what_became_of_prompts_resources_and_clients() {
    let update = |old: &str, new: &str| {
        let answer = format!(r#"{{"name":"g","old":{{"name":"g"{old}}},"new":{{"name":"g"{new}}}}}"#);
        let api = Api::answering(&[("PUT /tool-groups/g", 200, answer.as_str())]);
        let person = Person::of(&api);
        person.write("group.json", r#"{"name":"g"}"#);
        let shown = person.stdout(&["update", "group", "-c", "group.json"]);
        let changes = shown.split_once("* No changes in excluded_tools\n").map(|(_, changes)| changes.to_owned());
        changes.unwrap_or(shown)
    };
    insta::assert_snapshot!(
        update(r#","included_prompts":["a__p"],"excluded_resources":["a__r"]"#, r#","included_prompts":["a__q"],"excluded_resources":["a__r"]"#),
        @"
    * Prompts removed from included_prompts:
        - a__p
    * Prompts added to included_prompts:
        - a__q
    * No changes in excluded_resources
    "
    );
    insta::assert_snapshot!(update("", r#","allowed_clients":["a"]"#), @"
    * allowed_clients added: only these clients may use the group now:
        - a
    ");
    insta::assert_snapshot!(update(r#","allowed_clients":["a"]"#, r#","allowed_clients":["b"]"#), @"
    * Clients removed from allowed_clients:
        - a
    * Clients added to allowed_clients:
        - b
    ");
    insta::assert_snapshot!(update("", r#","allowed_clients":[]"#), @"* allowed_clients added: no client may use the group now");
    insta::assert_snapshot!(update(r#","allowed_clients":[]"#, ""), @"* allowed_clients removed: every client may use the group now");
}

#[test]
fn deleting_a_group_says_so() {
    let api = Api::answering(&[("DELETE /tool-groups/claude-tools", 204, "")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["delete", "group", "claude-tools"]), @"
    exit: 0
    --- stdout
    Tool group 'claude-tools' deleted successfully!
    ");
    insta::assert_snapshot!(person.stdout(&["delete", "group", "claude-tools", "--json"]), @r#"
    {
      "deleted": true,
      "name": "claude-tools"
    }
    "#);
}
