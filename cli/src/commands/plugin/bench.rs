//! `plugin bench`: figures in a table, or as JSON.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use mcpjungle_host::workbench::bench::{BenchReport, bench};

use crate::arguments::BenchArguments;
use crate::commands::plugin::check::compile_fact;
use crate::commands::plugin::{CasesText, settings, subject};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::progress::Progress;

pub(super) async fn run(
    arguments: &BenchArguments,
    environment: &Environment,
    progress: &Progress,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let subject = subject(&arguments.component, environment)?;
    let settings = settings::resolve(arguments.settings.as_deref(), environment)?;
    let cases = arguments.cases.as_ref().map(|path| CasesText::read(path, environment)).transpose()?;
    let measuring = bench(&subject, cases.as_ref().map(CasesText::source), settings.as_deref());
    let report = progress.during("measuring, 10 seconds at most", measuring).await?;
    if printer.is_json() {
        printer.json(&serde_json::to_string(&report).context("failed to write JSON")?)?;
    } else {
        print(&report, printer)?;
    }
    if let Some(reason) = &report.stopped {
        printer.note(format_args!("stopped: {reason}"))?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn print(report: &BenchReport, printer: &mut Printer) -> io::Result<()> {
    let pool = if report.is_pooled { "" } else { "; its instances do not fit the pool" };
    writeln!(printer, "{} ({} bytes{pool})", report.component, report.size_bytes)?;
    writeln!(printer, "  compile   {}", compile_fact(report.compile_ms, report.is_from_cache))?;
    if let Some(instance) = &report.instance {
        let (p50, p99) = (microseconds(instance.p50_us), microseconds(instance.p99_us));
        let (started, memory) = (instance.started, instance.memory_bytes >> 10);
        writeln!(printer, "  instance  p50 {p50}, p99 {p99} to start ({started} started), {memory} KiB of memory")?;
    }
    writeln!(printer, "  memory    {} KiB at most in one instance", report.memory_peak_bytes >> 10)?;
    if report.stages.is_empty() {
        return Ok(());
    }
    let widest = report.stages.iter().map(|row| row.question.chars().count()).max().unwrap_or_default().max(8);
    writeln!(
        printer,
        "\n{:<16} {:<widest$} {:>10} {:>10} {:>8} {:>12}",
        "stage", "question", "p50", "p99", "calls", "calls/s"
    )?;
    for row in &report.stages {
        let (p50, p99) = (microseconds(row.p50_us), microseconds(row.p99_us));
        writeln!(
            printer,
            "{:<16} {:<widest$} {p50:>10} {p99:>10} {:>8} {:>12.0}",
            row.stage, row.question, row.calls, row.calls_per_second
        )?;
    }
    Ok(())
}

/// In the unit that people read.
fn microseconds(time: f64) -> String {
    if time < 1_000.0 { format!("{time:.1} µs") } else { format!("{:.1} ms", time / 1_000.0) }
}
