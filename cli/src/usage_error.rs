//! Arguments that run no command: help goes to standard output, mistakes to standard error with status 1.

use std::io::Write as _;
use std::process::ExitCode;

use crate::arguments::Interruption;
use crate::printer::Printer;

/// Prints what there is to say instead of running a command.
pub(crate) fn report(interruption: Interruption, printer: &mut Printer) -> anyhow::Result<ExitCode> {
    match interruption {
        Interruption::Help(help) => {
            writeln!(printer, "{}", help.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Interruption::Usage { message, usage } => {
            printer.note(message)?;
            if !usage.is_empty() {
                printer.note(format_args!("\n{}", usage.trim_end()))?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
