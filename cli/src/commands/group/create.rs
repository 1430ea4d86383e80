//! `create group`: a tool group from a file.

use std::io::Write as _;
use std::path::Path;

use anyhow::Context;

use crate::api::Api;
use crate::config_file;
use crate::environment::Environment;
use crate::printer::Printer;

pub(crate) async fn run(
    path: &Path,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let group = config_file::read(path, environment)?;
    let answer = api.create_group(&group).await.context("failed to create tool group")?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    writeln!(printer, "Tool Group {} created successfully", config_file::text(&group, "name"))?;
    writeln!(printer, "It is now accessible at the following streamable http endpoint:")?;
    Ok(writeln!(printer, "\n    {}\n", answer.value.streamable_http_endpoint)?)
}
