//! `plugin get`.

use std::io::{self, Write as _};

use crate::api::{Api, Plugin};
use crate::commands::audit::read::plain;
use crate::json_text;
use crate::printer::Printer;

pub(super) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.get_plugin(name).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    Ok(describe(&answer.value, printer)?)
}

/// All that there is to say of a plugin.
pub(super) fn describe(plugin: &Plugin, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "{}", plugin.name)?;
    if !plugin.summary.is_empty() {
        writeln!(printer, "{}", plain(&plugin.summary))?;
    }
    let state = match (plugin.state.as_str(), plugin.running) {
        ("enabled", false) => "enabled, but not running here",
        (state, _) => state,
    };
    writeln!(printer, "State:      {state}")?;
    writeln!(printer, "Component:  {}", plugin.component)?;
    if let Some(file) = &plugin.file {
        writeln!(printer, "File:       {}", plain(file))?;
    }
    if !plugin.component.ends_with(&plugin.digest) {
        writeln!(printer, "Digest:     sha256:{}", plugin.digest)?;
    }
    if !plugin.version.is_empty() {
        writeln!(printer, "Version:    {}", plain(&plugin.version))?;
    }
    writeln!(printer, "Stages:     {}", listed(&plugin.stages))?;
    writeln!(printer, "Grants:     {}", listed(&plugin.grants))?;
    let limits: Vec<_> = plugin.limits.iter().map(|(name, value)| format!("{name} {value}")).collect();
    writeln!(printer, "Limits:     {}", limits.join(", "))?;
    writeln!(printer, "Isolation:  {}", plugin.isolation)?;
    writeln!(printer, "Fails:      {}", if plugin.fail_open { "open" } else { "closed" })?;
    writeln!(printer, "Earlier:    {} version(s) to go back to", plugin.previous_versions)?;
    if plugin.settings.as_object().is_some_and(|settings| !settings.is_empty()) {
        writeln!(printer, "Settings:\n{}", json_text::pretty(&plugin.settings.to_string()))?;
    }
    Ok(())
}

fn listed(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}
