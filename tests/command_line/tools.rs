//! `list tools`, `usage`, `invoke`, `enable tool`, `disable tool`.

use crate::support::{Api, Person};

const TOOLS: &str = r#"[{"ID":1,"name":"time__now","enabled":true,"description":"Tells the time"},
 {"ID":2,"name":"time__convert","enabled":false,"description":"Converts times"},
 {"ID":3,"name":"fs__read","enabled":true,"description":"Reads a file"}]"#;
const GROUP: &str = r#"{"name":"clock","description":"Only time","included_servers":["time"],
 "streamable_http_endpoint":"http://127.0.0.1:8080/v0/groups/clock/mcp"}"#;
const EFFECTIVE: &str = r#"{"tools":["time__convert","time__gone","time__now"]}"#;

fn group_api(more: &[(&str, u16, &str)]) -> Api {
    let mut answers = vec![
        ("GET /tools", 200, TOOLS),
        ("GET /tool-groups/clock", 200, GROUP),
        ("GET /tool-groups/clock/effective-tools", 200, EFFECTIVE),
        ("GET /tool-groups/gone", 404, r#"{"error":"tool group not found: not found"}"#),
    ];
    answers.extend(more);
    Api::answering(&answers)
}

#[test]
fn listing_tools_shows_whether_each_is_enabled() {
    let api = group_api(&[
        ("GET /tools?server=time", 200, &TOOLS[..TOOLS.len()]),
        ("GET /tools?server=empty", 200, "[]"),
        ("GET /tools?server=gone", 404, r#"{"error":"MCP server gone not found"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["list", "tools"]), @"
    exit: 0
    --- stdout
    1. time__now  [ENABLED]
    Tells the time

    2. time__convert  [DISABLED]
    Converts times

    3. fs__read  [ENABLED]
    Reads a file

    Run 'usage <tool name>' to see a tool's usage or 'invoke <tool name>' to call one
    ");
    assert!(
        person
            .run(&["list", "tools", "--server", "time"])
            .contains("stdout\nTools from server 'time':\n\n1. time__now  [ENABLED]\n")
    );
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "empty"]), @"
    exit: 0
    --- stdout
    There are no tools from mcp server 'empty'
    ");
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "gone"]), @"
    exit: 1
    --- stderr
    failed to list tools: MCP server gone not found
    ");
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "time", "--group", "clock"]), @"
    exit: 1
    --- stderr
    using both --server and --group flags together is currently not supported
    ");
    let empty = Api::answering(&[("GET /tools", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "tools"]), @"
    exit: 0
    --- stdout
    There are currently no tools in the registry
    ");
}

#[test]
fn listing_the_tools_of_a_group_shows_those_that_exist() {
    let person = Person::of(&group_api(&[]));
    insta::assert_snapshot!(person.run(&["list", "tools", "--group", "clock"]), @"
    exit: 0
    --- stdout
    Tools in group 'clock' (Only time):

    1. time__now  [ENABLED]
    Tells the time

    2. time__convert  [DISABLED]
    Converts times

    Run 'usage <tool name>' to see a tool's usage or 'invoke <tool name>' to call one
    ");
    insta::assert_snapshot!(person.stdout(&["list", "tools", "--group", "clock", "--json"]), @r#"
    [
      {
        "ID": 1,
        "name": "time__now",
        "enabled": true,
        "description": "Tells the time"
      },
      {
        "ID": 2,
        "name": "time__convert",
        "enabled": false,
        "description": "Converts times"
      }
    ]
    "#);
    insta::assert_snapshot!(person.run(&["list", "tools", "--group", "gone"]), @"
    exit: 1
    --- stderr
    failed to list tools in group 'gone': tool group not found: not found
    ");
}

#[test]
fn a_group_without_any_existing_tool_says_so() {
    let api = Api::answering(&[
        ("GET /tools", 200, TOOLS),
        ("GET /tool-groups/clock", 200, GROUP),
        ("GET /tool-groups/clock/effective-tools", 200, r#"{"tools":["time__gone"]}"#),
    ]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "tools", "--group", "clock"]), @"
    exit: 0
    --- stdout
    There are no valid tools in group 'clock'
    ");
}

#[test]
fn usage_shows_each_parameter_and_the_annotations() {
    let convert = r#"{"ID":2,"name":"time__convert","enabled":true,"description":"Converts times",
        "input_schema":{"type":"object","required":["to"],"properties":{
            "to":{"type":"string","enum":["utc","cet"]},"at":{"default":1.50,"type":"number"}}},
        "annotations":{"readOnlyHint":true,"title":"Convert"}}"#;
    let now = r#"{"ID":1,"name":"time__now","enabled":true,"description":"Tells the time",
        "input_schema":{"type":"object"},"annotations":null}"#;
    let api = Api::answering(&[
        ("GET /tool?name=time__convert", 200, convert),
        ("GET /tool?name=time__now", 200, now),
        ("GET /tool?name=plain", 400, r#"{"error":"invalid name: 'plain' does not contain a __ separator"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["usage", "time__convert"]), @r#"
    exit: 0
    --- stdout
    time__convert
    Converts times

    Input Parameters:
    ==============================
    at (optional)
    {
      "default": 1.50,
      "type": "number"
    }
    ==============================

    ==============================
    to (required)
    {
      "type": "string",
      "enum": [
        "utc",
        "cet"
      ]
    }
    ==============================

    Annotations:
    * readOnlyHint = true
    * title = Convert
    "#);
    insta::assert_snapshot!(person.run(&["usage", "time__now"]), @"
    exit: 0
    --- stdout
    time__now
    Tells the time
    This tool does not require any input parameters.
    ");
    insta::assert_snapshot!(person.run(&["usage", "plain"]), @"
    exit: 1
    --- stderr
    failed to get tool 'plain': invalid name: 'plain' does not contain a __ separator
    ");
    insta::assert_snapshot!(person.stdout(&["usage", "time__now", "--json"]), @r#"
    {
      "ID": 1,
      "name": "time__now",
      "enabled": true,
      "description": "Tells the time",
      "input_schema": {
        "type": "object"
      },
      "annotations": null
    }
    "#);
}

#[test]
fn invoking_prints_every_kind_of_content() {
    let result = r#"{"_meta":{"took":"2 ms","cost":1.50},"content":[
        {"type":"text","text":"12:00\nUTC"},
        {"type":"resource","resource":{"uri":"file:///a.txt","mimeType":"text/plain","text":"hello"}},
        {"type":"resource_link","uri":"file:///b","name":"b","description":"The b","mimeType":"text/plain"},
        {"type":"hologram","depth":3}],
        "structuredContent":{"z":12,"a":[1.0]}}"#;
    let api = Api::answering(&[("POST /tools/invoke", 200, result)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", r#"{"zone": 1.0, "name": "x"}"#]), @r#"
    exit: 0
    --- stdout
    Response from tool:
    * cost = 1.50
    * took = 2 ms

    ** Content [text] **
    12:00
    UTC

    ** Content [resource] **
    Resource URI: file:///a.txt
    MIME Type: text/plain
    Text Content:
    hello

    ** Content [resource_link] **
    Resource Link URI: file:///b
    Resource Link Name: b
    Resource Link Description: The b
    Resource Link MIME Type: text/plain

    ** Content [hologram] **
    [Unknown content type: hologram]
    {"type":"hologram","depth":3}

    ** Structured Content **
    {
      "z": 12,
      "a": [
        1.0
      ]
    }
    "#);
    assert_eq!(api.requests(), [r#"POST /tools/invoke {"name":"time__now","arguments":{"zone": 1.0, "name": "x"}}"#]);
}

#[test]
fn invoking_as_json_keeps_the_answer_of_the_tool_as_it_is() {
    let api = Api::answering(&[(
        "POST /tools/invoke",
        200,
        r#"{"content":[],"structuredContent":{"z":1.50,"a":12345678901234567890}}"#,
    )]);
    insta::assert_snapshot!(Person::of(&api).stdout(&["--json", "invoke", "time__now"]), @r#"
    {
      "content": [],
      "structuredContent": {
        "z": 1.50,
        "a": 12345678901234567890
      }
    }
    "#);
    assert_eq!(api.requests(), [r#"POST /tools/invoke {"name":"time__now","arguments":{}}"#]);
}

#[test]
fn images_audio_and_binary_resources_are_saved_as_files() {
    let result = r#"{"content":[
        {"type":"image","mimeType":"image/jpeg","data":"aW1hZ2U="},
        {"type":"audio","mimeType":"audio/mpeg","data":"YXVkaW8"},
        {"type":"resource","resource":{"uri":"file:///a/report.pdf","mimeType":"application/pdf","blob":"cGRm"}}]}"#;
    let api = Api::answering(&[("POST /tools/invoke", 200, result)]);
    let person = Person::of(&api);
    let shown = person.stdout(&["invoke", "camera__shoot"]);
    let mut saved: Vec<(String, String)> = std::fs::read_dir(person.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(path).unwrap()))
        .collect();
    saved.sort();
    let [(audio, sound), (image, picture), (resource, bytes)] = &saved[..] else { panic!("{saved:?}") };
    assert_eq!([sound, picture, bytes], ["audio", "image", "pdf"]);
    for (name, stem, extension) in
        [(audio, "audio_", ".mp3"), (image, "image_", ".jpg"), (resource, "resource_", ".pdf")]
    {
        let stamp = name.strip_prefix(stem).and_then(|name| name.strip_suffix(extension));
        assert!(stamp.is_some_and(|stamp| stamp.parse::<u128>().is_ok()), "{name}");
    }
    let expected = format!(
        "Response from tool:\n\n** Content [image] **\n[Image saved as {image}]\n\n\
         ** Content [audio] **\n[Audio saved as {audio}]\n\n\
         ** Content [resource] **\nResource URI: file:///a/report.pdf\nMIME Type: application/pdf\n\
         [Resource saved as {resource}]\n\n"
    );
    assert_eq!(shown, expected);
}

#[test]
fn an_attachment_that_cannot_be_saved_does_not_hide_the_rest() {
    let result = r#"{"content":[{"type":"image","mimeType":"image/png","data":"%%%"},{"type":"text","text":"after"}]}"#;
    let api = Api::answering(&[("POST /tools/invoke", 200, result)]);
    insta::assert_snapshot!(Person::of(&api).run(&["invoke", "camera__shoot"]), @"
    exit: 1
    --- stdout
    Response from tool:

    ** Content [image] **

    ** Content [text] **
    after

    --- stderr
    Image could not be saved: the data is not valid base64: Invalid symbol 37, offset 0.
    1 of the answer's attachments could not be saved
    ");
}

#[test]
fn an_error_of_the_tool_itself_is_no_failure_of_the_command() {
    let api = Api::answering(&[(
        "POST /tools/invoke",
        200,
        r#"{"content":[{"type":"text","text":"no such zone"}],"isError":true}"#,
    )]);
    insta::assert_snapshot!(Person::of(&api).run(&["invoke", "time__now"]), @"
    exit: 0
    --- stdout
    The tool returned an error:

    ** Content [text] **
    no such zone
    ");
}

#[test]
fn a_call_that_fails_exits_1() {
    let api = Api::answering(&[("POST /tools/invoke", 500, r#"{"error":"server `time` cannot be reached"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["invoke", "time__now"]), @"
    exit: 1
    --- stderr
    failed to invoke tool: server `time` cannot be reached
    ");
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", "{zone: 1}"]), @"
    exit: 1
    --- stderr
    invalid input: key must be a string at line 1 column 2
    ");
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", "[1]"]), @"
    exit: 1
    --- stderr
    invalid input: must be a JSON object
    ");
    assert_eq!(api.requests().len(), 1, "bad input is not sent");
}

#[test]
fn invoking_from_a_group_takes_tools_of_included_servers_and_no_others() {
    let api = group_api(&[("POST /tools/invoke", 200, r#"{"content":[{"type":"text","text":"12:00"}]}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--group", "clock"]), @"
    exit: 0
    --- stdout
    Invoking tool 'time__now' from group 'clock'
    Group description: Only time

    Response from tool:

    ** Content [text] **
    12:00
    ");
    insta::assert_snapshot!(person.run(&["invoke", "fs__read", "--group", "clock"]), @"
    exit: 1
    --- stderr
    tool 'fs__read' is not available in group 'clock'
    ");
    let calls = api.requests().iter().filter(|request| request.contains("invoke")).count();
    assert_eq!(calls, 1, "a tool outside the group is not called");
}

#[test]
fn enabling_and_disabling_tools_names_what_was_changed() {
    let api = Api::answering(&[
        ("POST /tools/enable?entity=time__now", 200, r#"["time__now"]"#),
        ("POST /tools/disable?entity=time", 200, r#"["time__convert","time__now"]"#),
        ("POST /tools/disable?entity=empty", 200, "null"),
        ("POST /tools/disable?entity=gone__x", 404, r#"{"error":"tool gone__x not found"}"#),
    ]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["enable", "tool", "time__now"]), @"
    exit: 0
    --- stdout
    MCP tool 'time__now' enabled successfully!
    ");
    insta::assert_snapshot!(person.run(&["disable", "tool", "time"]), @"
    exit: 0
    --- stdout
    Following MCP tools have been disabled successfully:
    - time__convert
    - time__now
    ");
    insta::assert_snapshot!(person.run(&["disable", "tool", "empty"]), @"
    exit: 0
    --- stdout
    Nothing to do: no tool had to be disabled.
    ");
    insta::assert_snapshot!(person.run(&["disable", "tool", "gone__x"]), @"
    exit: 1
    --- stderr
    failed to disable gone__x: tool gone__x not found
    ");
    insta::assert_snapshot!(person.run(&["enable", "time__now"]), @"
    exit: 0
    --- stdout
    MCP tool 'time__now' enabled successfully!
    --- stderr
    Warning: 'enable [name]' is deprecated. Please use 'enable tool [name]' or 'enable server [name]' instead.
    ");
    insta::assert_snapshot!(person.stdout(&["disable", "tool", "time", "--json"]), @r#"
    [
      "time__convert",
      "time__now"
    ]
    "#);
}
