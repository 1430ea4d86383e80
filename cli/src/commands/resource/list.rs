//! `list resources`.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::printer::Printer;

pub(crate) async fn run(server: Option<&str>, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_resources(server).await.context("failed to list resources")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "No resources found")?);
    }
    for (number, resource) in (1..).zip(&answer.value) {
        writeln!(printer, "{number}. {}\n   URI: {}", resource.name, resource.uri)?;
        if !resource.description.is_empty() {
            writeln!(printer, "   Description:  {}", resource.description)?;
        }
        writeln!(printer)?;
    }
    Ok(())
}
