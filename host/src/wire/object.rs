//! Looking into a JSON object or array without building it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::ParseError;

/// The JSON texts of the named members of `object`, in the order asked for; each
/// is a slice of `object`. A named member that stands there twice is refused:
/// two readers might each take another one.
pub fn object_members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a str>; N], ParseError> {
    read_members(object, Members { names, unmistakable: &[] })
}

/// As [`object_members`]; a member that looks like a named one but for its case is
/// refused too: many readers of JSON fold case and take the last, and would read
/// what nobody was asked about.
pub fn unmistakable_members<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a str>; N], ParseError> {
    members_unlike(object, names, &names)
}

/// As [`unmistakable_members`], but what looks like one of `unmistakable` is refused as well.
pub(super) fn members_unlike<'a, const N: usize>(
    object: &'a str,
    names: [&str; N],
    unmistakable: &[&str],
) -> Result<[Option<&'a str>; N], ParseError> {
    read_members(object, Members { names, unmistakable })
}

fn read_members<'a, const N: usize>(
    object: &'a str,
    members: Members<'_, N>,
) -> Result<[Option<&'a str>; N], ParseError> {
    let mut deserializer = serde_json::Deserializer::from_str(object);
    deserializer.deserialize_map(members).map_err(|_| {
        ParseError::NotJsonRpc("`params` must be an object with each member once, and in one spelling of its name")
    })
}

struct Members<'n, const N: usize> {
    names: [&'n str; N],
    /// Empty where other spellings do not matter.
    unmistakable: &'n [&'n str],
}

impl<const N: usize> Members<'_, N> {
    fn is_mistakable(&self, key: &str) -> bool {
        !self.unmistakable.is_empty() && self.names.iter().chain(self.unmistakable).any(|name| looks_like(key, name))
    }
}

impl<'de, const N: usize> Visitor<'de> for Members<'_, N> {
    type Value = [Option<&'de str>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match self.names.iter().position(|name| *name == key.0) {
                Some(index) => {
                    let value: &'de RawValue = map.next_value()?;
                    if found[index].replace(value.get()).is_some() {
                        return Err(serde::de::Error::custom("duplicate member"));
                    }
                }
                None if self.is_mistakable(&key.0) => return Err(serde::de::Error::custom("look-alike member")),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// A JSON string, borrowed where it holds no escape.
#[derive(serde::Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Whether `key` is another spelling of `name`, as readers that fold case take it.
pub(super) fn looks_like(key: &str, name: &str) -> bool {
    // The two letters outside ASCII that Unicode folds into it.
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    };
    key != name && key.chars().map(fold).eq(name.chars().map(fold))
}

/// The JSON texts of the elements of `array`, each a slice of it; `None` if it is no array.
pub fn array_elements(array: &str) -> Option<Vec<&str>> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    Some(elements.into_iter().map(RawValue::get).collect())
}

/// The text that a JSON string stands for; `None` if it is no string.
pub fn borrowed_text(json: &str) -> Option<Cow<'_, str>> {
    serde_json::from_str::<Text<'_>>(json).ok().map(|text| text.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_are_spelled() {
        let object = r#"{"b":{"x":[1, 2]},"n\u0061me" : "t", "c":1e2}"#;
        let [name, c, missing] = object_members(object, ["name", "c", "missing"]).unwrap();
        assert_eq!((name, c, missing), (Some("\"t\""), Some("1e2"), None));
    }

    #[test]
    fn a_member_that_stands_there_twice_is_refused_only_if_it_matters() {
        assert!(object_members(r#"{"name":1,"n\u0061me":2}"#, ["name"]).is_err());
        assert!(object_members(r#"{"x":1,"x":2}"#, ["name"]).is_ok());
        assert!(object_members("[]", ["name"]).is_err());
    }

    #[test]
    fn elements_are_slices() {
        assert_eq!(array_elements("[ {\"a\": 1} ,2]"), Some(vec!["{\"a\": 1}", "2"]));
        assert_eq!(array_elements("{}"), None);
    }
}
