//! What help says.

use crate::support::Person;

#[test]
fn without_a_command_help_shows_what_there_is() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&[]), @"");
    assert_eq!(person.run(&[]), person.run(&["--help"]));
    assert_eq!(person.run(&[]), person.run(&["-h"]));
}

#[test]
fn a_command_that_needs_more_shows_its_help() {
    let person = Person::new();
    insta::assert_snapshot!(person.run(&["list"]), @"");
    for command in ["get", "create", "update", "delete", "enable", "disable"] {
        let shown = person.stdout(&[command]);
        assert!(shown.contains("Usage: mcpjungle"), "{command}: {shown}");
    }
}

#[test]
fn the_help_of_start_names_its_flags_and_defaults() {
    insta::assert_snapshot!(Person::new().stdout(&["start", "--help"]), @"");
}

#[test]
fn the_help_of_every_command_has_an_example() {
    let person = Person::new();
    for command in [
        "start",
        "register",
        "list",
        "list servers",
        "list tools",
        "list prompts",
        "list resources",
        "list groups",
        "usage",
        "invoke",
        "deregister",
        "version",
        "get",
        "get prompt",
        "get group",
        "get resource",
        "enable",
        "enable tool",
        "enable prompt",
        "enable server",
        "disable",
        "disable tool",
        "disable prompt",
        "disable server",
        "create",
        "create group",
        "update",
        "update group",
        "delete",
        "delete group",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let shown = person.stdout(&words);
        let (_, example) = shown.split_once("Example").unwrap_or_else(|| panic!("{command} has no example: {shown}"));
        assert!(example.contains("\n  mcpjungle "), "{command}: {shown}");
    }
}
