//! Schemas that components bring along for their settings. They are a stranger's text: holding settings
//! against one follows every reference in it, and compiles every pattern. So what that can come to is
//! found out first.

use std::collections::HashMap;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{PatternOptions, ValidationError};
use serde_json::Value;

/// Parts of a schema, with every reference followed, that are held against settings.
const MOST_PARTS: u64 = 10_000;
/// Patterns in a schema, and bytes of them all. A class of Unicode of a few bytes becomes some kilobytes when
/// it is read.
const MOST_PATTERNS: usize = 100;
const MOST_PATTERN_BYTES: usize = 8 << 10;
/// Bytes that one pattern may become when it is compiled, and that matching it may keep.
const COMPILED_PATTERN_BYTES: usize = 256 << 10;
/// What does not fit that is told, up to so many problems, and so many bytes of each.
const MOST_PROBLEMS: usize = 8;
const MOST_PROBLEM_BYTES: usize = 300;
/// Words by which a reference leads to somewhere that only shows while it is followed.
const UNFORESEEABLE: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"];

/// Why settings cannot be used, or the schema.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misfit {
    Schema(String),
    Settings(String),
}

/// Holds settings against a schema: work for a thread that may block. What does not fit is told
/// without the values, which may be secrets.
pub(super) fn check(schema: &str, settings: &str) -> Result<(), Misfit> {
    let unusable = |problem: &str| Misfit::Schema(problem.to_owned());
    let schema: Value = serde_json::from_str(schema).map_err(|error| unusable(&error.to_string()))?;
    check_size(&schema).and_then(|()| check_patterns(&schema)).map_err(unusable)?;
    // Patterns of this engine take time in proportion to the text, whatever they say.
    let patterns = PatternOptions::regex().size_limit(COMPILED_PATTERN_BYTES).dfa_size_limit(COMPILED_PATTERN_BYTES);
    let built = jsonschema::options().with_pattern_options(patterns).build(&schema);
    let validator = built.map_err(|error| match error.kind() {
        ValidationErrorKind::Format { format } if format == "regex" => Misfit::Schema(at_its_place(
            &error,
            "the gateway takes no such pattern: it is large, has look-around or back-references, or is none",
        )),
        _ => Misfit::Schema(explain(&error)),
    })?;
    let settings: Value = serde_json::from_str(settings).map_err(|error| Misfit::Settings(error.to_string()))?;
    let problems: Vec<_> = validator.iter_errors(&settings).take(MOST_PROBLEMS).map(|error| explain(&error)).collect();
    if problems.is_empty() { Ok(()) } else { Err(Misfit::Settings(problems.join("; "))) }
}

fn explain(error: &ValidationError<'_>) -> String {
    at_its_place(error, &error.masked_with("the value").to_string())
}

fn at_its_place(error: &ValidationError<'_>, problem: &str) -> String {
    let mut told = match error.instance_path().as_str() {
        "" => problem.to_owned(),
        path => format!("at {path}: {problem}"),
    };
    if told.len() > MOST_PROBLEM_BYTES {
        told.truncate(told.floor_char_boundary(MOST_PROBLEM_BYTES));
        told.push('…');
    }
    told
}

/// What is wrong with the schema as a whole, if anything; whether it is one is not looked at.
fn check_size(schema: &Value) -> Result<(), &'static str> {
    let parts = Unfolding { root: schema, known: HashMap::new() }.count(schema, true)?;
    if parts <= MOST_PARTS { Ok(()) } else { Err(TOO_MUCH) }
}

const TOO_MUCH: &str = "with its references followed it has more than 10000 parts";

/// Each is compiled once, however many references lead to it.
fn check_patterns(schema: &Value) -> Result<(), &'static str> {
    let mut patterns = Vec::new();
    find_patterns(schema, &mut patterns);
    let bytes: usize = patterns.iter().map(|pattern| pattern.len()).sum();
    if patterns.len() > MOST_PATTERNS || bytes > MOST_PATTERN_BYTES { Err(TOO_MANY_PATTERNS) } else { Ok(()) }
}

const TOO_MANY_PATTERNS: &str = "it has more than 100 patterns, or more than 8 KiB of them";

fn find_patterns<'a>(part: &'a Value, patterns: &mut Vec<&'a str>) {
    match part {
        Value::Array(members) => members.iter().for_each(|member| find_patterns(member, patterns)),
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::String(pattern) if name == "pattern" => patterns.push(pattern),
                    Value::Object(by_pattern) if name == "patternProperties" => {
                        patterns.extend(by_pattern.keys().map(String::as_str));
                    }
                    _ => {}
                }
                find_patterns(member, patterns);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

struct Unfolding<'a> {
    root: &'a Value,
    /// What each place comes to that a reference led to; `None` while it is followed.
    known: HashMap<&'a str, Option<u64>>,
}

impl<'a> Unfolding<'a> {
    fn count(&mut self, part: &'a Value, is_root: bool) -> Result<u64, &'static str> {
        let mut parts: u64 = 1;
        match part {
            Value::Array(members) => {
                for member in members {
                    parts = add(parts, self.count(member, false)?)?;
                }
            }
            Value::Object(members) => {
                for (name, member) in members {
                    if UNFORESEEABLE.contains(&name.as_str()) || (name == "$id" && !is_root) {
                        return Err("it has references other than `$ref` to a place in itself");
                    }
                    let of_member = match member.as_str().filter(|_| name == "$ref") {
                        Some(place) => self.follow(place)?,
                        None => self.count(member, false)?,
                    };
                    parts = add(parts, of_member)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
        Ok(parts)
    }

    /// A schema that refers to itself goes as deep as the settings do, which are short.
    fn follow(&mut self, place: &'a str) -> Result<u64, &'static str> {
        match self.known.get(place) {
            Some(Some(parts)) => return Ok(*parts),
            Some(None) => return Ok(1),
            None => {}
        }
        self.known.insert(place, None);
        let found = place.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer));
        // One that leads nowhere is found by whoever reads the schema.
        let parts = found.map_or(Ok(1), |found| self.count(found, std::ptr::eq(found, self.root)))?;
        self.known.insert(place, Some(parts));
        Ok(parts)
    }
}

fn add(parts: u64, more: u64) -> Result<u64, &'static str> {
    let sum = parts.saturating_add(more);
    if sum <= MOST_PARTS { Ok(sum) } else { Err(TOO_MUCH) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_that_double_are_too_much_and_those_that_settings_need_are_not() {
        let mut definitions = serde_json::Map::new();
        definitions.insert("a0".to_owned(), json!({ "type": "integer" }));
        for step in 1..=30 {
            let before = json!({ "$ref": format!("#/$defs/a{}", step - 1) });
            definitions.insert(format!("a{step}"), json!({ "allOf": [before, before] }));
        }
        let doubling = json!({ "$ref": "#/$defs/a30", "$defs": definitions });
        assert_eq!(check_size(&doubling), Err(TOO_MUCH));

        let tree = json!({
            "$id": "https://example.com/settings",
            "properties": { "rules": { "items": { "$ref": "#/$defs/rule" } }, "again": { "$ref": "#" } },
            "$defs": { "rule": { "properties": { "all": { "items": { "$ref": "#/$defs/rule" } } } } },
        });
        assert_eq!(check_size(&tree), Ok(()));
        assert!(check_size(&json!({ "items": { "$dynamicRef": "#x" } })).is_err());
        assert!(check_size(&json!({ "items": { "$id": "other" } })).is_err());
        assert_eq!(check_size(&json!(true)), Ok(()));
    }

    fn check(schema: &Value, settings: &Value) -> Result<(), Misfit> {
        super::check(&schema.to_string(), &settings.to_string())
    }

    #[test]
    fn patterns_that_would_take_much_memory_are_refused_and_those_that_settings_need_are_not() {
        let many: Vec<_> =
            (0..=MOST_PATTERNS).map(|number| json!({ "pattern": format!("[a-z]{{{number}}}") })).collect();
        let keys: serde_json::Map<_, _> = (0..200).map(|number| (format!("[a-z]{{{number}}}"), json!({}))).collect();
        for schema in [
            json!({ "anyOf": many }),
            json!({ "patternProperties": keys }),
            json!({ "pattern": r"\p{L}".repeat(2_000) }),
        ] {
            assert_eq!(check(&schema, &json!({})), Err(Misfit::Schema(TOO_MANY_PATTERNS.to_owned())));
        }
        for pattern in [r"\p{L}{1000}", "(?=a)b", "("] {
            let schema = json!({ "properties": { "name": { "pattern": pattern } } });
            let Err(Misfit::Schema(problem)) = check(&schema, &json!({})) else { panic!("{pattern}") };
            assert!(problem.starts_with("at /properties/name/pattern: the gateway takes no such pattern"), "{problem}");
        }
        let host = json!({ "properties": { "pattern": { "pattern": r"^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*$" } } });
        assert_eq!(check(&host, &json!({ "pattern": "a.example" })), Ok(()));
        assert!(matches!(check(&host, &json!({ "pattern": "A" })), Err(Misfit::Settings(_))));
    }

    #[test]
    fn what_does_not_fit_is_told_without_the_values() {
        let secret = "s3cret".repeat(1_000);
        let schema = json!({
            "properties": { "port": { "type": "integer" }, "key": { "enum": ["a", "b"] }, "name": { "maxLength": 3 } },
        });
        for member in ["port", "key", "name"] {
            let Err(Misfit::Settings(problem)) = check(&schema, &json!({ member: secret })) else { panic!("{member}") };
            assert!(problem.starts_with(&format!("at /{member}: the value is ")), "{problem}");
            assert!(!problem.contains("s3cret"), "{problem}");
        }
        let long = json!({ "x".repeat(10_000): 1 });
        let Err(Misfit::Settings(problem)) = check(&json!({ "additionalProperties": false }), &long) else { panic!() };
        assert!(problem.len() < 400, "{problem}");
    }
}
