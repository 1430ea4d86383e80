//! A file's text, JSON or YAML, and where in it something stands.

use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::configuration::search::{Step, find};

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
        find(self.text, path, is_key)
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

pub(super) fn place_of(error: &serde_norway::Error) -> Option<Place> {
    error.location().map(|location| Place { line: location.line(), column: location.column() })
}

/// `invalid type: string "…", expected a map` without the string.
pub(crate) fn without_value(message: &str) -> String {
    match message.split_once("string \"") {
        Some((before, rest)) if before.contains("invalid type: ") || before.contains("invalid value: ") => {
            let behind = rest.rsplit_once("\", expected").map_or("", |(_, behind)| behind);
            format!("{before}string, expected{behind}")
        }
        _ => message.to_owned(),
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
