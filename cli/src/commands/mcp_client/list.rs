//! `list mcp-clients`.

use std::io::Write as _;

use super::print_access;
use crate::api::{Api, McpClient};
use crate::printer::Printer;

pub(in crate::commands) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_clients().await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no MCP clients in the registry")?);
    }
    for (number, client) in (1..).zip(&answer.value) {
        if number > 1 {
            writeln!(printer)?;
        }
        let McpClient { name, description, allow_list, .. } = client;
        writeln!(printer, "{number}. {name}")?;
        if !description.is_empty() {
            writeln!(printer, "Description:  {description}")?;
        }
        print_access("Allowed servers", allow_list, printer)?;
    }
    Ok(())
}
