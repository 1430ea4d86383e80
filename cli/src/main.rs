//! The command `mcpjungle`: runs the gateway, or one command against a running gateway's HTTP API.
//!
//! In reading order:
//! - [`environment`]: all that is read from the surroundings, once.
//! - [`arguments`]: what was typed; [`help`] and [`usage_error`]: what is said about it.
//! - [`settings`], [`start::settings`]: what arguments, files and environment come to together.
//! - [`commands`]: what each command does, through [`api`], with its [`progress`], and [`printer`].
//! - [`start`]: the gateway itself; [`upkeep`]: its database, looked after on its own machine.

mod api;
mod arguments;
mod banner;
mod commands;
mod conf_file;
mod config_file;
mod environment;
mod help;
mod json_text;
mod printer;
mod progress;
mod settings;
mod start;
mod upkeep;
mod usage_error;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use environment::Environment;
use printer::Printer;

/// The hidden command under which a child process of the gateway is supervised.
const SUPERVISE: &str = "supervise";

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    // Before all else: one supervisor runs beside each child process, so it must be small and quick.
    if words.next_if(|word| word == SUPERVISE).is_some() {
        return mcpjungle_host::upstream::supervise(words.collect());
    }
    let mut printer = Printer::new();
    let outcome = run(&mut printer);
    printer.finish(outcome)
}

/// Parses the arguments and runs what they ask for.
fn run(printer: &mut Printer) -> anyhow::Result<ExitCode> {
    let arguments = match arguments::parse(std::env::args_os()) {
        Ok(arguments) => arguments,
        Err(interruption) => return usage_error::report(interruption, printer),
    };
    printer.set_json(arguments.global.json);
    let environment = Environment::collect();
    match arguments {
        Arguments { version: true, .. } => commands::version::show_own(printer),
        Arguments { command: None, .. } => help::show_root(printer),
        Arguments { command: Some(Command::Start(start)), .. } => start::run(&start, environment, printer),
        Arguments { command: Some(Command::Server(upkeep)), .. } => upkeep::run(&upkeep, environment, printer),
        Arguments { command: Some(Command::Validate(files)), .. } => {
            commands::validate::run(&files, &environment, &mut *printer)
        }
        Arguments { command: Some(Command::Plugin(plugin)), .. } if plugin.command.is_offline() => {
            commands::plugin::run_offline(&plugin, &environment, &mut *printer)
        }
        Arguments { command: Some(Command::Completion(shell)), .. } => commands::completion::run(&shell, printer),
        Arguments { command: Some(command), global, .. } => commands::run(&command, &global, &environment, printer),
    }
}
