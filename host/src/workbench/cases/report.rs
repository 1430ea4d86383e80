//! What became of the cases.

use serde::Serialize;
use serde_json::Value;

use crate::configuration::Place;
use crate::workbench::cases::Difference;

/// The outcome of a run.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// The component as it was named.
    pub component: String,
    /// `sha256:` and 64 digits.
    pub digest: String,
    /// The file of the cases.
    pub file: String,
    /// How many were as expected.
    pub passed: usize,
    /// How many were not.
    pub failed: usize,
    /// How many a filter left out.
    pub left_out: usize,
    /// In the order in which they were asked.
    pub cases: Vec<CaseReport>,
}

/// One case.
#[derive(Debug, Clone, Serialize)]
pub struct CaseReport {
    /// What it is called.
    pub name: String,
    /// The stage that was asked.
    pub stage: &'static str,
    /// Where it stands in the file.
    #[serde(flatten)]
    pub place: Option<Place>,
    /// Whether every answer was as expected.
    pub passed: bool,
    /// The answer that was expected, in the words of the file.
    pub expected: Value,
    /// The answer that was given: the first that was wrong, or the last.
    pub got: Value,
    /// Where they differ.
    pub differences: Vec<Difference>,
    /// What else is wrong: both forms of the question do not agree, a line of the log is missing.
    pub remarks: Vec<String>,
    /// What the component wrote meanwhile.
    pub log: Vec<String>,
    /// From the first question to the last answer.
    pub duration_us: u64,
}
