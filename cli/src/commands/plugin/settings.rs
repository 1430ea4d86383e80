//! Settings of a component as they are given: in a file, or as JSON in place.

use std::path::Path;

use anyhow::{anyhow, bail};
use mcpjungle_host::configuration;
use serde_json::{Map, Value};

use crate::environment::Environment;

/// What is said wherever it is something else.
const EXPECTED: &str =
    "give a JSON object, such as '{\"deny\": [\"github__*\"]}', or a JSON or YAML file that holds an object";

/// A JSON object as text; `None` where nothing was given.
pub(super) fn resolve(written: Option<&str>, environment: &Environment) -> anyhow::Result<Option<String>> {
    let settings = written.map(|written| read(written, environment)).transpose()?;
    Ok(settings.map(|settings| Value::Object(settings).to_string()))
}

/// The object that `--settings` stands for.
pub(super) fn read(written: &str, environment: &Environment) -> anyhow::Result<Map<String, Value>> {
    if written.trim().is_empty() {
        bail!("--settings is empty: {EXPECTED}");
    }
    // As no file's name does.
    if written.trim_start().starts_with('{') {
        return serde_json::from_str(written)
            .map_err(|error| anyhow!("--settings is not valid JSON: {error}; {EXPECTED}"));
    }
    match std::fs::read_to_string(environment.path(written)) {
        Ok(text) => read_text(written, &text),
        Err(error) => match serde_json::from_str::<Value>(written) {
            Ok(value) => bail!("--settings is {}, not an object: {EXPECTED}", kind(&value)),
            Err(_) => bail!("--settings names the file {written}, which cannot be read: {error}; {EXPECTED}"),
        },
    }
}

fn read_text(file: &str, text: &str) -> anyhow::Result<Map<String, Value>> {
    let source = configuration::Source { shown: file, path: Path::new(file), text };
    match configuration::read(source).map_err(|problem| anyhow!("{problem}"))? {
        Value::Object(settings) => Ok(settings),
        Value::Null => bail!("--settings names the file {file}, which holds nothing: {EXPECTED}"),
        other => bail!("--settings names the file {file}, which holds {}, not an object: {EXPECTED}", kind(&other)),
    }
}

/// What a value is, without it: it may be long, or a secret.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "`null`",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
