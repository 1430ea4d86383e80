//! What is said of a change that was made: the same for all of them.

use std::io::{self, Write as _};

use super::get::describe;
use crate::api::{Answer, Api, PluginChange, PluginStages};
use crate::commands::audit::read::plain;
use crate::printer::Printer;

/// Says what was done.
pub(super) fn run(made: anyhow::Result<Answer<PluginChange>>, printer: &mut Printer) -> anyhow::Result<()> {
    let made = made?;
    if printer.is_json() {
        return Ok(printer.json(&made.body)?);
    }
    print_change(&made.value, printer)?;
    Ok(writeln!(printer, "`mcpjungle plugin list` shows the policies as they run.")?)
}

/// The same, with the plugin that it was about.
pub(super) fn run_and_describe(
    made: anyhow::Result<Answer<PluginChange>>,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let made = made?;
    if printer.is_json() {
        return Ok(printer.json(&made.body)?);
    }
    print_change(&made.value, printer)?;
    if let Some(plugin) = &made.value.plugin {
        writeln!(printer)?;
        describe(plugin, printer)?;
        writeln!(printer)?;
        writeln!(
            printer,
            "{}",
            if plugin.fail_open {
                "It fails open: a call that it gives no answer to passes."
            } else {
                "It fails closed: a call that it gives no answer to is refused."
            }
        )?;
    }
    writeln!(printer, "`mcpjungle plugin list` shows it at work; `mcpjungle plugin rollback` undoes this change.")?;
    Ok(())
}

/// Undoes the last change, and says which that was: not another one, which somebody makes meanwhile.
pub(super) async fn roll_back(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let history = api.plugin_history().await?.value;
    let last = history.first();
    let made = api.roll_back_plugins(last.map(|last| last.id)).await;
    if let (Ok(_), Some(last), false) = (&made, last, printer.is_json()) {
        let by = if last.author.is_empty() { String::new() } else { format!(" by {}", plain(&last.author)) };
        writeln!(printer, "Undone: change {}{by}, {}.", last.id, plain(&last.change))?;
    }
    run(made, printer)
}

fn print_change(made: &PluginChange, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "Done: {} (change {}).", plain(&made.change), made.id)?;
    print_stages(made.plugin_stages.as_ref(), printer)?;
    match &made.problem {
        Some(problem) => writeln!(printer, "Without --safe-mode the gateway would still not start: {}", plain(problem)),
        None if made.runs => Ok(()),
        None => writeln!(printer, "The gateway is in safe mode: this runs once it is started without --safe-mode."),
    }
}

/// Where one component takes the place of another: the stages at which only one of them is asked.
pub(super) fn print_stages(stages: Option<&PluginStages>, printer: &mut Printer) -> io::Result<()> {
    let Some(PluginStages { old, new }) = stages else { return Ok(()) };
    let without = |stages: &[String], others: &[String]| {
        let left: Vec<_> = stages.iter().filter(|stage| !others.contains(stage)).cloned().collect();
        left.join(", ")
    };
    let (lost, gained) = (without(old, new), without(new, old));
    if lost.is_empty() && gained.is_empty() {
        return Ok(());
    }
    writeln!(printer, "OTHER STAGES: {} -> {}", old.join(", "), new.join(", "))?;
    if !lost.is_empty() {
        writeln!(printer, "  lost:   {lost} (it decides nothing there any more)")?;
    }
    if !gained.is_empty() {
        writeln!(printer, "  gained: {gained}")?;
    }
    Ok(())
}
