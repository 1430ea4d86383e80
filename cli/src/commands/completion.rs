//! `completion`: the script with which a shell completes our arguments.

use std::io::Write as _;
use std::process::ExitCode;

use crate::arguments::{self, CompletionArguments};
use crate::printer::Printer;

/// Writes it to standard output.
pub(crate) fn run(arguments: &CompletionArguments, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let mut command = arguments::plain_command();
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell(), &mut command, "mcpjungle", &mut script);
    printer.write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
