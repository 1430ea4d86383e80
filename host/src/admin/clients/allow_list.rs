//! What a client may use, as an administrator writes it. An entry may name what does not
//! exist yet, so nothing but its form is checked here; what it means is the authorizers' decision.

use crate::admin::error::ApiError;

const MAX_ENTRIES: usize = 1000;
/// In bytes. Names of tools have no limit of their own.
const MAX_ENTRY_LEN: usize = 1024;

/// Trims the entries, and keeps each once.
pub(super) fn parse(entries: &[String]) -> Result<Vec<String>, ApiError> {
    if entries.len() > MAX_ENTRIES {
        return Err(invalid(format!("it holds {} entries, and {MAX_ENTRIES} are allowed", entries.len())));
    }
    let mut kept: Vec<String> = Vec::with_capacity(entries.len());
    for (number, entry) in (1..).zip(entries) {
        let entry = entry.trim();
        if entry.is_empty() {
            return Err(invalid(format!("entry {number} is empty")));
        }
        if entry.len() > MAX_ENTRY_LEN {
            return Err(invalid(format!("entry {number} is longer than {MAX_ENTRY_LEN} bytes")));
        }
        if entry.contains(char::is_control) {
            return Err(invalid(format!("entry {number} holds a control character")));
        }
        if !kept.iter().any(|earlier| earlier == entry) {
            kept.push(entry.to_owned());
        }
    }
    Ok(kept)
}

fn invalid(problem: String) -> ApiError {
    ApiError::invalid(format!("invalid allow_list: {problem}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(entries: &[&str]) -> Result<Vec<String>, String> {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        parse(&entries).map_err(|error| error.message().to_owned())
    }

    #[test]
    fn entries_are_trimmed_and_kept_once_in_their_order() {
        let kept = parsed(&["github", " time__* ", "github", "*", "time__*"]).unwrap();
        assert_eq!(kept, ["github", "time__*", "*"]);
        assert_eq!(parsed(&[]).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn an_entry_that_says_nothing_or_too_much_is_refused() {
        for (entries, problem) in [
            (&["a", " "][..], "invalid allow_list: entry 2 is empty"),
            (&[&"x".repeat(1025)], "invalid allow_list: entry 1 is longer than 1024 bytes"),
            (&["a\nb"], "invalid allow_list: entry 1 holds a control character"),
            (&["x"; 1001], "invalid allow_list: it holds 1001 entries, and 1000 are allowed"),
        ] {
            assert_eq!(parsed(entries).unwrap_err(), problem);
        }
    }
}
