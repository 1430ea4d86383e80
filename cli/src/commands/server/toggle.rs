//! `enable server` and `disable server`.

use std::io::{self, Write as _};

use anyhow::Context;

use crate::api::Api;
use crate::commands::Toggle;
use crate::printer::Printer;

pub(crate) async fn run(toggle: Toggle, name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api
        .toggle_server(name, toggle.verb())
        .await
        .with_context(|| format!("failed to {} server {name}", toggle.verb()))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    writeln!(printer, "MCP server '{name}' {} successfully!", toggle.done())?;
    print_affected("tools", toggle, &answer.value.tools_affected, printer)?;
    print_affected("prompts", toggle, &answer.value.prompts_affected, printer)?;
    Ok(())
}

fn print_affected(kind: &str, toggle: Toggle, names: &[String], printer: &mut Printer) -> io::Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    writeln!(printer, "Following MCP {kind} have been {}:", toggle.done())?;
    names.iter().try_for_each(|name| writeln!(printer, "    - {name}"))?;
    writeln!(printer)
}
