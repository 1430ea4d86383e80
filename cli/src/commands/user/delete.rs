//! `delete user`.

use std::io::Write as _;

use crate::api::Api;
use crate::commands::print_deleted;
use crate::printer::Printer;

pub(in crate::commands) async fn run(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    api.delete_user(name).await?;
    if printer.is_json() {
        return Ok(print_deleted(name, printer)?);
    }
    Ok(writeln!(printer, "User '{name}' deleted successfully (if they existed)")?)
}
