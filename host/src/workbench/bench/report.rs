//! What calls cost.

use serde::Serialize;

use crate::plugin::Workpiece;
use crate::workbench::subject::Subject;

/// All figures of one component.
#[derive(Debug, Clone, Serialize)]
pub struct BenchReport {
    /// As it was named.
    pub component: String,
    /// `sha256:` and 64 digits.
    pub digest: String,
    /// Of the file.
    pub size_bytes: usize,
    /// What compiling took, or finding what it was compiled to earlier.
    pub compile_ms: f64,
    /// Whether it was compiled earlier.
    #[serde(rename = "from_cache")]
    pub is_from_cache: bool,
    /// Whether instances start from the pool.
    #[serde(rename = "pooled")]
    pub is_pooled: bool,
    /// Starting an instance; `None` where none started.
    pub instance: Option<InstanceReport>,
    /// The most linear memory that any instance had, in bytes.
    pub memory_peak_bytes: usize,
    /// One entry for each kind of question.
    pub stages: Vec<StageReport>,
    /// Why it ended before all was measured.
    pub stopped: Option<String>,
}

/// What starting an instance takes.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct InstanceReport {
    /// How many were started.
    pub started: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Linear memory before any call.
    pub memory_bytes: usize,
}

/// What calls take, one after the other on one thread and on an instance that is there.
#[derive(Debug, Clone, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StageReport {
    pub stage: &'static str,
    /// What was asked.
    pub question: String,
    pub calls: usize,
    pub p50_us: f64,
    pub p99_us: f64,
    pub calls_per_second: f64,
}

impl BenchReport {
    pub(super) fn new(subject: &Subject, piece: &Workpiece) -> Self {
        Self {
            component: subject.shown.clone(),
            digest: format!("sha256:{}", piece.digest),
            size_bytes: piece.size,
            compile_ms: piece.compile_time.as_secs_f64() * 1_000.0,
            is_from_cache: piece.is_from_cache,
            is_pooled: piece.is_pooled,
            instance: None,
            memory_peak_bytes: 0,
            stages: Vec::new(),
            stopped: None,
        }
    }
}
