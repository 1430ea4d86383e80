//! Finding and masking parts of JSON text without changing any other byte.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// The JSON text of a member of an object; `None` if it has no such member, or is no object.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Option<&'a str> {
    let members: HashMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(object).ok()?;
    members.get(name).map(|value| value.get())
}

/// The JSON texts of an array's elements.
pub(crate) fn elements(array: &str) -> Vec<&str> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).unwrap_or_else(|error| panic!("{error}: {array}"));
    elements.into_iter().map(RawValue::get).collect()
}

/// A JSON string's value; `None` if it is something else.
pub(crate) fn text(value: &str) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(transparent)]
    struct Text(String);
    serde_json::from_str(value).ok().map(|Text(text)| text)
}

/// `whole` with each of `parts`, slices of it, replaced by `@`.
pub(crate) fn mask(whole: &str, parts: &[&str]) -> String {
    let mut masked = String::new();
    let mut copied = 0;
    for part in parts {
        let start = part.as_ptr() as usize - whole.as_ptr() as usize;
        masked.push_str(&whole[copied..start]);
        masked.push('@');
        copied = start + part.len();
    }
    masked + &whole[copied..]
}

/// On one line: line breaks between tokens may become spaces on the way, and nothing else may.
pub(crate) fn on_one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}
