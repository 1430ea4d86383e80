//! `get resource`: what a resource is, or with `--read` what is in it.

use std::io::{self, Write as _};

use anyhow::Context;
use serde_json::value::RawValue;

use crate::api::{Api, Embedded};
use crate::arguments::ResourceArguments;
use crate::commands::attachment;
use crate::environment::Environment;
use crate::json_text;
use crate::printer::Printer;

pub(crate) async fn run(
    arguments: &ResourceArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    if arguments.read {
        read(&arguments.uri, api, environment, printer).await
    } else {
        show(&arguments.uri, api, printer).await
    }
}

async fn show(uri: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.get_resource(uri).await.with_context(|| format!("failed to get resource '{uri}'"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    let resource = answer.value;
    writeln!(printer, "Resource: {}\nURI: {}", resource.name, resource.uri)?;
    print_filled("MIME Type", &resource.mime_type, printer)?;
    print_filled("Description", &resource.description, printer)?;
    Ok(writeln!(printer, "Status: {}", if resource.enabled { "ENABLED" } else { "DISABLED" })?)
}

async fn read(uri: &str, api: &Api, environment: &Environment, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.read_resource(uri).await.with_context(|| format!("failed to read resource '{uri}'"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    for (number, contents) in (1..).zip(&answer.value.contents) {
        if number > 1 {
            writeln!(printer)?;
        }
        writeln!(printer, "Content {number}:\nURI: {}", contents.uri)?;
        print_filled("MIME Type", &contents.mime_type, printer)?;
        print_contents(contents, environment, printer)?;
    }
    Ok(())
}

fn print_contents(contents: &Embedded, environment: &Environment, printer: &mut Printer) -> anyhow::Result<()> {
    if let Some(text) = &contents.text {
        let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
        let shown = if is_json { json_text::pretty(text) } else { text.clone() };
        writeln!(printer, "{shown}")?;
    }
    if let Some(blob) = &contents.blob {
        let file = attachment::save(blob, "resource", ".bin", &environment.working_directory)
            .context("failed to save the blob")?;
        writeln!(printer, "[Blob content saved as {file}]")?;
    }
    Ok(())
}

fn print_filled(label: &str, value: &str, printer: &mut Printer) -> io::Result<()> {
    if value.is_empty() { Ok(()) } else { writeln!(printer, "{label}: {value}") }
}
