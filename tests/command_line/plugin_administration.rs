//! `plugin add`, `update` and those that look: what help says of them, and what is typed wrongly.

use crate::support::Person;

#[test]
fn the_help_of_update_does_not_speak_of_defaults_that_an_absent_option_does_not_bring_back() {
    let person = Person::new();
    for command in [&["plugin", "update", "--help"][..], &["plugin", "plan", "update", "--help"]] {
        let shown = person.stdout(command);
        assert!(!shown.contains("default: 250") && !shown.contains("default: 16"), "{shown}");
        assert!(!shown.contains("default: reuse") && !shown.contains("default: all that"), "{shown}");
        // Deadline, memory, isolation and stages.
        assert_eq!(
            shown.split_whitespace().collect::<Vec<_>>().join(" ").matches("[default: as it is now]").count(),
            4
        );
    }
    let shown = person.stdout(&["plugin", "add", "--help"]);
    assert!(shown.contains("[default: 250]") && shown.contains("[default: 16]"), "{shown}");
}

#[test]
fn the_help_of_get_says_what_it_prints() {
    let shown = Person::new().stdout(&["plugin", "get", "--help"]);
    for part in ["<NAME>  Name of the plugin, as `mcpjungle plugin list` shows it", "Prints its state, component"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
