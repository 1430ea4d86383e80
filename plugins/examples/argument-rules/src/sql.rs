//! Whether an SQL text only reads, as far as its words tell.
//!
//! Databases do not agree on what quotes something, and where they disagree, a quote hides words from one reader that
//! another one follows. So what they might read in different ways is refused, rather than read in one of them.

/// What a statement that reads begins with.
const READING: [&str; 7] = ["SELECT", "WITH", "VALUES", "SHOW", "DESCRIBE", "DESC", "EXPLAIN"];
/// Words that no statement that only reads has, outside of quotes.
const WRITING: [&str; 24] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE", "UPSERT", "TRUNCATE", "DROP", "CREATE", "ALTER", "RENAME",
    "GRANT", "REVOKE", "INTO", "CALL", "EXEC", "EXECUTE", "DO", "COPY", "LOAD", "ATTACH", "PRAGMA", "SET", "LOCK",
];
/// What else begins a statement that writes in SQL Server, which wants no `;` before a second statement.
const WRITING_IN_SQL_SERVER: [&str; 11] = [
    "BACKUP",
    "DBCC",
    "DENY",
    "DISABLE",
    "ENABLE",
    "KILL",
    "RECONFIGURE",
    "RESTORE",
    "SHUTDOWN",
    "UPDATETEXT",
    "WRITETEXT",
];

/// The error goes on after "the argument … ".
pub(crate) fn check_reads_only(text: &str) -> Result<(), String> {
    // Nothing else may stand before it: SQL Server calls the procedure that a statement begins with, in quotes too.
    let begin = text.trim_start_matches(|character: char| character.is_whitespace() || character == '(');
    let first = split_word(begin).0.to_uppercase();
    if !READING.contains(&first.as_str()) {
        return Err(format!("must be a statement that reads, such as SELECT, and begins with `{first}`"));
    }
    let writing = WRITING.iter().chain(&WRITING_IN_SQL_SERVER);
    match words(text)?.iter().find(|word| writing.clone().any(|one| one == word)) {
        Some(word) => Err(format!("must only read, and has the word {word}")),
        None => Ok(()),
    }
}

/// The words outside of quotes, in upper case. One statement only; and no comments, because databases do not agree
/// on where they end.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut rest = text.trim_end().trim_end_matches(';');
    while let Some(character) = rest.chars().next() {
        let (word, behind_word) = split_word(rest);
        if !word.is_empty() {
            let word = word.to_uppercase();
            // To Oracle, `q'[` goes on to `]'`.
            if ["Q", "NQ"].contains(&word.as_str()) && behind_word.starts_with('\'') {
                return Err("must have no quotes that begin with `q'`".to_owned());
            }
            words.push(word);
            rest = behind_word;
            continue;
        }
        let behind = &rest[character.len_utf8()..];
        rest = match (character, behind.chars().next()) {
            ('\'' | '"', _) => skip_text(behind, character)?,
            ('`', _) => skip_name(behind, '`', &mut words)?,
            ('[', _) => skip_name(behind, ']', &mut words)?,
            // Doubled, it does not end the name that it is in.
            (']', _) => return Err("must have no `]` without a `[`".to_owned()),
            (';', _) => return Err("must be one statement".to_owned()),
            ('-', Some('-')) | ('/', Some('*' | '/')) | ('#', _) => {
                return Err("must have no comments".to_owned());
            }
            // `$1` is a parameter. What is between `$$` and `$$`, or `$a$` and `$a$`, is text to some databases only.
            ('$', next) if next.is_none_or(|next| !next.is_ascii_digit()) => {
                return Err("must have no `$`, other than in names and before digits".to_owned());
            }
            ('\\', _) => return Err("must have no `\\`".to_owned()),
            ('\0', _) => return Err("must have no NUL character".to_owned()),
            _ => behind,
        };
    }
    Ok(words)
}

/// The word that `text` begins with, empty if it begins with none, and what follows it.
fn split_word(text: &str) -> (&str, &str) {
    let begins = text.starts_with(|first: char| first.is_alphabetic() || first == '_');
    let is_part = |character: char| character.is_alphanumeric() || matches!(character, '_' | '$');
    let end = if begins { text.find(|character| !is_part(character)).unwrap_or(text.len()) } else { 0 };
    text.split_at(end)
}

/// What follows a text in quotes. `rest` begins behind the first of them.
fn skip_text(rest: &str, quote: char) -> Result<&str, String> {
    // In BigQuery, three of them begin a text that goes on to the next three.
    if rest.starts_with([quote, quote].iter().collect::<String>().as_str()) {
        return Err(format!("must have no three `{quote}` in a row"));
    }
    // A doubled quote closes and opens again, so that nothing is missed.
    let (quoted, behind) = rest.split_once(quote).ok_or("has quotes that are not closed")?;
    // Some databases read on after `\'`, others do not.
    if quoted.contains('\\') {
        return Err("must have no `\\` in quotes".to_owned());
    }
    Ok(behind)
}

/// What follows a name in backticks or brackets. Some databases know them as quotes and others do not, so the name may
/// hold nothing that could be more than a name, and its words count.
fn skip_name<'a>(rest: &'a str, close: char, words: &mut Vec<String>) -> Result<&'a str, String> {
    let (name, behind) = rest.split_once(close).ok_or("has quotes that are not closed")?;
    if !name.chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | ' ')) {
        return Err("must have only letters, digits, `_` and spaces in backticks and brackets".to_owned());
    }
    words.extend(name.split(' ').map(str::to_uppercase));
    Ok(behind)
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
            ("(select 1) union (select 2)", None),
            ("select sid from v$session where id = $1", None),
            ("select `a`, `b c` from `t`", None),
            ("select [a b], c[1] from [t]", None),
            // Each of these hides a word from whoever reads quotes in another way than the database does.
            ("with q as (select $a$'$a$), d as (delete from t returning 1) select $a$'$a$", Some("no `$`")),
            ("select $$'$$, delete, $$'$$", Some("no `$`")),
            ("select $1$a$'$a$, delete, $a$'$a$", Some("no `$`")),
            ("select a$b$, delete, '$b$'", Some("DELETE")),
            ("with [a'b] as (select 1) delete from t returning 1 as [c'd]", Some("backticks and brackets")),
            ("select 1 as [a]]'], delete, 2 as [b']", Some("no `]`")),
            ("select `a'b`, delete, `c'd`", Some("backticks and brackets")),
            ("select `a``'`, delete, `'`", Some("backticks and brackets")),
            ("select [delete]", Some("DELETE")),
            (r"select E'\', delete, '", Some("no `\\`")),
            (r"select 1 \g", Some("no `\\`")),
            ("select q'['], delete, ']'", Some("begin with `q'`")),
            ("select '''a' || '''; delete from t where 'x' = '''", Some("three `'` in a row")),
            ("select 1 // '\n delete // '", Some("comments")),
            ("select 1 /* /* */ ' */ delete -- '", Some("comments")),
            ("select 1 \0", Some("NUL")),
            ("[sp_x] select 1", Some("begins with ``")),
            ("\"sp_x\" select 1", Some("begins with ``")),
            ("select 1 shutdown", Some("SHUTDOWN")),
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
