//! JSON as it stands, for guards: they see all that a server may see, and change no byte that they need not.
//!
//! A map of members would not do: of two with the same name it keeps one, and the server may go by the other.
//!
//! ```
//! use mcpjungle_policy::json;
//!
//! let arguments = r#"{"path": "/a", "path": "/b", "depth": 1.0}"#;
//! let members = json::members(arguments).unwrap();
//! let names: Vec<_> = members.iter().map(|(name, _)| name.as_str()).collect();
//! assert_eq!(names, ["path", "path", "depth"]);
//!
//! let depth = json::place_in(arguments, members[2].1).unwrap();
//! let rewritten = format!("{}2{}", &arguments[..depth.start], &arguments[depth.end..]);
//! assert_eq!(rewritten, r#"{"path": "/a", "path": "/b", "depth": 2}"#);
//! ```

use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// A JSON text without the white space around it: its first byte says what it is.
///
/// # Errors
///
/// If it is no JSON.
pub fn whole(text: &str) -> serde_json::Result<&str> {
    serde_json::from_str::<&RawValue>(text).map(RawValue::get)
}

/// The members of a JSON object: their names, and their values as they stand. In their order, and with those that
/// are there twice.
///
/// # Errors
///
/// If it is no JSON object.
pub fn members(object: &str) -> serde_json::Result<Vec<(String, &str)>> {
    serde_json::from_str(object).map(|Members(members)| members)
}

/// The elements of a JSON list as they stand.
///
/// # Errors
///
/// If it is no JSON list.
pub fn elements(list: &str) -> serde_json::Result<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(list)?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

/// Where a part of a text is that was found by the functions above; none if it is a part of another text.
pub fn place_in(text: &str, part: &str) -> Option<Range<usize>> {
    // It borrows from the text, so the distance of their beginnings is its place there.
    let start = (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let end = start + part.len();
    (end <= text.len()).then_some(start..end)
}

struct Members<'a>(Vec<(String, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;

        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                    members.push((name, value.get()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(MembersVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements_keep_their_order_and_their_bytes() {
        let text = " {\"a\\u0062\": [1.50, {}] , \"x\":null,\"x\": \"\\/\" } ";
        let found = members(text).unwrap();
        let expected = [("ab", "[1.50, {}]"), ("x", "null"), ("x", "\"\\/\"")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(elements(found[0].1).unwrap(), ["1.50", "{}"]);
        assert_eq!(whole(text).unwrap(), text.trim());
    }

    #[test]
    fn what_is_of_another_kind_or_no_json_is_an_error() {
        assert!(members("[]").is_err() && members("{").is_err() && members("{} {}").is_err());
        assert!(elements("{}").is_err() && elements("[1,]").is_err() && whole("nothing").is_err());
    }

    #[test]
    fn a_part_has_a_place_in_its_own_text_only() {
        let text = r#"{"a": [10, 20]}"#.to_owned();
        let list = members(&text).unwrap()[0].1;
        let twenty = elements(list).unwrap()[1];
        assert_eq!(place_in(&text, twenty), Some(11..13));
        assert_eq!(&text[place_in(&text, list).unwrap()], "[10, 20]");
        assert_eq!(place_in(list, &text), None);
    }
}
