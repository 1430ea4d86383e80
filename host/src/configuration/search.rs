//! Where in a file something stands: a reader is led down a path and fails at its
//! end, and readers say where they failed.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::configuration::document::{Document, Place, place_of};

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list, counted from zero.
    Index(usize),
}

/// The place at the end of a path: of a key, or of a value.
pub(crate) fn find(text: &str, path: &[Step], is_key: bool) -> Option<Place> {
    // JSON is YAML too, but for a few escapes; then the place is not known.
    let error = Search { path, is_key }.deserialize(serde_norway::Deserializer::from_str(text)).err()?;
    // Other errors than our own have nothing to do with the place.
    if error.to_string().contains(FOUND) { place_of(&error) } else { None }
}

/// Where what a message puts in quotes stands, be it a value or a key.
pub(crate) fn place_of_quoted(document: Document<'_>, value: &Value, message: &str) -> Option<Place> {
    let quoted = message.split('\'').nth(1)?;
    let mut path = Vec::new();
    if find_value(value, quoted, &mut path) {
        return document.find_value(&path);
    }
    let fields = value.as_object()?.iter();
    let inside = fields.filter_map(|(field, value)| value.as_object()?.contains_key(quoted).then_some(field));
    let path = inside.map(|field| [Step::Key(field.clone()), Step::Key(quoted.to_owned())]).next()?;
    document.find_key(&path)
}

fn find_value(value: &Value, text: &str, path: &mut Vec<Step>) -> bool {
    let mut look = |step: Step, value: &Value| {
        path.push(step);
        let is_there = find_value(value, text, path);
        if !is_there {
            path.pop();
        }
        is_there
    };
    match value {
        Value::String(found) => found == text,
        Value::Array(values) => values.iter().enumerate().any(|(index, value)| look(Step::Index(index), value)),
        Value::Object(fields) => fields.iter().any(|(name, value)| look(Step::Key(name.clone()), value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// What a search fails with when it has arrived: readers then say where they are.
const FOUND: &str = "the place that was looked for";

/// Walks down a path and fails where it ends.
#[derive(Clone, Copy)]
struct Search<'p> {
    path: &'p [Step],
    is_key: bool,
}

impl Search<'_> {
    fn arrive<E: de::Error>(self) -> Result<(), E> {
        if self.path.is_empty() { Err(E::custom(FOUND)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.arrive()?;
        while let Some(key) = map.next_key_seed(KeySearch(self))? {
            match self.path {
                [Step::Key(wanted), rest @ ..] if *wanted == key => {
                    map.next_value_seed(Search { path: rest, ..self })?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.arrive()?;
        let Some((Step::Index(wanted), rest)) = self.path.split_first() else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        };
        for _ in 0..*wanted {
            seq.next_element::<IgnoredAny>()?;
        }
        seq.next_element_seed(Search { path: rest, ..self })?;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.arrive()
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.arrive()
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        self.arrive()
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.arrive()
    }
}

/// Reads a key, and fails at the one that is looked for.
struct KeySearch<'p>(Search<'p>);

impl<'de> DeserializeSeed<'de> for KeySearch<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySearch<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        match self.0.path {
            [Step::Key(wanted)] if self.0.is_key && wanted == key => Err(E::custom(FOUND)),
            _ => Ok(key.to_owned()),
        }
    }
}
