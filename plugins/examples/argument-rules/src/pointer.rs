//! JSON pointers into a text: where a value is, and how another is put there without touching the rest.

use std::ops::Range;

use mcpjungle_policy::json;
use serde_json::Value;

/// A JSON pointer (RFC 6901) below the top.
pub(crate) struct Pointer(Vec<String>);

/// What a pointer leads to.
pub(crate) enum Found {
    /// A value, here in the text.
    Present(Range<usize>),
    /// Nothing.
    Absent(Option<Parent>),
}

/// The object that a pointer leads to before it leads no further.
pub(crate) struct Parent {
    /// Where it is in the text.
    place: Range<usize>,
    /// How many steps lead to it.
    steps: usize,
}

/// Why a pointer leads nowhere that could be told.
#[derive(Debug)]
pub(crate) enum PointerError {
    /// A member is there twice: servers do not agree on which one counts.
    Twice(String),
    /// A member of this name but in another case: servers that fold case take it for the one meant.
    Spelt(String),
    /// Nothing can be put there.
    NoPlace,
    /// The text is not JSON.
    Malformed(serde_json::Error),
}

impl Pointer {
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix('/') {
            Some(steps) => Ok(Self(steps.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect())),
            None => Err(format!("`{text}` is no JSON pointer to an argument, such as `/path`")),
        }
    }

    /// Where the value is in `text`.
    pub(crate) fn find(&self, text: &str) -> Result<Found, PointerError> {
        let mut value = json::whole(text).map_err(PointerError::Malformed)?;
        for (place, step) in self.0.iter().enumerate() {
            let next = match value.as_bytes().first() {
                Some(b'{') => member(value, step)?,
                Some(b'[') => element(value, step)?,
                _ => None,
            };
            let Some(next) = next else {
                let is_object = value.starts_with('{');
                return Ok(Found::Absent(is_object.then(|| Parent { place: range_in(text, value), steps: place })));
            };
            value = next;
        }
        Ok(Found::Present(range_in(text, value)))
    }

    /// The text with `value` where [`find`](Self::find) led, in objects that are made if they are not there.
    pub(crate) fn put(&self, text: &str, found: &Found, value: &Value) -> Result<String, PointerError> {
        match found {
            Found::Present(place) => Ok(format!("{}{value}{}", &text[..place.start], &text[place.end..])),
            Found::Absent(Some(Parent { place, steps })) => {
                let [name, below @ ..] = &self.0[*steps..] else { return Err(PointerError::NoPlace) };
                let name = Value::from(name.as_str());
                let value = below.iter().rev().fold(value.clone(), |value, name| Value::from_iter([(name, value)]));
                // Behind the last member, or behind the brace that opens.
                let inner = text[place.start..place.end - 1].trim_end();
                let comma = if inner == "{" { "" } else { "," };
                let at = place.start + inner.len();
                Ok(format!("{}{comma}{name}:{value}{}", &text[..at], &text[at..]))
            }
            Found::Absent(None) => Err(PointerError::NoPlace),
        }
    }
}

fn range_in(text: &str, part: &str) -> Range<usize> {
    json::place_in(text, part).expect("it was found in the text")
}

fn member<'a>(object: &'a str, name: &str) -> Result<Option<&'a str>, PointerError> {
    let members = json::members(object).map_err(PointerError::Malformed)?;
    let mut named = members.into_iter().filter(|(one, _)| is_same_when_folded(one, name));
    match (named.next(), named.next()) {
        // Some servers fold case, so a second spelling counts too.
        (Some(_), Some(_)) => Err(PointerError::Twice(name.to_owned())),
        (Some((spelt, _)), None) if spelt != name => Err(PointerError::Spelt(spelt)),
        (Some((_, value)), None) => Ok(Some(value)),
        (None, _) => Ok(None),
    }
}

/// Whether two names are one to readers that fold case.
fn is_same_when_folded(one: &str, other: &str) -> bool {
    // The two letters outside ASCII that Unicode folds into it.
    let fold = |letter: char| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        _ => letter.to_ascii_lowercase(),
    };
    one.chars().map(fold).eq(other.chars().map(fold))
}

fn element<'a>(list: &'a str, index: &str) -> Result<Option<&'a str>, PointerError> {
    let elements = json::elements(list).map_err(PointerError::Malformed)?;
    Ok(index.parse::<usize>().ok().and_then(|index| elements.get(index).copied()))
}

#[cfg(test)]
mod tests {
    use super::{Found, Pointer, PointerError};

    #[test]
    fn a_pointer_leads_through_objects_and_lists() {
        let text = r#"{"a": {"b/c": [1, 2.50]}, "a~": "x"}"#;
        for (pointer, expected) in [
            ("/a/b~1c/1", Some("2.50")),
            ("/a~0", Some("\"x\"")),
            ("/a/x", None),
            ("/a/b~1c/2", None),
            ("/a~0/b", None),
        ] {
            let found = match Pointer::parse(pointer).unwrap().find(text).unwrap() {
                Found::Present(place) => Some(&text[place]),
                Found::Absent(_) => None,
            };
            assert_eq!(found, expected, "{pointer}");
        }
    }

    #[test]
    fn a_member_that_is_there_twice_in_any_case_is_not_guessed() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"A":2}"#] {
            assert!(matches!(Pointer::parse("/a").unwrap().find(text), Err(PointerError::Twice(_))), "{text}");
        }
        for (pointer, text, spelling) in [
            ("/a", r#"{"A":1}"#, "A"),
            ("/sql", r#"{"\u017fql":1}"#, "\u{17f}ql"),
            ("/ask", r#"{"as\u212a":1}"#, "as\u{212a}"),
        ] {
            let found = Pointer::parse(pointer).unwrap().find(text);
            assert!(matches!(found, Err(PointerError::Spelt(spelt)) if spelt == spelling), "{text}");
        }
    }
}
