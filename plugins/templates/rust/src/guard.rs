//! What goes into a call?

use mcpjungle_policy::guard::{Parts, Review};
use mcpjungle_policy::{Guard, Host, Item, Principal, Request};
use serde_json::Value;

use crate::{{type}};

impl Guard for {{type}} {
    // Results are never copied here: this policy has nothing to say about them.
    fn reviews(&self) -> Parts {
        Parts::ARGUMENTS
    }

    fn review_arguments(
        &self,
        _host: &impl Host,
        _request: &Request,
        _principal: &Principal,
        _item: &Item,
        arguments: &str,
    ) -> Review {
        // Looked at as values, not as text: JSON can spell one text in many ways.
        let Ok(values) = serde_json::from_str::<Value>(arguments) else {
            return Review::deny("not-json", "the arguments are not JSON");
        };
        // Of two members with the same name only the last one is in `values`, but the server gets the text and may
        // go by the first.
        if count_members(&values) != count_written_members(arguments) {
            return Review::deny("name-twice", "arguments must not hold the same name twice");
        }
        match self.settings.forbidden.iter().find(|text| contains(&values, text)) {
            Some(text) => Review::deny("forbidden-text", format!("arguments must not contain `{text}`")),
            None => Review::Pass,
        }
    }
}

/// Whether `text` is part of any text in `value`.
fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(whole) => whole.contains(text),
        Value::Array(values) => values.iter().any(|value| contains(value, text)),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains(text) || contains(value, text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// How many members the objects in `value` have.
fn count_members(value: &Value) -> usize {
    match value {
        Value::Array(values) => values.iter().map(count_members).sum(),
        Value::Object(fields) => fields.values().map(|value| 1 + count_members(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// How many members the objects in a JSON text have: outside of strings each has a colon, and nothing else has.
fn count_written_members(json: &str) -> usize {
    let (mut count, mut in_string, mut is_escaped) = (0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            b':' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::Guard;
    use mcpjungle_policy::guard::Review;
    use mcpjungle_policy::testing::{FakeHost, client, item, request};

    use crate::policy;

    #[test]
    fn a_forbidden_text_is_found_wherever_and_however_it_is_written() {
        let policy = policy(r#"{"forbidden": ["/etc/"]}"#);
        for (arguments, passes) in [
            ("{}", true),
            (r#"{"path": "/tmp/a"}"#, true),
            (r#"{"path": "/etc/passwd"}"#, false),
            (r#"{"paths": [{"p": "\u002fetc\/passwd"}]}"#, false),
        ] {
            let item = item("tool files__read");
            let review = policy.review_arguments(&FakeHost::new(), &request(), &client("a"), &item, arguments);
            assert_eq!(review == Review::Pass, passes, "{arguments}: {review:?}");
        }
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused_however_deep_and_however_it_is_written() {
        let policy = policy(r#"{"forbidden": ["/etc/"]}"#);
        for (arguments, passes) in [
            (r#"{"path": "/etc/passwd", "path": "/tmp/a"}"#, false),
            (r#"{"files": [{"a": {"path": "/etc/passwd", "p\u0061th": "/tmp/a"}}]}"#, false),
            (r#"{"path": "/tmp/a", "files": [{"path": "/tmp/b"}, {"path": "a: \"b\": \\"}], "n": {"a:b": null}}"#, true),
        ] {
            let item = item("tool files__read");
            let review = policy.review_arguments(&FakeHost::new(), &request(), &client("a"), &item, arguments);
            assert_eq!(review == Review::Pass, passes, "{arguments}: {review:?}");
        }
    }
}
