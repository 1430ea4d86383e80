//! Where a component and its settings come from: files, the gateway itself, or the command line.

use std::path::Path;

use anyhow::{Context, bail};
use mcpjungle_host::plugin::LARGEST_COMPONENT;
use serde_json::{Map, Value, json};

use super::settings;
use crate::api::Api;
use crate::arguments::{AddPlugin, PluginOptions, UpdatePlugin};
use crate::environment::Environment;

/// What `POST /plugins` takes. The component is uploaded if it is a file.
pub(super) async fn addition(plugin: &AddPlugin, api: &Api, environment: &Environment) -> anyhow::Result<Value> {
    let mut body = options(&plugin.options, "grants", environment)?;
    body.insert("name".to_owned(), json!(plugin.name));
    let places = [("replace", &plugin.replace), ("before", &plugin.before), ("after", &plugin.after)];
    for (word, other) in places {
        if let Some(other) = other {
            body.insert(word.to_owned(), json!(other));
        }
    }
    body.insert("component".to_owned(), json!(component(&plugin.component, api, environment).await?));
    Ok(Value::Object(body))
}

/// What `PATCH /plugins/{name}` takes.
pub(super) async fn changes(plugin: &UpdatePlugin, api: &Api, environment: &Environment) -> anyhow::Result<Value> {
    let mut body = options(&plugin.options, "grant", environment)?;
    if !plugin.revoke.is_empty() {
        body.insert("revoke".to_owned(), json!(plugin.revoke));
    }
    if plugin.fail_closed {
        body.insert("fail_open".to_owned(), json!(false));
    }
    if let Some(written) = &plugin.component {
        body.insert("component".to_owned(), json!(component(written, api, environment).await?));
    }
    if body.is_empty() {
        bail!("nothing to update: give another component, or at least one flag");
    }
    Ok(Value::Object(body))
}

fn options(options: &PluginOptions, grants: &str, environment: &Environment) -> anyhow::Result<Map<String, Value>> {
    let mut body = Map::new();
    if let Some(written) = &options.settings {
        body.insert("settings".to_owned(), Value::Object(settings::read(written, environment)?));
    }
    if !options.grant.is_empty() {
        body.insert(grants.to_owned(), json!(options.grant));
    }
    let numbers = [("deadline_ms", options.deadline), ("memory_mib", options.memory)];
    let limits: Map<_, _> =
        numbers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))).collect();
    if !limits.is_empty() {
        body.insert("limits".to_owned(), Value::Object(limits));
    }
    if let Some(isolation) = options.isolation {
        body.insert("isolation".to_owned(), json!(isolation.as_str()));
    }
    if options.fail_open {
        body.insert("fail_open".to_owned(), json!(true));
    }
    if !options.stages.is_empty() {
        body.insert("stages".to_owned(), json!(options.stages));
    }
    Ok(body)
}

/// As the API names it; a file is uploaded first.
async fn component(written: &str, api: &Api, environment: &Environment) -> anyhow::Result<String> {
    if written.starts_with("builtin:") || written.starts_with("sha256:") {
        return Ok(written.to_owned());
    }
    let path = environment.path(Path::new(written));
    let bytes = std::fs::read(&path).with_context(|| format!("cannot read the component {written}"))?;
    anyhow::ensure!(
        bytes.len() <= LARGEST_COMPONENT,
        "{written} is larger than {} MiB, the most that a component may have",
        LARGEST_COMPONENT >> 20
    );
    let shown = path.file_name().map_or_else(|| written.into(), |name| name.to_string_lossy());
    let uploaded = api.upload_component(&shown, bytes).await.with_context(|| format!("{written} was not accepted"))?;
    Ok(uploaded.component)
}
