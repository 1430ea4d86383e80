//! The help of `mcpjungle` without a command: what there is, grouped by how often it is needed.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Command;

use crate::printer::Printer;

const BASIC: [&str; 7] = ["start", "register", "list", "usage", "invoke", "deregister", "version"];

/// Prints it, as an answer to no command at all.
pub(crate) fn show_root(printer: &mut Printer) -> anyhow::Result<ExitCode> {
    write!(printer, "{}", crate::arguments::command().render_help())?;
    Ok(ExitCode::SUCCESS)
}

/// The text. What the commands are for comes from their own definitions.
pub(crate) fn root(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let visible = || command.get_subcommands().filter(|command| !command.is_hide_set());
    let mut text = format!("{about}\n\nUsage:\n  mcpjungle [command]\n");
    write_block(&mut text, "Basic Commands", visible().filter(|command| BASIC.contains(&command.get_name())));
    write_block(&mut text, "Advanced Commands", visible().filter(|command| !BASIC.contains(&command.get_name())));
    text.push_str(
        "
Examples:
  mcpjungle start
  mcpjungle register --name context7 --url https://mcp.context7.com/mcp

Flags:
  -h, --help           help for mcpjungle
      --json           print the API's answer as JSON in place of text
      --registry URL   base URL of the gateway (default `registry_url` in ~/.mcpjungle.conf, or http://127.0.0.1:8080)
  -v, --version        version for mcpjungle

Use \"mcpjungle [command] --help\" for more information about a command.
",
    );
    text
}

fn write_block<'a>(text: &mut String, title: &str, commands: impl Iterator<Item = &'a Command>) {
    let _ = writeln!(text, "\n{title}:");
    for command in commands {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(text, "  {:<11} {about}", command.get_name());
    }
}
