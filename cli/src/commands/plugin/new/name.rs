//! The name of a policy: also the name of a package, of a component and of a folder.

use anyhow::{bail, ensure};

use crate::arguments::Language;

const LONGEST: usize = 48;

/// What Rust takes for itself, or what the project depends on under that name.
const TAKEN_IN_RUST: [&str; 67] = [
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mcpjungle-policy",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "schemars",
    "schemars-derive",
    "self",
    "serde",
    "serde-core",
    "serde-derive",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "union",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit-bindgen",
    "yield",
    "build",
    "deps",
];

/// The name itself, if it can be all of these.
pub(super) fn check(name: &str, language: Language) -> anyhow::Result<&str> {
    let begins_well = name.starts_with(|first: char| first.is_ascii_lowercase());
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    // A word of a name in WIT begins with a letter.
    let are_words = name.split('-').all(|word| is_word(word) && !word.starts_with(|c: char| c.is_ascii_digit()));
    if !begins_well || !are_words {
        bail!(
            "`{name}` is no name for a policy: take lower-case words of letters and digits, each beginning with a \
             letter, with hyphens between, such as `deny-list`"
        );
    }
    ensure!(name.len() <= LONGEST, "the name `{name}` is too long: take {LONGEST} characters at most");
    if language == Language::Rust && TAKEN_IN_RUST.contains(&name) {
        bail!("`{name}` means something else to Rust: take another name, such as `{name}-policy`");
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_words_with_hyphens_between() {
        for (name, is_good) in [
            ("deny-list", true),
            ("a", true),
            ("rate2", true),
            ("", false),
            ("-a", false),
            ("a-", false),
            ("a--b", false),
            ("2rate", false),
            ("rate-2", false),
            ("Deny", false),
            ("deny_list", false),
            ("../deny", false),
            ("deny list", false),
            ("ä", false),
        ] {
            assert_eq!(check(name, Language::Rust).is_ok(), is_good, "{name}");
        }
        assert!(check(&"a".repeat(LONGEST + 1), Language::Rust).is_err());
    }

    #[test]
    fn words_of_rust_are_names_in_other_languages() {
        for name in ["match", "serde", "test", "mcpjungle-policy"] {
            assert!(check(name, Language::Rust).is_err(), "{name}");
            assert!(check(name, Language::JavaScript).is_ok(), "{name}");
        }
    }
}
