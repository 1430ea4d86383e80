//! `plugin new`: what it writes, and what it refuses.

use crate::support::Person;

#[test]
fn a_project_has_what_its_language_and_its_stages_need_and_no_more() {
    let person = Person::new();
    for (language, expected, absent) in [
        (
            "rust",
            &[
                "Cargo.toml",
                "src/guard.rs",
                "vendor/mcpjungle-policy/src/lib.rs",
                "vendor/mcpjungle-policy/wit/v0.1/types.wit",
            ][..],
            // `cargo component` takes a folder `wit` for what the project wants bindings of.
            &["src/authorizer.rs", "wit"][..],
        ),
        (
            "js",
            &["package.json", "src/policy.js", "wit/world.wit", "wit/deps/mcpjungle-policy/stages.wit"],
            &["Cargo.toml"],
        ),
        ("python", &["requirements.txt", "src/app.py", "tests/test_rules.py", "wit/world.wit"], &["Cargo.toml"]),
    ] {
        let shown = person.run(&["plugin", "new", "word-guard", language, "--stage", "guard", "--lang", language]);
        assert!(shown.starts_with("exit: 0\n") && shown.contains("plugin test "), "{shown}");
        let folder = person.directory.path().join(language);
        for file in expected.iter().chain(&["README.md", "cases.yaml", ".gitignore"]) {
            let text = std::fs::read_to_string(folder.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            assert!(!text.contains("%% ") && !text.contains("{{name}}"), "{file}: {text}");
        }
        for absent in absent {
            assert!(!folder.join(absent).exists(), "{language}: {absent}");
        }
    }
}

#[test]
fn what_an_author_has_is_never_written_over() {
    let person = Person::new();
    let kept = person.write("deny-list/notes.txt", "mine");
    let shown = person.run(&["plugin", "new", "deny-list", "--stage", "authorizer"]);
    assert!(shown.starts_with("exit: 1\n") && shown.contains("the folder deny-list is not empty"), "{shown}");
    assert_eq!(std::fs::read_dir(kept.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn a_mistake_is_named_with_what_there_is() {
    let person = Person::new();
    for (arguments, words) in [
        (["Deny", "authorizer", "rust"], "is no name for a policy"),
        (["match", "authorizer", "rust"], "means something else to Rust"),
        (["deny", "authorise", "rust"], "'authorise' for '--stage"),
        (["deny", "authorizer", "go"], "'go' for '--lang"),
    ] {
        let [name, stage, language] = arguments;
        let shown = person.run(&["plugin", "new", name, "--stage", stage, "--lang", language]);
        assert!(shown.starts_with("exit: 1\n") && shown.contains(words), "{shown}");
        assert_eq!(std::fs::read_dir(person.directory.path()).unwrap().count(), 0);
    }
}
