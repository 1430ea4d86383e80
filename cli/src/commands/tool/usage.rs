//! `usage`: what a tool does and what input it takes.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::json_text;
use crate::printer::Printer;

pub(crate) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.get_tool(name).await.with_context(|| format!("failed to get tool '{name}'"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let tool = answer.value;
    writeln!(printer, "{}\n{}", tool.name, tool.description)?;
    let parameters = tool.input_schema;
    if parameters.properties.is_empty() {
        writeln!(printer, "This tool does not require any input parameters.")?;
    } else {
        writeln!(printer, "\nInput Parameters:")?;
    }
    for (key, schema) in &parameters.properties {
        let kind = if parameters.required.contains(key) { "required" } else { "optional" };
        let rule = "=".repeat(key.len() + kind.len() + 20);
        writeln!(printer, "{rule}\n{key} ({kind})\n{}\n{rule}\n", json_text::pretty(schema.get()))?;
    }
    if !tool.annotations.is_empty() {
        writeln!(printer, "Annotations:")?;
    }
    for (key, value) in &tool.annotations {
        writeln!(printer, "* {key} = {}", json_text::plain(value))?;
    }
    Ok(())
}
