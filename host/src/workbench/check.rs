//! Whether a component can be installed, what it needs for that, and what it says of itself.
//! Everything that is wrong comes with where it is and what to do.

mod bytes;
mod names;
mod report;
mod trial;

pub use report::{CheckReport, Guarded, ImportReport, Problem, SettingsReport, TrialReport};

use std::error::Error as _;
use std::sync::Arc;

use crate::admin::with_sources;
use crate::plugin::{CONTRACT, ComponentSource, LoadError, PluginPlan, Workpiece};
use crate::workbench::subject::Subject;

/// Looks at a component, and tries it with these settings (a JSON object as text), or with none. It is granted
/// whatever it imports meanwhile; HTTP requests lead nowhere.
///
/// An error is one of this machine's, and says nothing of the component.
pub async fn check(subject: &Subject, settings: Option<&str>) -> Result<CheckReport, LoadError> {
    let mut report = CheckReport::new(&subject.shown);
    let bytes = match read(subject).await {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(report.with(problem)),
    };
    if let Some(problem) = bytes::find_problem(&bytes) {
        return Ok(report.with(problem));
    }
    let host = subject.empty_host()?;
    let plan = PluginPlan { component: ComponentSource::Bytes(bytes), ..subject.plan() };
    let piece = match host.compile(&plan).await {
        Ok(piece) => piece,
        Err(error @ LoadError::Compile { .. }) => return Ok(report.with(compile_problem(&causes(&error)))),
        Err(other) => return Err(other),
    };
    describe_piece(&piece, &mut report);
    report.problems.extend(names::find_problems(&piece.imports(), &piece.exports()));
    if report.problems.is_empty() {
        trial::run(&host, &piece, plan, settings, &mut report).await?;
    }
    report.is_installable = report.problems.is_empty();
    Ok(report)
}

async fn read(subject: &Subject) -> Result<Arc<[u8]>, Problem> {
    match &subject.source {
        ComponentSource::Bytes(bytes) => Ok(Arc::clone(bytes)),
        ComponentSource::Stock(stock) => Ok(stock.component().into()),
        ComponentSource::File(path) => tokio::fs::read(path).await.map(Into::into).map_err(|error| {
            let fix = if path.is_dir() {
                "give the .wasm file in that folder"
            } else {
                "give the path of a .wasm file, or builtin:NAME"
            };
            Problem::new("file", &format!("cannot be read: {error}"), fix)
        }),
    }
}

fn compile_problem(message: &str) -> Problem {
    // Of a section that its length takes beyond the end of the file, or of one that just ends.
    if message.contains("unexpected end") || message.contains("is out of bounds (bound") {
        return bytes::truncated(message);
    }
    Problem::new(
        "file",
        &format!("it does not compile: {message}"),
        "build it again with current tools, for WASI 0.2 and without features that are not finished (threads, \
         asynchronous functions, garbage collection)",
    )
}

fn describe_piece(piece: &Workpiece, report: &mut CheckReport) {
    report.digest = Some(format!("sha256:{}", piece.digest));
    report.size_bytes = Some(piece.size);
    report.is_pooled = Some(piece.is_pooled);
    report.compile_ms = Some(piece.compile_time.as_secs_f64() * 1_000.0);
    report.is_from_cache = piece.is_from_cache;
    let exports = piece.exports();
    report.stages = names::stages(&exports);
    report.contract = (!report.stages.is_empty()).then(|| CONTRACT.to_owned());
    let imports = piece.imports();
    report.wasi_imports = imports.iter().filter(|name| name.starts_with("wasi:")).count();
    report.imports = names::read_imports(&imports);
    report.install_flags = names::grant_flags(&report.imports);
    if !piece.is_pooled {
        let message = "its instances do not fit the pool: each takes longer to start (with `isolation: reuse`, few do)";
        report.hints.push(message.to_owned());
    }
}

/// Why there is a load error, without the error's own words.
fn causes(error: &LoadError) -> String {
    error.source().map_or_else(|| error.to_string(), with_sources)
}

#[cfg(test)]
mod tests;
