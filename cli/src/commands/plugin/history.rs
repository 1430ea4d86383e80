//! `plugin history`: the last change first.

use std::io::Write as _;

use super::table;
use crate::api::{Api, HistoryEntry};
use crate::printer::Printer;

pub(super) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.plugin_history().await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "Nobody has changed the plugins yet")?);
    }
    let row = |entry: &HistoryEntry| {
        let author = if entry.author.is_empty() { "-" } else { &entry.author };
        vec![entry.id.to_string(), entry.at.clone(), author.to_owned(), entry.change.clone()]
    };
    let rows: Vec<_> = answer.value.iter().map(row).collect();
    Ok(table::print("", &["CHANGE", "AT", "BY", "WHAT"], &rows, printer)?)
}
