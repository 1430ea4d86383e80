//! `list tools`, of all servers, of one, or of a group.

use std::collections::HashSet;
use std::io::{self, Write as _};

use anyhow::{Context, ensure};
use serde_json::value::RawValue;

use crate::api::{Answer, Api, Tool};
use crate::printer::Printer;

pub(crate) async fn run(
    server: Option<&str>,
    group: Option<&str>,
    api: &Api,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    ensure!(
        server.is_none() || group.is_none(),
        "using both --server and --group flags together is currently not supported"
    );
    match group {
        Some(group) => list_group(group, api, printer).await,
        None => list_server(server, api, printer).await,
    }
}

async fn list_server(server: Option<&str>, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_tools(server).await.context("failed to list tools")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        match server {
            Some(server) => writeln!(printer, "There are no tools from mcp server '{server}'")?,
            None => writeln!(printer, "There are currently no tools in the registry")?,
        }
        return Ok(());
    }
    if let Some(server) = server {
        writeln!(printer, "Tools from server '{server}':\n")?;
    }
    Ok(print_tools(answer.value.iter(), printer)?)
}

/// The tools that the group comes to and that are registered, disabled ones too.
async fn list_group(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let context = || format!("failed to list tools in group '{name}'");
    let group = api.get_group(name).await.with_context(context)?.value;
    let effective: HashSet<String> = api.effective_tools(name).await.with_context(context)?.into_iter().collect();
    let mut answer = api.list_tools(None).await.with_context(context)?;
    if printer.is_json() {
        return Ok(printer.json(&narrowed(&answer, &effective)?)?);
    }
    answer.value.retain(|tool| effective.contains(&tool.name));
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no valid tools in group '{name}'")?);
    }
    match group.description.as_str() {
        "" => writeln!(printer, "Tools in group '{name}':\n")?,
        description => writeln!(printer, "Tools in group '{name}' ({description}):\n")?,
    }
    Ok(print_tools(answer.value.iter(), printer)?)
}

/// The API's own records, as they came, of those tools.
fn narrowed(answer: &Answer<Vec<Tool>>, effective: &HashSet<String>) -> anyhow::Result<String> {
    let records: Vec<&RawValue> = serde_json::from_str(&answer.body)?;
    let kept: Vec<&RawValue> = records
        .into_iter()
        .zip(&answer.value)
        .filter(|(_, tool)| effective.contains(&tool.name))
        .map(|(record, _)| record)
        .collect();
    Ok(serde_json::to_string(&kept)?)
}

fn print_tools<'a>(tools: impl Iterator<Item = &'a Tool>, printer: &mut Printer) -> io::Result<()> {
    for (number, tool) in (1..).zip(tools) {
        let state = if tool.enabled { "ENABLED" } else { "DISABLED" };
        writeln!(printer, "{number}. {}  [{state}]\n{}\n", tool.name, tool.description)?;
    }
    writeln!(printer, "Run 'usage <tool name>' to see a tool's usage or 'invoke <tool name>' to call one")
}
