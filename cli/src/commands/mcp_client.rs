//! Commands about MCP clients.

use std::io::{self, Write as _};

use crate::printer::Printer;

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod update;

/// The entries of an allow-list between commas.
fn split_allow_list(written: &str) -> Vec<String> {
    let entries = written.split(',').map(str::trim);
    entries.filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// Warns of an allow-list that allows everything.
fn note_wildcard(allow_list: &[String], printer: &mut Printer) -> io::Result<()> {
    if allow_list.iter().any(|entry| entry.trim() == "*") {
        printer.note("NOTE: This client will have access to all MCP Servers because a wildcard is used.")?;
        printer.note("This practice is highly discouraged!\n")?;
    }
    Ok(())
}

/// Prints what a client may use.
fn print_access(title: &str, allow_list: &[String], printer: &mut Printer) -> io::Result<()> {
    if allow_list.is_empty() {
        return writeln!(printer, "This client does not have access to any MCP servers.");
    }
    writeln!(printer, "{title}: {}", allow_list.join(","))
}
