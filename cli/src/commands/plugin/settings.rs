//! Settings of a component as they are given: in a file, or as JSON in place.

use std::path::Path;

use anyhow::{Context, anyhow, bail};
use mcpjungle_host::configuration::{Source, read};
use serde_json::{Map, Value};

use crate::environment::Environment;

/// A JSON object as text; `None` where nothing was given.
pub(super) fn resolve(written: Option<&str>, environment: &Environment) -> anyhow::Result<Option<String>> {
    let Some(written) = written else { return Ok(None) };
    if written.trim_start().starts_with('{') {
        let settings: Map<String, Value> = serde_json::from_str(written).context("--settings is not a JSON object")?;
        return Ok(Some(Value::Object(settings).to_string()));
    }
    if written.trim().is_empty() {
        bail!("--settings is empty: give a file, or a JSON object such as '{{\"deny\": []}}'");
    }
    let path = environment.path(written);
    let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read the settings {written}"))?;
    let source = Source { shown: written, path: Path::new(written), text: &text };
    let settings: Map<String, Value> = read(source).map_err(|problem| anyhow!("{problem}"))?;
    Ok(Some(Value::Object(settings).to_string()))
}
