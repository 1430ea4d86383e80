//! Configuration files of servers and groups, JSON or YAML, with `${VAR}` in string values filled in.

use std::path::Path;

use anyhow::{Context, bail};
use mcpjungle_host::configuration::{CLIENT_FILE, Format, resolve};
use serde_json::{Map, Value};

use crate::environment::Environment;

/// Reads a file that holds one object and fills in its placeholders.
pub(crate) fn read(written_path: &Path, environment: &Environment) -> anyhow::Result<Map<String, Value>> {
    let shown = written_path.display();
    let text = std::fs::read_to_string(environment.path(written_path))
        .with_context(|| format!("failed to read config file {shown}"))?;
    let parsed: anyhow::Result<Value> = match Format::of(written_path, &text) {
        Format::Json => serde_json::from_str(&text).map_err(anyhow::Error::from),
        Format::Yaml => serde_norway::from_str(&text).map_err(anyhow::Error::from),
    };
    let mut config = parsed.with_context(|| format!("failed to parse config file: {shown}"))?;
    let problems = resolve(&mut config, &|name: &str| environment.find(name).map(str::to_owned));
    if let Some((_, error)) = problems.into_iter().next() {
        return Err(error).context("failed to resolve config file environment variables");
    }
    match config {
        // What newcomers have at hand.
        Value::Object(config) if config.contains_key("mcpServers") => bail!("{shown}: {CLIENT_FILE}"),
        Value::Object(config) => Ok(config),
        _ => bail!("failed to parse config file: {shown}: must hold one object"),
    }
}

/// A text field of the file; nothing where it is missing or not text: the gateway says what is wrong with it.
pub(crate) fn text<'a>(config: &'a Map<String, Value>, field: &str) -> &'a str {
    config.get(field).and_then(Value::as_str).unwrap_or_default()
}
