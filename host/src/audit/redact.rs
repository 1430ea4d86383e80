//! Arguments and results, where an administrator wants them recorded: without what looks like a
//! secret, and cut where they are long.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::server::AuditDetail;

/// Stands in place of a value whose key looks like that of a secret.
const REDACTED: &str = "[redacted]";
/// Text that is longer is not looked into, and so not recorded at all.
const MAX_LOOKED_INTO: usize = 1 << 20;
/// How deep JSON in strings in JSON is looked into.
const MAX_NESTING: usize = 4;

/// A key that has one of these in it is a secret's, written in whatever case and with whatever
/// between its words.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "bearer",
    "jwt",
    "sessionid",
];
/// A key that is one of these is a secret's.
const SECRET_NAMES: [&str; 6] = ["auth", "pass", "pwd", "pin", "otp", "cvv"];

/// Text to be recorded, as it was taken from a call.
#[derive(Debug, Clone)]
pub struct Captured {
    /// `None` where it is longer than what is looked into, or there was no room for it.
    text: Option<String>,
    bytes: usize,
    detail: Arc<AuditDetail>,
}

/// The same as it is recorded.
#[derive(Debug, Serialize)]
pub(super) struct Recorded {
    /// JSON text, redacted; only its beginning if `cut` says so.
    text: String,
    /// How long it was.
    bytes: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

impl Captured {
    /// Takes a copy: what is looked into may be gone by then.
    pub fn new(text: &str, detail: &Arc<AuditDetail>) -> Self {
        let copy = (text.len() <= MAX_LOOKED_INTO).then(|| text.to_owned());
        Self { text: copy, bytes: text.len(), detail: Arc::clone(detail) }
    }

    /// Keeps no more than how long it was.
    pub(super) fn forget(&mut self) {
        self.text = None;
    }

    /// How much memory it takes.
    pub(super) fn size(&self) -> usize {
        self.text.as_ref().map_or(0, String::len)
    }

    /// Looks into it, which takes time.
    pub(super) fn record(&self) -> Recorded {
        // Not JSON: there are no keys to go by, so nothing of it is kept.
        let value = self.text.as_ref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let Some(mut value) = value else {
            return Recorded { text: String::new(), bytes: self.bytes, cut: true };
        };
        redact(&mut value, &self.detail.redact, MAX_NESTING);
        let mut text = value.to_string();
        let limit = text.floor_char_boundary(usize::try_from(self.detail.max_bytes).unwrap_or(usize::MAX));
        let cut = limit < text.len();
        text.truncate(limit);
        Recorded { text, bytes: self.bytes, cut }
    }
}

fn redact(value: &mut Value, more: &[String], nesting: usize) {
    match value {
        Value::Object(members) => {
            for (key, value) in members {
                if is_secret(key, more) {
                    *value = Value::from(REDACTED);
                } else {
                    redact(value, more, nesting);
                }
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(|element| redact(element, more, nesting)),
        // Tools often answer with JSON in a text, or with a line of it for each thing.
        Value::String(text) if text.trim_start().starts_with(['{', '[', '"']) => {
            let inner = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect::<Result<Vec<_>, _>>();
            let Ok(mut inner) = inner else { return };
            if nesting == 0 {
                return *text = REDACTED.to_owned();
            }
            inner.iter_mut().for_each(|value| redact(value, more, nesting - 1));
            let inner: Vec<String> = inner.iter().map(Value::to_string).collect();
            *text = inner.join("\n");
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A name or an address without what looks like a secret in it: who one signs in as, and such values in a query.
pub(super) fn without_secrets(address: &str) -> Cow<'_, str> {
    if !address.contains("://") && !address.contains('?') {
        return Cow::Borrowed(address);
    }
    let (address, fragment) = address.split_at(address.find('#').unwrap_or(address.len()));
    let (address, query) = address.split_at(address.find('?').unwrap_or(address.len()));
    let (scheme, rest) = address.split_at(address.find("://").map_or(0, |at| at + 3));
    let authority = if scheme.is_empty() { "" } else { rest.split('/').next().unwrap_or_default() };
    let (sign_in, rest) = rest.split_at(authority.rfind('@').unwrap_or(0));
    let sign_in = if sign_in.is_empty() { "" } else { REDACTED };
    let parameter = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if is_secret(name.trim_start_matches('?'), &[]) => format!("{name}={REDACTED}"),
        _ => parameter.to_owned(),
    };
    let query: Vec<String> = query.split('&').map(parameter).collect();
    Cow::Owned(format!("{scheme}{sign_in}{rest}{}{fragment}", query.join("&")))
}

fn is_secret(key: &str, more: &[String]) -> bool {
    let key = folded(key);
    SECRET_NAMES.contains(&key.as_str())
        || SECRET_WORDS.iter().any(|word| key.contains(word))
        || more.iter().any(|word| key.contains(&folded(word)))
}

/// A key without case and without what stands between its words.
pub(crate) fn folded(key: &str) -> String {
    key.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &str, redact: &[&str], max_bytes: u32) -> (String, bool) {
        let redact = redact.iter().map(|&word| word.to_owned()).collect();
        let detail = AuditDetail { redact, max_bytes, ..AuditDetail::default() };
        let recorded = Captured::new(text, &Arc::new(detail)).record();
        assert_eq!(recorded.bytes, text.len());
        (recorded.text, recorded.cut)
    }

    #[test]
    fn values_of_keys_that_look_secret_are_replaced_at_every_depth() {
        for (text, expected) in [
            (r#"{"a":1,"Password":"x"}"#, r#"{"Password":"[redacted]","a":1}"#),
            (r#"{"a":[{"api-key":{"deep":"x"}}]}"#, r#"{"a":[{"api-key":"[redacted]"}]}"#),
            (
                r#"{"X_AUTHORIZATION":"x","authorName":"kept"}"#,
                r#"{"X_AUTHORIZATION":"[redacted]","authorName":"kept"}"#,
            ),
            (
                r#"{"customer SSN":7,"pin":1,"pinned":2}"#,
                r#"{"customer SSN":"[redacted]","pin":"[redacted]","pinned":2}"#,
            ),
            (r#"{"text":"{\"token\":\"x\"}"}"#, r#"{"text":"{\"token\":\"[redacted]\"}"}"#),
            (
                r#"{"text":"{\"token\":\"x\"}\n{\"pin\":1}"}"#,
                r#"{"text":"{\"token\":\"[redacted]\"}\n{\"pin\":\"[redacted]\"}"}"#,
            ),
            (r#"{"text":"\"{\\\"pin\\\":1}\""}"#, r#"{"text":"\"{\\\"pin\\\":\\\"[redacted]\\\"}\""}"#),
            (r#"{"text":"{not json token"}"#, r#"{"text":"{not json token"}"#),
            ("3", "3"),
        ] {
            assert_eq!(recorded(text, &["ssn"], 4096), (expected.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn json_that_is_too_deep_in_strings_to_be_looked_into_is_not_recorded() {
        let mut text = r#"{"token":"s3cret"}"#.to_owned();
        for _ in 0..=MAX_NESTING {
            text = serde_json::json!({ "text": text }).to_string();
        }
        let (recorded, _) = recorded(&text, &[], 4096);
        assert!(recorded.contains(REDACTED) && !recorded.contains("s3cret"), "{recorded}");
    }

    #[test]
    fn addresses_are_recorded_without_secrets() {
        for (address, expected) in [
            ("raw__echo", "raw__echo"),
            ("db__https://bob:pw@host/a@b", "db__https://[redacted]@host/a@b"),
            ("a://host/p?x=1&api_key=s&y#z", "a://host/p?x=1&api_key=[redacted]&y#z"),
            ("a:b?token=s&x=a@b", "a:b?token=[redacted]&x=a@b"),
            ("file:///home/me", "file:///home/me"),
        ] {
            assert_eq!(without_secrets(address), expected);
        }
    }

    #[test]
    fn what_is_long_is_cut_between_characters_and_what_is_huge_or_no_json_is_left_out() {
        assert_eq!(recorded(r#"{"a":"éé"}"#, &[], 7), (r#"{"a":""#.to_owned(), true));
        assert_eq!(recorded(r#"{"a":"éé"}"#, &[], 0), (String::new(), true));
        assert_eq!(recorded("password=x", &[], 4096), (String::new(), true));
        let huge = format!(r#"{{"a":"{}"}}"#, "x".repeat(MAX_LOOKED_INTO));
        assert_eq!(recorded(&huge, &[], 4096), (String::new(), true));
    }
}
