//! `${VAR}` in string values: filled in from variables that the caller gives.

use serde_json::Value;
use thiserror::Error;

use crate::configuration::search::Step;

/// Looks a variable up; one that is set to nothing is there.
pub type Variables<'v> = dyn Fn(&str) -> Option<String> + Send + Sync + 'v;

/// Why a placeholder cannot be filled in.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum PlaceholderError {
    /// No such variable.
    #[error("environment variable {0} is not set")]
    NotSet(String),
    /// `${` that no name and `}` follow; with the text that holds it.
    #[error("invalid environment variable placeholder in {0:?}")]
    Malformed(String),
}

/// Fills in every string value, however deep; names of fields stay. What cannot
/// be filled in stays as it is, and is told with where it stands.
pub fn resolve(value: &mut Value, variables: &Variables<'_>) -> Vec<(Vec<Step>, PlaceholderError)> {
    let mut problems = Vec::new();
    resolve_below(value, variables, &mut Vec::new(), &mut problems);
    problems
}

fn resolve_below(
    value: &mut Value,
    variables: &Variables<'_>,
    path: &mut Vec<Step>,
    problems: &mut Vec<(Vec<Step>, PlaceholderError)>,
) {
    match value {
        Value::String(text) => match fill_in(text, variables) {
            Ok(filled) => *text = filled,
            Err(error) => problems.push((path.clone(), error)),
        },
        Value::Array(values) => {
            for (index, value) in values.iter_mut().enumerate() {
                path.push(Step::Index(index));
                resolve_below(value, variables, path, problems);
                path.pop();
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                path.push(Step::Key(name.clone()));
                resolve_below(value, variables, path, problems);
                path.pop();
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces each `${NAME}`. What comes in is not looked at again.
pub fn fill_in(text: &str, variables: &Variables<'_>) -> Result<String, PlaceholderError> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let placeholder = after.split_once('}').filter(|(name, _)| !name.is_empty() && !name.contains("${"));
        let Some((name, behind)) = placeholder else {
            return Err(PlaceholderError::Malformed(text.to_owned()));
        };
        let value = variables(name).ok_or_else(|| PlaceholderError::NotSet(name.to_owned()))?;
        filled.push_str(before);
        filled.push_str(&value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// A message about a filled-in value, with the placeholders again in place of what
/// came in: that may be a secret, and messages go into logs.
pub(crate) fn take_out(message: String, written: &Value, filled: &Value) -> String {
    let mut changed = Vec::new();
    collect_changed(written, filled, &mut changed);
    let taken_out = changed.iter().fold(message, |message, (written, filled)| {
        message
            .replace(&format!("'{filled}'"), &format!("'{written}'"))
            .replace(&format!(": {filled} ("), &format!(": {written} ("))
            .replace(&Value::from(*filled).to_string(), &Value::from(*written).to_string())
    });
    // Shorter ones hide nothing, and stand in any text.
    if changed.iter().any(|(_, filled)| filled.len() > 3 && taken_out.contains(*filled)) {
        return "it is not valid once its placeholders are filled in".to_owned();
    }
    taken_out
}

fn collect_changed<'v>(written: &'v Value, filled: &'v Value, changed: &mut Vec<(&'v str, &'v str)>) {
    match (written, filled) {
        (Value::String(written), Value::String(filled)) if written != filled => changed.push((written, filled)),
        (Value::Array(written), Value::Array(filled)) => {
            written.iter().zip(filled).for_each(|(written, filled)| collect_changed(written, filled, changed));
        }
        (Value::Object(written), Value::Object(filled)) => {
            written.values().zip(filled.values()).for_each(|(written, filled)| {
                collect_changed(written, filled, changed);
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(name: &str) -> Option<String> {
        let value = match name {
            "A" => "one",
            "EMPTY" => "",
            "NESTED" => "${A}",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn placeholders_are_filled_in_wherever_a_string_stands() {
        let mut value = json!({"${A}": "${A}-${A}$A", "list": ["${EMPTY}", 1, {"deep": "x${NESTED}"}], "n": null});
        assert_eq!(resolve(&mut value, &variables), []);
        assert_eq!(value, json!({"${A}": "one-one$A", "list": ["", 1, {"deep": "x${A}"}], "n": null}));
    }

    #[test]
    fn what_came_in_is_taken_out_of_messages() {
        let written = json!({"list": ["a"], "url": "http:///${A}", "words": ["b", "${B}"]});
        let filled = json!({"list": ["a"], "url": "http:///one", "words": ["b", "s3\"cret"]});
        for (message, expected) in [
            ("invalid url: 'http:///one' must be", "invalid url: 'http:///${A}' must be"),
            ("unsupported type: s3\"cret (there is a)", "unsupported type: ${B} (there is a)"),
            (r#"not "s3\"cret" please"#, "not \"${B}\" please"),
            ("it is xs3\"cretx", "it is not valid once its placeholders are filled in"),
            ("'a' and 'b' are 'x'", "'a' and 'b' are 'x'"),
        ] {
            assert_eq!(take_out(message.to_owned(), &written, &filled), expected);
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (text, message) in [
            ("${MISSING}", "environment variable MISSING is not set"),
            ("a${A", "invalid environment variable placeholder in \"a${A\""),
            ("${}", "invalid environment variable placeholder in \"${}\""),
            ("${A${A}}", "invalid environment variable placeholder in \"${A${A}}\""),
        ] {
            assert_eq!(fill_in(text, &variables).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn every_one_is_told_with_its_place() {
        let mut value = json!({"a": ["${A}", "${B}"], "c": "${"});
        let steps = |steps: &[Step]| steps.to_vec();
        let key = |name: &str| Step::Key(name.to_owned());
        assert_eq!(
            resolve(&mut value, &variables),
            [
                (steps(&[key("a"), Step::Index(1)]), PlaceholderError::NotSet("B".into())),
                (steps(&[key("c")]), PlaceholderError::Malformed("${".into())),
            ]
        );
        assert_eq!(value["a"][0], "one");
    }
}
