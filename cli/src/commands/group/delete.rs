//! `delete group`.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::commands::print_deleted;
use crate::printer::Printer;

pub(crate) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    api.delete_group(name).await.context("failed to delete the tool group")?;
    if printer.is_json() {
        return Ok(print_deleted(name, printer)?);
    }
    Ok(writeln!(printer, "Tool group '{name}' deleted successfully!")?)
}
