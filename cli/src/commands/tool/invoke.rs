//! `invoke`: calls a tool and prints its answer.

use std::io::Write as _;

use anyhow::{Context, ensure};
use serde_json::value::RawValue;

use super::content::print_content;
use crate::api::{Api, ToolResult};
use crate::arguments::InvokeArguments;
use crate::environment::Environment;
use crate::json_text;
use crate::printer::Printer;

pub(crate) async fn run(
    arguments: &InvokeArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let input = parse_input(&arguments.input).context("invalid input")?;
    if let Some(group) = &arguments.group {
        check_group(group, &arguments.name, api, printer).await?;
    }
    let answer = api.invoke_tool(&arguments.name, input).await.context("failed to invoke tool")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    print_result(&answer.value, environment, printer)
}

/// The text is passed on as it was typed, after a check that it is one JSON object.
fn parse_input(text: &str) -> anyhow::Result<&RawValue> {
    let input: &RawValue = serde_json::from_str(text)?;
    ensure!(input.get().starts_with('{'), "must be a JSON object");
    Ok(input)
}

/// Refuses a tool that the group does not come to.
async fn check_group(name: &str, tool: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let group = api.get_group(name).await.with_context(|| format!("failed to get group '{name}'"))?.value;
    let effective = api.effective_tools(name).await?;
    ensure!(effective.iter().any(|member| member == tool), "tool '{tool}' is not available in group '{name}'");
    if printer.is_json() {
        return Ok(());
    }
    writeln!(printer, "Invoking tool '{tool}' from group '{name}'")?;
    if !group.description.is_empty() {
        writeln!(printer, "Group description: {}", group.description)?;
    }
    Ok(writeln!(printer)?)
}

fn print_result(result: &ToolResult, environment: &Environment, printer: &mut Printer) -> anyhow::Result<()> {
    if result.is_error {
        writeln!(printer, "The tool returned an error:")?;
    } else {
        writeln!(printer, "Response from tool:")?;
    }
    for (key, value) in &result.meta {
        writeln!(printer, "* {key} = {}", json_text::plain(value))?;
    }
    writeln!(printer)?;
    let mut unsaved = 0;
    for content in &result.content {
        // The tool has done its work: whatever else it says is still shown.
        if !print_content(content, environment, printer)? {
            unsaved += 1;
        }
        writeln!(printer)?;
    }
    if let Some(structured) = &result.structured_content {
        writeln!(printer, "** Structured Content **\n{}", json_text::pretty(structured.get()))?;
    }
    ensure!(unsaved == 0, "{unsaved} of the answer's attachments could not be saved");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_one_json_object_and_stays_as_typed() {
        assert_eq!(parse_input(r#" {"a": 1.0e2} "#).unwrap().get(), r#"{"a": 1.0e2}"#);
        for bad in ["", "[]", "1", "{", "{} {}", "null"] {
            assert!(parse_input(bad).is_err(), "{bad}");
        }
    }
}
