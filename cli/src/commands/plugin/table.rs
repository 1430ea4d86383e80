//! Columns that are as wide as what stands in them.

use std::io::{self, Write as _};

use crate::commands::audit::read::plain;
use crate::printer::Printer;

/// Prints rows under a head, each line behind the margin.
pub(super) fn print(margin: &str, head: &[&str], rows: &[Vec<String>], printer: &mut Printer) -> io::Result<()> {
    // What a component says of itself cannot move the cursor of a terminal.
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(String::as_str);
        cells.chain([head[column]]).map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}"));
        format!("{margin}{}", padded.collect::<Vec<_>>().join("  ")).trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|&word| word.to_owned()).collect();
    std::iter::once(&head).chain(&rows).try_for_each(|cells| writeln!(printer, "{}", line(cells)))
}
