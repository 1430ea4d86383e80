//! `plugin check`: whether a component can be installed, for people or as JSON.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use mcpjungle_host::workbench::check::{CheckReport, check};

use crate::arguments::CheckArguments;
use crate::commands::audit::read::plain;
use crate::commands::plugin::{settings, subject};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::progress::Progress;

pub(super) async fn run(
    arguments: &CheckArguments,
    environment: &Environment,
    progress: &Progress,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let subject = subject(&arguments.component, environment)?;
    let settings = settings::resolve(arguments.settings.as_deref(), environment)?;
    let checking = check(&subject, settings.as_deref());
    let report = progress.during("compiling and trying the component", checking).await?;
    if printer.is_json() {
        printer.json(&serde_json::to_string(&report).context("failed to write JSON")?)?;
    } else {
        print(&report, printer)?;
    }
    Ok(if report.is_installable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &CheckReport, printer: &mut Printer) -> io::Result<()> {
    let outcome = if report.is_installable { "can be installed" } else { "cannot be installed" };
    writeln!(printer, "{}: {outcome}", report.file)?;
    for (name, value) in facts(report) {
        writeln!(printer, "  {name:<12} {value}")?;
    }
    for problem in &report.problems {
        writeln!(printer, "\nproblem ({}): {}\n  what to do: {}", problem.place, problem.message, problem.fix)?;
    }
    for hint in &report.hints {
        writeln!(printer, "\nhint: {hint}")?;
    }
    Ok(())
}

/// What is known, in the order in which it was found out.
fn facts(report: &CheckReport) -> Vec<(&'static str, String)> {
    let text = |text: &str| (!text.is_empty()).then(|| plain(text));
    let is_read = report.digest.is_some();
    let imports: Vec<&str> = report.imports.iter().map(|import| short(&import.name)).collect();
    let facts = [
        ("digest", report.digest.clone()),
        ("size", report.size_bytes.map(|bytes| format!("{bytes} bytes"))),
        ("contract", report.contract.clone()),
        ("stages", text(&report.stages.join(", "))),
        ("version", text(&report.version)),
        ("summary", text(&report.summary)),
        ("reviews", report.guard.map(|guard| reviewed(guard.arguments, guard.results).to_owned())),
        ("imports", text(&imports.join(", "))),
        (
            "wasi",
            (report.wasi_imports > 0).then(|| format!("{} interfaces, with nothing behind them", report.wasi_imports)),
        ),
        ("install with", is_read.then(|| needs(&report.install_flags))),
        ("settings", settings_fact(report)),
        ("pool", report.is_pooled.map(|is_pooled| if is_pooled { "fits" } else { "does not fit" }.to_owned())),
        ("compile", report.compile_ms.map(|ms| compile_fact(ms, report.is_from_cache))),
        (
            "start",
            report
                .trial
                .as_ref()
                .map(|trial| format!("{:.2} ms, {} KiB of memory", trial.start_ms, trial.memory_bytes >> 10)),
        ),
    ];
    facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `mcpjungle:policy/key-value@0.1.0` without what is the same for all.
fn short(import: &str) -> &str {
    let name = import.rsplit_once('/').map_or(import, |(_, name)| name);
    name.split_once('@').map_or(name, |(name, _)| name)
}

fn reviewed(arguments: bool, results: bool) -> &'static str {
    match (arguments, results) {
        (true, true) => "arguments and results",
        (true, false) => "arguments",
        (false, true) => "results",
        (false, false) => "nothing with these settings",
    }
}

fn needs(flags: &[String]) -> String {
    if flags.is_empty() { "no grants and no flags".to_owned() } else { flags.join(" ") }
}

fn settings_fact(report: &CheckReport) -> Option<String> {
    let settings = report.settings.as_ref()?;
    let schema = if settings.has_schema { "with a schema" } else { "without a schema" };
    let given = match (settings.given, settings.accepted) {
        (true, true) => "those given are accepted",
        (true, false) => "those given are not accepted",
        (false, true) => "none are needed",
        (false, false) => "some are needed",
    };
    Some(format!("{schema}; {given}"))
}

/// How long compiling took, or that there was nothing to do.
pub(super) fn compile_fact(ms: f64, is_from_cache: bool) -> String {
    let cached = if is_from_cache { ", from the cache" } else { "" };
    format!("{ms:.1} ms{cached}")
}
