//! `list users`.

use std::io::Write as _;

use crate::api::Api;
use crate::printer::Printer;

pub(in crate::commands) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_users().await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no users in the registry")?);
    }
    for (number, user) in (1..).zip(&answer.value) {
        let label = if user.is_admin() { "  [ADMIN]" } else { "" };
        writeln!(printer, "{number}. {}{label}", user.username)?;
    }
    Ok(())
}
