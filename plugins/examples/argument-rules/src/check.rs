//! What a value may be.

use regex_lite::Regex;
use serde_json::Value;

use crate::folder::Folder;
use crate::{Rule, regex, sql};

/// The checks of one rule.
pub(crate) struct Checks {
    one_of: Option<Vec<Value>>,
    matches: Option<Regex>,
    must_not_match: Option<Regex>,
    max_length: Option<usize>,
    min: Option<f64>,
    max: Option<f64>,
    inside: Option<Vec<Folder>>,
    read_only_sql: bool,
    /// What the regular expression is called when it is broken.
    pattern: String,
}

impl Checks {
    pub(crate) fn read(rule: &Rule) -> Result<Self, String> {
        let folders = |texts: &Vec<String>| texts.iter().map(|text| Folder::parse(text)).collect::<Result<_, _>>();
        let checks = Self {
            one_of: rule.one_of.clone(),
            matches: rule.matches.as_deref().map(|pattern| regex(pattern, true)).transpose()?,
            must_not_match: rule.must_not_match.as_deref().map(|pattern| regex(pattern, false)).transpose()?,
            max_length: rule.max_length,
            min: rule.min,
            max: rule.max,
            inside: rule.inside.as_ref().map(folders).transpose()?,
            read_only_sql: rule.read_only_sql,
            pattern: rule.matches.clone().unwrap_or_default(),
        };
        let says_something = rule.required || rule.forbidden || rule.set.is_some() || rule.default.is_some();
        if !says_something && checks.are_none() {
            return Err(format!("it says nothing about `{}`: give it a check, `set` or `default`", rule.argument));
        }
        Ok(checks)
    }

    fn are_none(&self) -> bool {
        let has_text = self.matches.is_some() || self.must_not_match.is_some() || self.max_length.is_some();
        let has_number = self.min.is_some() || self.max.is_some();
        self.one_of.is_none() && !has_text && !has_number && self.inside.is_none() && !self.read_only_sql
    }

    /// The error goes on after "the argument … ". A list holds if each of its elements does.
    pub(crate) fn hold(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Array(elements) => elements.iter().try_for_each(|element| self.hold(element)),
            value => {
                self.check_choice(value)?;
                self.check_number(value)?;
                self.check_text(value)
            }
        }
    }

    fn check_choice(&self, value: &Value) -> Result<(), String> {
        match &self.one_of {
            Some(choices) if !choices.contains(value) => {
                let choices: Vec<String> = choices.iter().map(Value::to_string).collect();
                Err(format!("must be one of {}", choices.join(", ")))
            }
            _ => Ok(()),
        }
    }

    fn check_number(&self, value: &Value) -> Result<(), String> {
        if self.min.is_none() && self.max.is_none() {
            return Ok(());
        }
        // A number in quotes would pass a comparison of texts and be read as a number by some servers.
        let number = value.as_f64().ok_or("must be a number")?;
        match (self.min, self.max) {
            (Some(min), _) if number < min => Err(format!("must be at least {min}")),
            (_, Some(max)) if number > max => Err(format!("must be at most {max}")),
            _ => Ok(()),
        }
    }

    fn check_text(&self, value: &Value) -> Result<(), String> {
        let is_about_text = self.matches.is_some()
            || self.must_not_match.is_some()
            || self.max_length.is_some()
            || self.inside.is_some()
            || self.read_only_sql;
        if !is_about_text {
            return Ok(());
        }
        let text = value.as_str().ok_or("must be a text")?;
        if let Some(most) = self.max_length.filter(|&most| text.chars().count() > most) {
            return Err(format!("must have at most {most} characters"));
        }
        if self.matches.as_ref().is_some_and(|regex| !regex.is_match(text)) {
            return Err(format!("must match `{}`", self.pattern));
        }
        if self.must_not_match.as_ref().is_some_and(|regex| regex.is_match(text)) {
            return Err("holds what it may not".to_owned());
        }
        if let Some(folders) = &self.inside
            && !folders.iter().any(|folder| folder.holds(text))
        {
            let names: Vec<String> = folders.iter().map(|folder| format!("`{folder}`")).collect();
            return Err(format!("must be a path inside {}, without `..`", names.join(" or ")));
        }
        if self.read_only_sql {
            return sql::check_reads_only(text);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hold(check: Value, value: Value) -> Result<(), String> {
        let mut rule = check;
        rule["argument"] = json!("/a");
        Checks::read(&serde_json::from_value(rule).unwrap()).unwrap().hold(&value)
    }

    #[test]
    fn values_are_held_against_each_check() {
        for (check, value, expected) in [
            (json!({ "one_of": ["a"] }), json!("a"), None),
            (json!({ "one_of": ["a"] }), json!(["a", "b"]), Some("one of")),
            (json!({ "matches": "[a-z]+" }), json!("abc"), None),
            (json!({ "matches": "[a-z]+" }), json!("abc1"), Some("must match `[a-z]+`")),
            (json!({ "matches": "a|b" }), json!("ab"), Some("must match")),
            (json!({ "matches": "a" }), json!(1), Some("a text")),
            (json!({ "must_not_match": "(?i)secret" }), json!("a Secret"), Some("may not")),
            (json!({ "max_length": 2 }), json!("éé"), None),
            (json!({ "max_length": 2 }), json!("abc"), Some("at most 2")),
            (json!({ "min": 1, "max": 10 }), json!(10), None),
            (json!({ "min": 1, "max": 10 }), json!(0.5), Some("at least 1")),
            (json!({ "max": 10 }), json!("5"), Some("a number")),
            (json!({ "inside": ["/srv"] }), json!(["/srv/a", "/etc/passwd"]), Some("inside `/srv`")),
            (json!({ "read_only_sql": true }), json!("drop table x"), Some("DROP")),
        ] {
            let held = hold(check.clone(), value.clone());
            match (&held, expected) {
                (Ok(()), None) => {}
                (Err(problem), Some(word)) if problem.contains(word) => {}
                _ => panic!("{check} of {value}: {held:?}, expected {expected:?}"),
            }
        }
    }
}
