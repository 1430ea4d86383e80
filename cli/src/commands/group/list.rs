//! `list groups`.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::printer::Printer;

pub(crate) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_groups().await.context("failed to list tool groups")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no tool groups in the registry")?);
    }
    for (number, group) in (1..).zip(&answer.value) {
        if number > 1 {
            writeln!(printer)?;
        }
        writeln!(printer, "{number}. {}", group.name)?;
        if !group.description.is_empty() {
            writeln!(printer, "{}", group.description)?;
        }
    }
    Ok(())
}
