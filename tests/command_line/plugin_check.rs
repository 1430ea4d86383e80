//! `plugin check`: what is said of components, and of what are none.

use crate::support::Person;

pub fn fixture(name: &str) -> String {
    format!("{}/../tests/fixtures/policies/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_component_that_can_be_installed_is_described() {
    let person = Person::new();
    let shown = person.stdout(&["plugin", "check", "builtin:acl"]);
    assert!(shown.starts_with("builtin:acl: can be installed\n  digest       sha256:"), "{shown}");
    for line in [
        "\n  contract     mcpjungle:policy@0.1.0\n",
        "\n  stages       authorizer\n",
        "\n  summary      A client may use what its allow-list matches",
        "\n  install with no grants and no flags\n",
        "\n  settings     with a schema; none are needed\n",
        "\n  pool         fits\n",
    ] {
        assert!(shown.contains(line), "{line:?}: {shown}");
    }
    let again = person.stdout(&["plugin", "check", "builtin:acl"]);
    assert!(again.contains(" ms, from the cache\n"), "{again}");
}

#[test]
fn what_a_guard_reviews_and_what_a_component_is_called_is_there_for_programs_too() {
    let shown = Person::new().stdout(&["plugin", "check", &fixture("house-rules.wasm"), "--json"]);
    for part in [
        "\"installable\": true",
        "\"guard\": {\n    \"arguments\": true,\n    \"results\": true\n  }",
        "\"tool-filter\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn what_is_no_component_is_told_with_what_to_do() {
    let person = Person::new();
    let path = |name: &str| person.directory.path().join(name);
    std::fs::write(path("empty.wasm"), b"").unwrap();
    std::fs::write(path("module.wasm"), b"\0asm\x01\0\0\0").unwrap();
    person.write("source.rs", "fn main() {}\n");
    insta::assert_snapshot!(person.run(&["plugin", "check", "empty.wasm"]), @"
    exit: 1
    --- stdout
    empty.wasm: cannot be installed

    problem (file): the file is empty
      what to do: build the component again, and look whether the build succeeded
    ");
    insta::assert_snapshot!(person.run(&["plugin", "check", "module.wasm"]), @"
    exit: 1
    --- stdout
    module.wasm: cannot be installed

    problem (file): this is a core module, not a component
      what to do: build for the target wasm32-wasip2, or make a component of it with `wasm-tools component new`
    ");
    insta::assert_snapshot!(person.run(&["plugin", "check", "source.rs"]), @"
    exit: 1
    --- stdout
    source.rs: cannot be installed

    problem (file): this is text, not WebAssembly
      what to do: give the .wasm file that is built from it
    ");
    insta::assert_snapshot!(person.run(&["plugin", "check", "gone.wasm"]), @"
    exit: 1
    --- stdout
    gone.wasm: cannot be installed

    problem (file): cannot be read: No such file or directory (os error 2)
      what to do: give the path of a .wasm file, or builtin:NAME
    ");
    insta::assert_snapshot!(person.run(&["plugin", "check", "builtin:x"]), @"
    exit: 1
    --- stderr
    there is no `builtin:x`; there are builtin:auth, builtin:groups, builtin:acl, builtin:headers
    ");
    let whole = std::fs::read(fixture("house-rules.wasm")).unwrap();
    std::fs::write(path("half.wasm"), &whole[..whole.len() / 2]).unwrap();
    let shown = person.run(&["plugin", "check", "half.wasm"]);
    assert!(shown.contains("problem (file): the file is cut off"), "{shown}");
}

#[test]
fn settings_are_tried_from_a_file_and_in_place() {
    let person = Person::new();
    let policy = fixture("house-rules.wasm");
    person.write("settings.yaml", "hide: [now]\n");
    let shown = person.stdout(&["plugin", "check", &policy, "--settings", "settings.yaml"]);
    assert!(shown.contains("those given are accepted"), "{shown}");
    let shown = person.run(&["plugin", "check", &policy, "--settings", r#"{"hid": []}"#]);
    assert!(shown.starts_with("exit: 1"), "{shown}");
    assert!(shown.contains("problem (settings): it does not accept them: "), "{shown}");
}

#[test]
fn settings_that_are_none_are_told_with_what_is_expected() {
    let person = Person::new();
    person.write("list.yaml", "- hide\n");
    person.write("empty.yaml", "");
    person.write("broken.json", "{\"hide\": [}");
    let expected = "give a JSON object, such as '{\"deny\": [\"github__*\"]}', \
                    or a JSON or YAML file that holds an object";
    for (written, problem) in [
        ("", "--settings is empty: "),
        ("[1]", "--settings is a list, not an object: "),
        ("\"text\"", "--settings is a text, not an object: "),
        ("{", "--settings is not valid JSON: EOF while parsing an object at line 1 column 1; "),
        (
            "gone.yaml",
            "--settings names the file gone.yaml, which cannot be read: No such file or directory (os error 2); ",
        ),
        ("list.yaml", "--settings names the file list.yaml, which holds a list, not an object: "),
        ("empty.yaml", "--settings names the file empty.yaml, which holds nothing: "),
    ] {
        let shown = person.run(&["plugin", "check", "builtin:acl", "--settings", written]);
        assert_eq!(shown, format!("exit: 1\n--- stderr\n{problem}{expected}\n"));
    }
    let shown = person.run(&["plugin", "check", "builtin:acl", "--settings", "broken.json"]);
    assert!(shown.starts_with("exit: 1\n--- stderr\nbroken.json:1:"), "{shown}");
}
