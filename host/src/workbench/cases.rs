//! Decisions as a table: a file of questions and expected answers, held against what a component answers.

mod compare;
mod expect;
mod file;
mod junit;
mod plan;
mod report;
mod run;
mod words;

pub use compare::{Difference, shown};
pub use file::CasesFile;
pub use junit::junit;
pub use report::{CaseReport, TestReport};
pub use run::{TestError, run};

use crate::configuration::{Problem, Source, read_strictly};

/// Reads a cases file, YAML or JSON. Unknown keys are problems.
pub fn read(source: Source<'_>) -> Result<CasesFile, Problem> {
    read_strictly(source)
}

pub(crate) use plan::{Planned, plan};
pub(crate) use run::Workbench;

#[cfg(test)]
mod tests;
