//! `completion`: scripts that the shells accept.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::support::Person;

/// Gives a script to a real bash, and shows what that prints.
fn bash(arguments: &[&str], script: &str) -> String {
    let mut bash = Command::new("bash");
    let mut bash =
        bash.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = bash.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.is_empty(), "{}: {stderr}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn bash_accepts_the_script_and_completes_with_it() {
    let script = Person::new().stdout(&["completion", "bash"]);
    assert_eq!(bash(&["-n"], &script), "");
    let complete = |words: &str, last: usize| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={last}\n\
             _mcpjungle mcpjungle \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\"\n\
             printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        bash(&["--norc"], &ask)
    };
    assert_eq!(complete("mcpjungle val", 1), "validate\n");
    assert_eq!(complete("mcpjungle list s", 2), "servers\n");
    assert_eq!(complete("mcpjungle apply --dry", 2), "--dry-run\n");
    assert_eq!(complete("mcpjungle completion f", 2), "fish\n");
}

#[test]
fn zsh_and_fish_get_scripts_of_their_own() {
    let person = Person::new();
    let zsh = person.stdout(&["completion", "zsh"]);
    assert!(zsh.starts_with("#compdef mcpjungle\n") && zsh.contains("'validate:Check configuration files'"), "{zsh}");
    let fish = person.stdout(&["completion", "fish"]);
    assert!(fish.contains("complete -c mcpjungle") && fish.contains("-a \"validate\""), "{fish}");
    // What only counts surplus arguments is nobody's to complete.
    assert!(!zsh.contains("excess") && !fish.contains("excess"));
}

#[test]
fn another_shell_is_refused_and_help_says_where_each_script_goes() {
    let person = Person::new();
    let refused = person.run(&["completion", "csh"]);
    assert!(refused.starts_with("exit: 1\n--- stderr\ninvalid value 'csh' for '<SHELL>'\n"), "{refused}");
    let help = person.stdout(&["completion", "--help"]);
    for line in [
        "  mcpjungle completion bash > ~/.local/share/bash-completion/completions/mcpjungle",
        "  mcpjungle completion zsh > ~/.zfunc/_mcpjungle",
        "  mcpjungle completion fish > ~/.config/fish/completions/mcpjungle.fish",
    ] {
        assert!(help.lines().any(|shown| shown == line), "{help}");
    }
}
