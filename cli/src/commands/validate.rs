//! `validate`: configuration files, checked without a gateway by the gateway's own rules.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use mcpjungle_host::configuration::{
    self, Configuration, Format, Kind, Problem, Source, check_components, check_keys, find_files, keys_of,
};
use serde::Serialize;
use serde_json::Value;

use crate::arguments::{FileKind, ValidateArguments};
use crate::conf_file::ConfFile;
use crate::environment::Environment;
use crate::printer::Printer;

/// What became of one file.
#[derive(Serialize)]
struct Outcome {
    file: String,
    valid: bool,
    /// What it describes, such as `server configuration 'x'`.
    describes: Option<String>,
    problems: Vec<Problem>,
}

/// Checks all files; status 1 if any is not valid.
pub(crate) fn run(
    arguments: &ValidateArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let mut outcomes = Vec::new();
    for written in &arguments.files {
        for path in files_of(written, environment)? {
            let shown = path.display().to_string();
            let checked = check(&path, &shown, arguments.kind, environment)?;
            let (describes, problems) = match checked {
                Ok(describes) => (Some(describes), Vec::new()),
                Err(problems) => (None, problems),
            };
            let outcome = Outcome { file: shown, valid: problems.is_empty(), describes, problems };
            if !printer.is_json() {
                print(&outcome, printer)?;
            }
            outcomes.push(outcome);
        }
    }
    if printer.is_json() {
        printer.json(&serde_json::to_string(&outcomes).context("failed to write JSON")?)?;
    }
    match (outcomes.iter().filter(|outcome| !outcome.valid).count(), outcomes.len()) {
        (0, _) => Ok(ExitCode::SUCCESS),
        (bad, all) => bail!("{bad} of {all} {} not valid", if bad == 1 { "files is" } else { "files are" }),
    }
}

/// The file itself; of a folder, the configuration files in it.
fn files_of(written: &Path, environment: &Environment) -> anyhow::Result<Vec<PathBuf>> {
    if !environment.path(written).is_dir() {
        return Ok(vec![written.to_owned()]);
    }
    let files = find_files(written).with_context(|| format!("failed to read the folder {}", written.display()))?;
    if files.is_empty() {
        bail!("there are no .json, .yaml or .yml files in {}", written.display());
    }
    Ok(files)
}

fn print(outcome: &Outcome, printer: &mut Printer) -> std::io::Result<()> {
    if let Some(describes) = &outcome.describes {
        writeln!(printer, "{}: valid {describes}", outcome.file)?;
    }
    outcome.problems.iter().try_for_each(|problem| printer.note(problem))
}

/// What the file describes, or what is wrong with it.
fn check(
    path: &Path,
    shown: &str,
    kind: Option<FileKind>,
    environment: &Environment,
) -> anyhow::Result<Result<String, Vec<Problem>>> {
    let path = environment.path(path);
    let problem = |message: String| Problem { file: shown.to_owned(), place: None, message };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Ok(Err(vec![problem(format!("failed to read config file: {error}"))])),
    };
    let source = Source { shown, path: &path, text: &text };
    let kind = match kind.or_else(|| detect(&path, &text)) {
        None => None,
        Some(FileKind::Server) => Some(Kind::Server),
        Some(FileKind::Group) => Some(Kind::Group),
        Some(FileKind::Policies) => Some(Kind::Policies),
        Some(FileKind::Conf) => {
            return Ok(check_keys::<ConfFile>(source).and_then(|conf| {
                conf.check().map_err(|error| vec![problem(error.to_string())])?;
                Ok("settings of the command line".to_owned())
            }));
        }
    };
    let checked = configuration::check(source, kind, &|name: &str| environment.find(name).map(str::to_owned));
    Ok(match checked {
        Ok(Configuration::Server(server)) => Ok(format!("server configuration '{}'", server.name)),
        Ok(Configuration::Group(group)) => Ok(format!("tool group configuration '{}'", group.name)),
        Ok(Configuration::Policies(plan)) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("failed to start the runtime")?;
            match runtime.block_on(check_components(&plan)) {
                Ok(()) if plan.plugins.len() == 1 => Ok("policies file with 1 policy".to_owned()),
                Ok(()) => Ok(format!("policies file with {} policies", plan.plugins.len())),
                Err(messages) => Err(messages.into_iter().map(problem).collect()),
            }
        }
        Err(problems) => Err(problems),
    })
}

/// What a file describes, by its name and its keys.
fn detect(path: &Path, text: &str) -> Option<FileKind> {
    if path.file_name().is_some_and(|name| name == ".mcpjungle.conf") {
        return Some(FileKind::Conf);
    }
    let read: Option<Value> = match Format::of(path, text) {
        Format::Json => serde_json::from_str(text).ok(),
        Format::Yaml => serde_norway::from_str(text).ok(),
    };
    let object = read.as_ref()?.as_object()?;
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let kinds = [
        (FileKind::Server, Kind::Server.keys()),
        (FileKind::Group, Kind::Group.keys()),
        (FileKind::Policies, Kind::Policies.keys()),
        (FileKind::Conf, keys_of::<ConfFile>()),
    ];
    configuration::detect(&keys, &kinds)
}
