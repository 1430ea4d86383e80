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
