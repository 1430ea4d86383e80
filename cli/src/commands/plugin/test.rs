//! `plugin test`: a line for each case, and what is different where one fails.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context;
use mcpjungle_host::workbench::cases::{self, CaseReport, Difference, TestReport, junit, shown};
use serde_json::Value;

use crate::arguments::TestArguments;
use crate::commands::plugin::{CasesText, subject};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::progress::Progress;

pub(super) async fn run(
    arguments: &TestArguments,
    environment: &Environment,
    progress: &Progress,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let subject = subject(&arguments.component, environment)?;
    let cases = CasesText::read(&arguments.cases, environment)?;
    let running = cases::run(&subject, cases.source(), arguments.filter.as_deref());
    let report = progress.during("running the cases", running).await?;
    if let Some(path) = &arguments.junit {
        let write = std::fs::write(environment.path(path), junit(&report));
        write.with_context(|| format!("failed to write {}", path.display()))?;
    }
    if printer.is_json() {
        printer.json(&serde_json::to_string(&report).context("failed to write JSON")?)?;
    } else {
        report.cases.iter().try_for_each(|case| print_case(case, &report.file, printer))?;
        print_summary(&report, printer)?;
    }
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print_case(case: &CaseReport, file: &str, printer: &mut Printer) -> io::Result<()> {
    let name = one_line(&case.name);
    if case.passed {
        return writeln!(printer, "ok    {name}");
    }
    let place = case.place.map(|place| format!(":{}", place.line)).unwrap_or_default();
    writeln!(printer, "FAIL  {name} ({file}{place}, {})", case.stage)?;
    for difference in &case.differences {
        print_difference(difference, printer)?;
    }
    for remark in &case.remarks {
        writeln!(printer, "      {remark}")?;
    }
    for line in &case.log {
        writeln!(printer, "      log: {line}")?;
    }
    Ok(())
}

fn print_difference(difference: &Difference, printer: &mut Printer) -> io::Result<()> {
    let at = if difference.at.is_empty() { String::new() } else { format!("{}: ", difference.at) };
    let side = |value: &Option<Value>| value.as_ref().map_or("nothing".to_owned(), outline);
    writeln!(printer, "      - expected {at}{}", side(&difference.expected))?;
    writeln!(printer, "      + got      {at}{}", side(&difference.got))
}

/// An answer as it is written in a cases file, without the braces around it.
fn outline(value: &Value) -> String {
    let text = shown(value);
    text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).map_or(text.clone(), str::to_owned)
}

fn print_summary(report: &TestReport, printer: &mut Printer) -> io::Result<()> {
    let asked = report.cases.len();
    let cases = if asked == 1 { "case" } else { "cases" };
    write!(printer, "\n{asked} {cases}: {} passed, {} failed", report.passed, report.failed)?;
    match report.left_out {
        0 => writeln!(printer),
        left_out => writeln!(printer, " ({left_out} left out by --filter)"),
    }
}

/// On one line, whatever the name holds; quotes stay as they are written.
fn one_line(name: &str) -> String {
    name.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}
