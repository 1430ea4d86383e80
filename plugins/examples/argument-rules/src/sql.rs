//! Whether an SQL text only reads, as far as its words tell.

/// What a statement that reads begins with.
const READING: [&str; 7] = ["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"];
/// Words that no statement that only reads has, outside of quotes.
const WRITING: [&str; 24] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT", "TRUNCATE", "DROP", "CREATE", "ALTER", "RENAME",
    "GRANT", "REVOKE", "INTO", "CALL", "EXEC", "EXECUTE", "DO", "COPY", "LOAD", "ATTACH", "PRAGMA", "SET", "LOCK",
];

/// The error goes on after "the argument … ".
pub(crate) fn check_reads_only(text: &str) -> Result<(), String> {
    let words = words(text)?;
    let first = words.first().map(String::as_str).unwrap_or_default();
    if !READING.contains(&first) {
        return Err(format!("must be a statement that reads, such as SELECT, and begins with `{first}`"));
    }
    match words.iter().find(|word| WRITING.contains(&word.as_str())) {
        Some(word) => Err(format!("must only read, and has the word {word}")),
        None => Ok(()),
    }
}

/// The words outside of quotes, in upper case. One statement only; and no comments, because databases do not agree
/// on where they end.
fn words(text: &str) -> Result<Vec<String>, String> {
    let text = text.trim_end().trim_end_matches(';');
    let mut words = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match (character, rest.peek()) {
            // A doubled quote within quotes closes and opens again, so that nothing is missed.
            ('\'' | '"' | '`', _) => loop {
                match rest.next() {
                    // Some databases read on after `\'`, others do not.
                    Some('\\') => return Err("must have no `\\` in quotes".to_owned()),
                    Some(other) if other == character => break,
                    Some(_) => {}
                    None => return Err("has quotes that are not closed".to_owned()),
                }
            },
            (';', _) => return Err("must be one statement".to_owned()),
            ('-', Some('-')) | ('/', Some('*')) | ('#', _) => return Err("must have no comments".to_owned()),
            // What is between `$$` and `$$` is text to some databases only.
            ('$', Some('$')) => return Err("must have no `$$`".to_owned()),
            (first, _) if first.is_alphabetic() || first == '_' => {
                let mut word: String = first.to_uppercase().collect();
                while let Some(next) = rest.next_if(|next| next.is_alphanumeric() || *next == '_') {
                    word.extend(next.to_uppercase());
                }
                words.push(word);
            }
            _ => {}
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::check_reads_only;

    #[test]
    fn only_one_statement_that_reads_passes() {
        for (text, expected) in [
            ("select * from t where name = 'drop table'; ", None),
            ("WITH a AS (SELECT 1) SELECT * FROM a", None),
            ("explain select updated_at from t", None),
            ("", Some("begins with")),
            ("drop table t", Some("begins with `DROP`")),
            ("with a as (delete from t returning *) select * from a", Some("DELETE")),
            ("explain analyze delete from t", Some("DELETE")),
            ("select * into outfile '/tmp/x' from t", Some("INTO")),
            ("select 1; drop table t", Some("one statement")),
            ("select 1 -- x\n", Some("comments")),
            ("select /*! 1 */", Some("comments")),
            ("select 'it''s' from t", None),
            (r"select '\'; drop table t; -- '", Some("no `\\`")),
            ("select 'x", Some("not closed")),
            ("select * from t for update", Some("UPDATE")),
        ] {
            let checked = check_reads_only(text);
            match (&checked, expected) {
                (Ok(()), None) => {}
                (Err(problem), Some(word)) if problem.contains(word) => {}
                _ => panic!("{text}: {checked:?}, expected {expected:?}"),
            }
        }
    }
}
