//! What is found out about a component.

use serde::Serialize;

/// The outcome of a check. What is `None` or empty could not be found out, or there is none.
#[derive(Debug, Clone, Serialize)]
pub struct CheckReport {
    /// The component as it was named.
    pub file: String,
    /// Whether an administrator can install it, with the `install_flags`.
    #[serde(rename = "installable")]
    pub is_installable: bool,
    /// `sha256:` and 64 digits.
    pub digest: Option<String>,
    /// Of the file.
    pub size_bytes: Option<usize>,
    /// The package of the contract that it is built against.
    pub contract: Option<String>,
    /// The stages that it exports.
    pub stages: Vec<&'static str>,
    /// Its own version and what it says that it does; empty where it says nothing.
    pub version: String,
    #[expect(missing_docs, reason = "see `version`")]
    pub summary: String,
    /// What it imports of the contract.
    pub imports: Vec<ImportReport>,
    /// How many interfaces of WASI it imports. There is nothing behind them.
    pub wasi_imports: usize,
    /// What `plugin add` must be told, such as `--grant kv`.
    pub install_flags: Vec<String>,
    /// Whether instances start from the pool.
    #[serde(rename = "pooled")]
    pub is_pooled: Option<bool>,
    /// What compiling took, or finding what it was compiled to earlier.
    pub compile_ms: Option<f64>,
    /// Whether it was compiled earlier.
    #[serde(rename = "from_cache")]
    pub is_from_cache: bool,
    /// What a first instance took.
    pub trial: Option<TrialReport>,
    /// About its settings.
    pub settings: Option<SettingsReport>,
    /// What it reviews, if it is a guard that started.
    pub guard: Option<Guarded>,
    /// Each prevents that it is installed.
    pub problems: Vec<Problem>,
    /// Good to know, and no problem.
    pub hints: Vec<String>,
}

/// One import of the contract.
#[derive(Debug, Clone, Serialize)]
pub struct ImportReport {
    /// Such as `mcpjungle:policy/key-value@0.1.0`.
    pub name: String,
    /// The grant that it needs, such as `kv`; `None`: none.
    pub grant: Option<&'static str>,
}

/// What a first instance took.
#[derive(Debug, Clone, Serialize)]
pub struct TrialReport {
    /// Until it could be called.
    pub start_ms: f64,
    /// Its linear memory then.
    pub memory_bytes: usize,
}

/// Whether the settings fit.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsReport {
    /// Whether it brings a JSON Schema.
    pub has_schema: bool,
    /// Whether settings were given; otherwise it was tried with `{}`.
    pub given: bool,
    /// Whether it accepts them.
    pub accepted: bool,
}

/// What a guard reviews.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Guarded {
    pub arguments: bool,
    pub results: bool,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Where: `file`, `imports`, `exports`, `start`, `settings`.
    #[serde(rename = "where")]
    pub place: &'static str,
    /// What.
    pub message: String,
    /// What to do.
    pub fix: String,
}

impl Problem {
    pub(super) fn new(place: &'static str, message: &str, fix: &str) -> Self {
        Self { place, message: message.to_owned(), fix: fix.to_owned() }
    }
}

impl CheckReport {
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            is_installable: false,
            digest: None,
            size_bytes: None,
            contract: None,
            stages: Vec::new(),
            version: String::new(),
            summary: String::new(),
            imports: Vec::new(),
            wasi_imports: 0,
            install_flags: Vec::new(),
            is_pooled: None,
            compile_ms: None,
            is_from_cache: false,
            trial: None,
            settings: None,
            guard: None,
            problems: Vec::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn with(mut self, problem: Problem) -> Self {
        self.problems.push(problem);
        self
    }
}
