//! Where an answer is not what was expected, and values as people read them.

use serde::Serialize;
use serde_json::{Map, Value};

/// Of these, all counts: what replaces something, and what is sent, is a whole.
const WHOLE: [&str; 2] = ["rewrite", "headers"];

/// One place where an answer differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Such as `principal.name`; empty for the answer as a whole.
    pub at: String,
    /// `None`: nothing.
    pub expected: Option<Value>,
    #[expect(missing_docs, reason = "see `expected`")]
    pub got: Option<Value>,
}

/// All places where `got` is not what `expected` names.
pub(super) fn differences(expected: &Value, got: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare("", expected, got, false, &mut found);
    // Of another kind altogether: then the rest is of no interest.
    let is_missing = found.iter().any(|difference| difference.got.is_none() && !difference.at.contains('.'));
    if is_missing && !found.is_empty() {
        return vec![Difference { at: String::new(), expected: Some(expected.clone()), got: Some(got.clone()) }];
    }
    found
}

fn compare(at: &str, expected: &Value, got: &Value, is_whole: bool, found: &mut Vec<Difference>) {
    let (Value::Object(named), Value::Object(there)) = (expected, got) else {
        if expected != got {
            found.push(Difference { at: at.to_owned(), expected: Some(expected.clone()), got: Some(got.clone()) });
        }
        return;
    };
    let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    for (name, expected) in named {
        match there.get(name) {
            // A secret's prefix need not be named, though headers are a whole.
            Some(got) => {
                let is_whole = match at {
                    "" => WHOLE.contains(&name.as_str()),
                    "headers" => false,
                    _ => is_whole,
                };
                compare(&below(name), expected, got, is_whole, found);
            }
            None => found.push(Difference { at: below(name), expected: Some(expected.clone()), got: None }),
        }
    }
    if is_whole {
        let more = there.iter().filter(|(name, _)| !named.contains_key(*name));
        found.extend(more.map(|(name, got)| Difference { at: below(name), expected: None, got: Some(got.clone()) }));
    }
}

/// A value on one line, as one would write it in a cases file.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Object(fields) => match single_word(fields) {
            Some(word) => word.to_owned(),
            None => format!("{{{}}}", fields_shown(fields)),
        },
        Value::Array(values) => format!("[{}]", values.iter().map(shown).collect::<Vec<_>>().join(", ")),
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    }
}

/// `{allow: {}}` is written as `allow`.
fn single_word(fields: &Map<String, Value>) -> Option<&str> {
    let (name, value) = fields.iter().next().filter(|_| fields.len() == 1)?;
    value.as_object().is_some_and(Map::is_empty).then_some(name)
}

fn fields_shown(fields: &Map<String, Value>) -> String {
    fields.iter().map(|(name, value)| format!("{name}: {}", shown(value))).collect::<Vec<_>>().join(", ")
}

fn is_plain(text: &str) -> bool {
    let is_usual = |character: char| character.is_ascii_alphanumeric() || "_-./".contains(character);
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(is_usual)
        && !matches!(text, "true" | "false" | "null")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn compared(expected: Value, got: Value) -> String {
        let side = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), shown);
        let line = |difference: &Difference| {
            format!("{}: {} / {}", difference.at, side(&difference.expected), side(&difference.got))
        };
        differences(&expected, &got).iter().map(line).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn only_what_is_named_counts() {
        let got = json!({"principal": {"kind": "client", "name": "cursor", "allow": ["a", "b"]}});
        assert_eq!(compared(json!({"principal": {"name": "cursor"}}), got.clone()), "");
        assert_eq!(compared(json!({"principal": {"name": "x"}}), got.clone()), "principal.name: x / cursor");
        assert_eq!(compared(json!({"principal": {"allow": ["a"]}}), got), "principal.allow: [a] / [a, b]");
        let deny = json!({"deny": {"code": "a-b", "reason": "it is so"}});
        assert_eq!(compared(json!({"deny": {}}), deny.clone()), "");
        assert_eq!(compared(json!({"allow": {}}), deny), r#": allow / {deny: {code: a-b, reason: "it is so"}}"#);
    }

    #[test]
    fn what_replaces_something_or_is_sent_counts_as_a_whole() {
        let got = json!({"rewrite": {"a": 1, "secret": "x"}});
        assert_eq!(compared(json!({"rewrite": {"a": 1}}), got), "rewrite.secret: nothing / x");
        let got = json!({"headers": {"x-team": "web", "authorization": {"secret": "t", "prefix": "Bearer "}}});
        assert_eq!(
            compared(json!({"headers": {"authorization": {"secret": "t"}}}), got.clone()),
            "headers.x-team: nothing / web"
        );
        assert_eq!(
            compared(json!({"headers": {"x-team": "api", "authorization": {"secret": "t", "prefix": "B"}}}), got),
            r#"headers.authorization.prefix: B / "Bearer "; headers.x-team: api / web"#
        );
    }

    #[test]
    fn values_are_shown_as_they_are_written() {
        assert_eq!(shown(&json!({"allow": {}})), "allow");
        assert_eq!(shown(&json!({"a": [1, "two words", "true", null]})), r#"{a: [1, "two words", "true", null]}"#);
    }
}
