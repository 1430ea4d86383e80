//! `delete mcp-client`.

use std::io::Write as _;

use crate::api::Api;
use crate::commands::print_deleted;
use crate::printer::Printer;

pub(in crate::commands) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    api.delete_client(name).await?;
    if printer.is_json() {
        return Ok(print_deleted(name, printer)?);
    }
    Ok(writeln!(printer, "MCP client '{name}' deleted successfully (if it existed)!")?)
}
