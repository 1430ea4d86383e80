//! `list resources`, `get resource`.

use crate::support::{Api, Person};

const URI: &str = "mcpj://res/fs/ZmlsZTovLy9h";

#[test]
fn listing_resources_shows_the_uris_of_the_gateway() {
    let resources = r#"[{"name":"fs__a","uri":"mcpj://res/fs/ZmlsZTovLy9h","enabled":true,"description":"The a","mime_type":"text/plain"},
        {"name":"fs__b","uri":"mcpj://res/fs/ZmlsZTovLy9i","enabled":true,"description":"","mime_type":""}]"#;
    let api = Api::answering(&[("GET /resources", 200, resources), ("GET /resources?server=time", 200, "[]")]);
    let person = Person::of(&api);
    insta::assert_snapshot!(person.run(&["list", "resources"]), @"
    exit: 0
    --- stdout
    1. fs__a
       URI: mcpj://res/fs/ZmlsZTovLy9h
       Description:  The a

    2. fs__b
       URI: mcpj://res/fs/ZmlsZTovLy9i
    ");
    insta::assert_snapshot!(person.run(&["list", "resources", "--server", "time"]), @"
    exit: 0
    --- stdout
    No resources found
    ");
}

#[test]
fn getting_a_resource_shows_what_it_is() {
    let record = r#"{"name":"fs__a","uri":"mcpj://res/fs/ZmlsZTovLy9h","enabled":false,"description":"The a","mime_type":"text/plain"}"#;
    let api = Api::answering(&[("POST /resources/get", 200, record)]);
    insta::assert_snapshot!(Person::of(&api).run(&["get", "resource", URI]), @"
    exit: 0
    --- stdout
    Resource: fs__a
    URI: mcpj://res/fs/ZmlsZTovLy9h
    MIME Type: text/plain
    Description: The a
    Status: DISABLED
    ");
    assert_eq!(api.requests(), [r#"POST /resources/get {"uri":"mcpj://res/fs/ZmlsZTovLy9h"}"#]);
}

#[test]
fn reading_a_resource_prints_text_and_saves_bytes() {
    let contents = r#"{"contents":[{"uri":"mcpj://res/fs/ZmlsZTovLy9h","mimeType":"application/json","text":"{\"b\":1,\"a\":2}"},
        {"uri":"mcpj://res/fs/ZmlsZTovLy9h","text":"plain"},
        {"uri":"mcpj://res/fs/ZmlsZTovLy9h","mimeType":"image/png","blob":"cG5n"}]}"#;
    let api = Api::answering(&[("POST /resources/read", 200, contents)]);
    let person = Person::of(&api);
    let shown = person.stdout(&["get", "resource", URI, "--read"]);
    let saved = std::fs::read_dir(person.directory.path()).unwrap().next().unwrap().unwrap();
    assert_eq!(std::fs::read(saved.path()).unwrap(), b"png");
    let shown = shown.replace(saved.file_name().to_str().unwrap(), "[file]");
    insta::assert_snapshot!(shown, @r#"
    Content 1:
    URI: mcpj://res/fs/ZmlsZTovLy9h
    MIME Type: application/json
    {
      "b": 1,
      "a": 2
    }

    Content 2:
    URI: mcpj://res/fs/ZmlsZTovLy9h
    plain

    Content 3:
    URI: mcpj://res/fs/ZmlsZTovLy9h
    MIME Type: image/png
    [Blob content saved as [file]]
    "#);
}

#[test]
fn a_uri_that_is_not_of_the_gateway_is_refused_by_it() {
    let api = Api::answering(&[(
        "POST /resources/get",
        400,
        r#"{"error":"file:///a is not a valid MCPJungle resource URI"}"#,
    )]);
    insta::assert_snapshot!(Person::of(&api).run(&["get", "resource", "file:///a"]), @"
    exit: 1
    --- stderr
    failed to get resource 'file:///a': file:///a is not a valid MCPJungle resource URI
    ");
}
