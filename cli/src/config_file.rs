//! JSON configuration files of servers and groups, with `${VAR}` in string values filled in.

use std::path::Path;

use anyhow::{Context, bail};
use serde_json::{Map, Value};

use crate::environment::Environment;

/// Reads a file that holds one JSON object and fills in its placeholders.
pub(crate) fn read(written_path: &Path, environment: &Environment) -> anyhow::Result<Map<String, Value>> {
    let shown = written_path.display();
    let bytes =
        std::fs::read(environment.path(written_path)).with_context(|| format!("failed to read config file {shown}"))?;
    let mut config: Value =
        serde_json::from_slice(&bytes).with_context(|| format!("failed to parse config file: {shown}"))?;
    resolve(&mut config, environment).context("failed to resolve config file environment variables")?;
    match config {
        Value::Object(config) => Ok(config),
        _ => bail!("failed to parse config file: {shown}: must hold one JSON object"),
    }
}

/// A text field of the file; nothing where it is missing or not text: the gateway says what is wrong with it.
pub(crate) fn text<'a>(config: &'a Map<String, Value>, field: &str) -> &'a str {
    config.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Fills in every string value, however deep; names of fields stay.
fn resolve(value: &mut Value, environment: &Environment) -> anyhow::Result<()> {
    match value {
        Value::String(text) => *text = fill_in(text, environment)?,
        Value::Array(values) => values.iter_mut().try_for_each(|value| resolve(value, environment))?,
        Value::Object(fields) => fields.values_mut().try_for_each(|value| resolve(value, environment))?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// Replaces each `${NAME}`. What comes in is not looked at again.
fn fill_in(text: &str, environment: &Environment) -> anyhow::Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let placeholder = after.split_once('}').filter(|(name, _)| !name.is_empty() && !name.contains("${"));
        let Some((name, behind)) = placeholder else {
            bail!("invalid environment variable placeholder in {text:?}");
        };
        let value = environment.find(name).with_context(|| format!("environment variable {name} is not set"))?;
        filled.push_str(before);
        filled.push_str(value);
        rest = behind;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn environment() -> Environment {
        Environment::of(&[("A", "one"), ("EMPTY", ""), ("NESTED", "${A}")], Path::new("/"))
    }

    #[test]
    fn placeholders_are_filled_in_wherever_a_string_stands() {
        let mut value = json!({"${A}": "${A}-${A}$A", "list": ["${EMPTY}", 1, {"deep": "x${NESTED}"}], "n": null});
        resolve(&mut value, &environment()).unwrap();
        assert_eq!(value, json!({"${A}": "one-one$A", "list": ["", 1, {"deep": "x${A}"}], "n": null}));
    }

    #[test]
    fn what_cannot_be_filled_in_is_named() {
        for (text, message) in [
            ("${MISSING}", "environment variable MISSING is not set"),
            ("a${A", "invalid environment variable placeholder in \"a${A\""),
            ("${}", "invalid environment variable placeholder in \"${}\""),
            ("${A${A}}", "invalid environment variable placeholder in \"${A${A}}\""),
        ] {
            assert_eq!(fill_in(text, &environment()).unwrap_err().to_string(), message);
        }
    }
}
