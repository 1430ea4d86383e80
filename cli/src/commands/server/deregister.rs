//! `deregister`: removes an MCP server.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::commands::print_deleted;
use crate::printer::Printer;

pub(crate) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    api.deregister_server(name).await.with_context(|| format!("failed to deregister MCP server {name}"))?;
    if printer.is_json() {
        return Ok(print_deleted(name, printer)?);
    }
    writeln!(printer, "Successfully deregistered MCP server {name}")?;
    writeln!(printer, "Any tools, prompts or resources provided by this server have also been deregistered.")?;
    Ok(())
}
