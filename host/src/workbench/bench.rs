//! What a component's calls cost: time for each stage, starting an instance, memory. Ends in time, whatever
//! the component does.

mod measure;
mod questions;
mod report;

pub use report::{BenchReport, InstanceReport, StageReport};

use std::time::{Duration, Instant};

use thiserror::Error;

use crate::configuration::{Problem, Source};
use crate::plugin::LoadError;
use crate::workbench::bench::measure::{Measured, calls, instances};
use crate::workbench::bench::questions::{Row, rows};
use crate::workbench::cases::{CasesFile, Workbench};
use crate::workbench::subject::Subject;

/// Nothing begins after this.
const WHOLE: Duration = Duration::from_secs(9);
/// Compiling cannot be cut short, so it is given up after this.
const COMPILING: Duration = Duration::from_secs(7);
/// Of what is left then, starting instances takes no more than this.
const INSTANCES: Duration = Duration::from_millis(700);
/// More calls of one kind make no figure better.
const LONGEST_ROW: Duration = Duration::from_secs(1);

/// Why nothing was measured.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum BenchError {
    #[error("{}", .0.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
    Cases(Vec<Problem>),
    #[error(transparent)]
    Load(#[from] LoadError),
    #[error(
        "`{component}` takes longer than {} s to compile, so there was no time to measure; \
         `mcpjungle plugin check {component}` compiles it in its own time and keeps the result: then try again",
        COMPILING.as_secs()
    )]
    CompilesTooLong { component: String },
}

/// Measures with the questions of a cases file, or with a usual one for each stage and `settings`.
pub async fn bench(
    subject: &Subject,
    cases: Option<Source<'_>>,
    settings: Option<&str>,
) -> Result<BenchReport, BenchError> {
    let until = Instant::now() + WHOLE;
    let mut file = match cases {
        Some(source) => super::cases::read(source).map_err(|problem| BenchError::Cases(vec![problem]))?,
        None => CasesFile::trial(),
    };
    file.override_settings(settings);
    let set_up = tokio::time::timeout(COMPILING, Workbench::set_up(subject, &file));
    let Ok(bench) = set_up.await else {
        return Err(BenchError::CompilesTooLong { component: subject.shown.clone() });
    };
    let mut bench = bench?;
    let rows = rows(file, cases, &bench.stages).map_err(BenchError::Cases)?;
    let mut report = BenchReport::new(subject, &bench.piece);
    // Each takes its share of the time that is left.
    measure_all(&mut bench, rows, until, &mut report).await?;
    report.memory_peak_bytes = bench.piece.memory_peak();
    Ok(report)
}

/// Stops at the first failure, and says so.
async fn measure_all(
    bench: &mut Workbench,
    rows: Vec<Row>,
    until: Instant,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    match instances(&bench.instances()?, until.min(Instant::now() + INSTANCES)).await {
        Ok(figures) => report.instance = figures,
        Err(error) => {
            report.stopped = Some(error.to_string());
            return Ok(());
        }
    }
    let all = rows.len();
    for (index, row) in rows.into_iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now()) / u32::try_from(all - index).unwrap_or(u32::MAX);
        let end = Instant::now() + left.min(LONGEST_ROW);
        let plugin = match bench.plugin(row.settings.as_deref()).await {
            Ok(plugin) => plugin,
            Err(error) => {
                report.stopped = Some(crate::admin::with_sources(&error));
                return Ok(());
            }
        };
        match calls(&plugin, &row, end).await {
            Measured::Done(figures) => report.stages.push(figures),
            Measured::NoAnswer => {
                report.stopped =
                    Some(format!("no answer to `{}` in {} ms", row.name, left.min(LONGEST_ROW).as_millis()));
                return Ok(());
            }
            Measured::Failed(error) => {
                report.stopped = Some(format!("the question `{}` was not answered: {error}", row.name));
                return Ok(());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
