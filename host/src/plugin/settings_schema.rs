//! Schemas that components bring along for their settings. They are a stranger's text, and holding
//! settings against one follows every reference in it, so what that can come to is found out first.

use std::collections::HashMap;

use serde_json::Value;

/// Parts of a schema, with every reference followed, that are held against settings.
const MOST_PARTS: u64 = 10_000;
/// Words by which a reference leads to somewhere that only shows while it is followed.
const UNFORESEEABLE: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"];

/// What is wrong with the schema as a whole, if anything; whether it is one is not looked at.
pub(super) fn check_size(schema: &Value) -> Result<(), &'static str> {
    let parts = Unfolding { root: schema, known: HashMap::new() }.count(schema, true)?;
    if parts <= MOST_PARTS { Ok(()) } else { Err(TOO_MUCH) }
}

const TOO_MUCH: &str = "with its references followed it has more than 10000 parts";

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
}
