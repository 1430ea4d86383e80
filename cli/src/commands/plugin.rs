//! `plugin`: policy components, from their project on.

mod new;

use std::process::ExitCode;

use crate::arguments::{PluginArguments, PluginCommand};
use crate::environment::Environment;
use crate::printer::Printer;

/// Runs one of these commands.
pub(crate) fn run(
    arguments: &PluginArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        PluginCommand::New(new) => new::run(new, environment, printer),
    }
}
