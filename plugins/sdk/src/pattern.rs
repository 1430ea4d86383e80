//! Patterns in which `*` stands for any run of characters.

/// Whether `pattern` matches the whole of `text`. `*` stands for any run of characters, also for none; every
/// other character for itself, in the same case. So `github__delete_*` matches `github__delete_repo`.
///
/// Takes at most as many steps as the lengths multiplied, whatever the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut at_pattern, mut at_text) = (0, 0);
    // Where the last `*` is, and how far it reaches for now: stepping back to it is enough.
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&byte) if byte == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match last_star {
                Some((star, reach)) => {
                    last_star = Some((star, reach + 1));
                    at_pattern = star + 1;
                    at_text = reach + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_run_and_everything_else_for_itself() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("*", "github__search", true),
            ("", "", true),
            ("", "a", false),
            ("github__search", "github__search", true),
            ("github__search", "github__Search", false),
            ("github__*", "github__", true),
            ("github__*", "github2__search", false),
            ("*__search", "github__search", true),
            ("g*b__s*h", "github__search", true),
            ("*a*r*c*h*", "github__search", true),
            ("*ab", "aab", true),
            ("a*b*a", "abab", false),
            ("gr*ß", "grüß", true),
            ("a?c", "abc", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "`{pattern}` and `{text}`");
        }
    }

    #[test]
    fn no_pattern_takes_forever() {
        let pattern = "*a".repeat(200) + "b";
        assert!(!matches(&pattern, &"a".repeat(20_000)));
    }
}
