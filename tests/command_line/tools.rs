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
    insta::assert_snapshot!(person.run(&["list", "tools"]), @"");
    assert!(
        person
            .run(&["list", "tools", "--server", "time"])
            .contains("stdout\nTools from server 'time':\n\n1. time__now  [ENABLED]\n")
    );
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "empty"]), @"");
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "gone"]), @"");
    insta::assert_snapshot!(person.run(&["list", "tools", "--server", "time", "--group", "clock"]), @"");
    let empty = Api::answering(&[("GET /tools", 200, "[]")]);
    insta::assert_snapshot!(Person::of(&empty).run(&["list", "tools"]), @"");
}

#[test]
fn listing_the_tools_of_a_group_shows_those_that_exist() {
    let person = Person::of(&group_api(&[]));
    insta::assert_snapshot!(person.run(&["list", "tools", "--group", "clock"]), @"");
    insta::assert_snapshot!(person.stdout(&["list", "tools", "--group", "clock", "--json"]), @"");
    insta::assert_snapshot!(person.run(&["list", "tools", "--group", "gone"]), @"");
}

#[test]
fn a_group_without_any_existing_tool_says_so() {
    let api = Api::answering(&[
        ("GET /tools", 200, TOOLS),
        ("GET /tool-groups/clock", 200, GROUP),
        ("GET /tool-groups/clock/effective-tools", 200, r#"{"tools":["time__gone"]}"#),
    ]);
    insta::assert_snapshot!(Person::of(&api).run(&["list", "tools", "--group", "clock"]), @"");
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
    insta::assert_snapshot!(person.run(&["usage", "time__convert"]), @"");
    insta::assert_snapshot!(person.run(&["usage", "time__now"]), @"");
    insta::assert_snapshot!(person.run(&["usage", "plain"]), @"");
    insta::assert_snapshot!(person.stdout(&["usage", "time__now", "--json"]), @"");
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
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", r#"{"zone": 1.0, "name": "x"}"#]), @"");
    assert_eq!(api.requests(), [r#"POST /tools/invoke {"name":"time__now","arguments":{"zone": 1.0, "name": "x"}}"#]);
}

#[test]
fn invoking_as_json_keeps_the_answer_of_the_tool_as_it_is() {
    let api = Api::answering(&[(
        "POST /tools/invoke",
        200,
        r#"{"content":[],"structuredContent":{"z":1.50,"a":12345678901234567890}}"#,
    )]);
    insta::assert_snapshot!(Person::of(&api).stdout(&["--json", "invoke", "time__now"]), @"");
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
    insta::assert_snapshot!(Person::of(&api).run(&["invoke", "camera__shoot"]), @"");
}

#[test]
fn an_error_of_the_tool_itself_is_no_failure_of_the_command() {
    let api = Api::answering(&[(
        "POST /tools/invoke",
        200,
        r#"{"content":[{"type":"text","text":"no such zone"}],"isError":true}"#,
    )]);
    insta::assert_snapshot!(Person::of(&api).run(&["invoke", "time__now"]), @"");
}

#[test]
fn a_call_that_fails_exits_1() {
    let api = Api::answering(&[("POST /tools/invoke", 500, r#"{"error":"server `time` cannot be reached"}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["invoke", "time__now"]), @"");
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", "{zone: 1}"]), @"");
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--input", "[1]"]), @"");
    assert_eq!(api.requests().len(), 1, "bad input is not sent");
}

#[test]
fn invoking_from_a_group_takes_tools_of_included_servers_and_no_others() {
    let api = group_api(&[("POST /tools/invoke", 200, r#"{"content":[{"type":"text","text":"12:00"}]}"#)]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["invoke", "time__now", "--group", "clock"]), @"");
    insta::assert_snapshot!(person.run(&["invoke", "fs__read", "--group", "clock"]), @"");
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
    insta::assert_snapshot!(person.run(&["enable", "tool", "time__now"]), @"");
    insta::assert_snapshot!(person.run(&["disable", "tool", "time"]), @"");
    insta::assert_snapshot!(person.run(&["disable", "tool", "empty"]), @"");
    insta::assert_snapshot!(person.run(&["disable", "tool", "gone__x"]), @"");
    insta::assert_snapshot!(person.run(&["enable", "time__now"]), @"");
    insta::assert_snapshot!(person.stdout(&["disable", "tool", "time", "--json"]), @"");
}
