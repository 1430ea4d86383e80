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
        let Ok(arguments) = serde_json::from_str::<Value>(arguments) else {
            return Review::deny("not-json", "the arguments are not JSON");
        };
        match self.settings.forbidden.iter().find(|text| contains(&arguments, text)) {
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
}
