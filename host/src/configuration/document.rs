//! A file's text, JSON or YAML, and where in it something stands.

use std::fmt;
use std::path::Path;

use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON value.
    Json,
    /// One YAML document.
    Yaml,
}

impl Format {
    /// By the file's name; where that says nothing, by its first character.
    pub fn of(path: &Path, text: &str) -> Self {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("json") => Self::Json,
            Some("yaml" | "yml" | "conf") => Self::Yaml,
            _ if text.trim_start().starts_with('{') => Self::Json,
            _ => Self::Yaml,
        }
    }
}

/// Where something stands in a file, both counted from one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

/// One step on the way to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list, counted from zero.
    Index(usize),
}

/// What a document cannot be read as, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) place: Option<Place>,
    pub(crate) message: String,
}

/// The text of a file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Document<'t> {
    text: &'t str,
    format: Format,
}

impl<'t> Document<'t> {
    pub(crate) fn new(path: &Path, text: &'t str) -> Self {
        Self { text, format: Format::of(path, text) }
    }

    /// Reads it as a `T`.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        match self.format {
            Format::Json => serde_json::from_str(self.text).map_err(|error| {
                // Line 0 is none: something is missing at no place in particular.
                let place = (error.line() > 0).then(|| Place { line: error.line(), column: error.column().max(1) });
                Misfit::new(place, &error)
            }),
            Format::Yaml => serde_norway::from_str(self.text).map_err(|error| Misfit::of_yaml(&error)),
        }
    }

    /// Where the last step of `path` stands: the key itself, or the item of a list.
    pub(crate) fn find_key(&self, path: &[Step]) -> Option<Place> {
        self.find(path, true)
    }

    /// Where the value at the end of `path` stands.
    pub(crate) fn find_value(&self, path: &[Step]) -> Option<Place> {
        self.find(path, false)
    }

    fn find(&self, path: &[Step], is_key: bool) -> Option<Place> {
        // JSON is YAML too, but for a few escapes; then the place is not known.
        let seed = Search { path, is_key };
        let error = seed.deserialize(serde_norway::Deserializer::from_str(self.text)).err()?;
        // Other errors than our own have nothing to do with the place.
        if error.to_string().contains(FOUND) { place_of(&error) } else { None }
    }
}

impl Misfit {
    fn new(place: Option<Place>, error: &impl fmt::Display) -> Self {
        let text = error.to_string();
        // The place is told apart; a value may be a secret.
        let told = place.map_or(text.as_str(), |Place { line, column }| {
            let by_reader = format!(" at line {line} column {column}");
            text.strip_suffix(&by_reader)
                .or_else(|| text.rsplit_once(" at line ").map(|(told, _)| told))
                .unwrap_or(&text)
        });
        Self { place, message: without_value(told) }
    }

    pub(crate) fn of_yaml(error: &serde_norway::Error) -> Self {
        Self::new(place_of(error), error)
    }
}

fn place_of(error: &serde_norway::Error) -> Option<Place> {
    error.location().map(|location| Place { line: location.line(), column: location.column() })
}

/// `invalid type: string "…", expected a map` without the string.
fn without_value(message: &str) -> String {
    match message.split_once("string \"") {
        Some((before, rest)) if before.contains("invalid type: ") || before.contains("invalid value: ") => {
            let behind = rest.rsplit_once("\", expected").map_or("", |(_, behind)| behind);
            format!("{before}string, expected{behind}")
        }
        _ => message.to_owned(),
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

/// Any object.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct Object(pub(crate) serde_json::Map<String, serde_json::Value>);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key(name.to_owned())
    }

    #[test]
    fn keys_and_values_are_found_in_json_and_in_yaml() {
        let json = "{\n\t\"a\": 1,\n  \"b\": {\"c\": [\"x\", \"y\"]}\n}";
        let yaml = "a: 1\nb:\n  c:\n    - x\n    - y\n";
        let deep = [key("b"), key("c"), Step::Index(1)];
        for (name, text, b, c, y) in
            [("f.json", json, (3, 3), (3, 9), (3, 20)), ("f.yaml", yaml, (2, 1), (3, 3), (5, 7))]
        {
            let document = Document::new(Path::new(name), text);
            let place = |(line, column)| Some(Place { line, column });
            assert_eq!(document.find_key(&[key("b")]), place(b), "{name}");
            assert_eq!(document.find_key(&deep[..2]), place(c), "{name}");
            assert_eq!(document.find_value(&deep), place(y), "{name}");
            assert_eq!(document.find_value(&[key("missing")]), None, "{name}");
        }
    }

    #[test]
    fn a_misfit_says_where_and_keeps_values_to_itself() {
        #[derive(Debug, Deserialize)]
        struct File {
            #[serde(rename = "headers")]
            _headers: std::collections::BTreeMap<String, String>,
        }
        for (name, text, line, column) in
            [("f.json", "{\n  \"headers\": \"s3\\\"cret\"\n}", 2, 23), ("f.yaml", "headers: s3cret", 1, 10)]
        {
            let misfit = Document::new(Path::new(name), text).read::<File>().unwrap_err();
            assert!(misfit.message.ends_with("invalid type: string, expected a map"), "{}", misfit.message);
            assert_eq!(misfit.place.map(|place| place.line), Some(line));
            assert!(misfit.place.is_some_and(|place| place.column <= column), "{misfit:?}");
        }
    }
}
