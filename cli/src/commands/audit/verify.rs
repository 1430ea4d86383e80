//! `audit verify`.

use std::io::Write as _;

use anyhow::{Context, bail};

use crate::api::Api;
use crate::printer::Printer;

/// Fails if anything is wrong, after it was printed.
pub(crate) async fn run(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.verify_audit().await.context("failed to verify the audit log")?;
    let report = &answer.value;
    if printer.is_json() {
        printer.json(&answer.body)?;
    } else {
        let (records, writers, checkpoints) = (report.records, report.writers, report.checkpoints);
        let (records, writers) = (counted(records, "record"), counted(writers, "writer"));
        writeln!(printer, "Verified {records} of {writers}, {checkpoints} of them with a checkpoint.")?;
        for problem in &report.problems {
            let writer = problem.writer.as_ref().map(|writer| format!("writer {writer}, ")).unwrap_or_default();
            let record = problem.record.map(|record| format!("record {record}: ")).unwrap_or_default();
            writeln!(printer, "- {writer}{record}{}", problem.problem)?;
        }
        if report.more_problems > 0 {
            writeln!(printer, "- and {} more", report.more_problems)?;
        }
        if report.verified {
            writeln!(printer, "Nothing was changed or removed.")?;
        }
    }
    match report.problems.len() as u64 + report.more_problems {
        0 if report.verified => Ok(()),
        1 => bail!("the audit log has 1 problem"),
        problems => bail!("the audit log has {problems} problems"),
    }
}

fn counted(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
