//! `list prompts`.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::printer::Printer;

pub(crate) async fn run(server: Option<&str>, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_prompts(server).await.context("failed to list prompts")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "No prompts found")?);
    }
    for (number, prompt) in (1..).zip(&answer.value) {
        let state = if prompt.enabled { "ENABLED" } else { "DISABLED" };
        writeln!(printer, "{number}. {}  [{state}]\n{}\n", prompt.name, prompt.description)?;
    }
    Ok(writeln!(printer, "Run 'get prompt <prompt name>' to retrieve a prompt template")?)
}
