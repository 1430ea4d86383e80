//! `plugin new`: a project of its own for a new policy, out of what this binary carries.

mod files;
mod name;
mod project;
mod template;

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use serde_json::json;

use crate::arguments::NewPluginArguments;
use crate::commands::plugin::new::project::Project;
use crate::environment::Environment;
use crate::printer::Printer;

/// Writes the project, and says what to do with it.
pub(crate) fn run(
    arguments: &NewPluginArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let name = name::check(&arguments.name, arguments.lang)?;
    let written = arguments.path.clone().unwrap_or_else(|| PathBuf::from(name));
    let folder = environment.path(&written);
    ensure_empty(&folder, &written)?;

    let project = Project::new(name, arguments);
    let files = project.files()?;
    write(&folder, &files)?;

    if printer.is_json() {
        let names: Vec<&String> = files.keys().collect();
        let answer = json!({
            "name": name, "folder": folder, "files": names, "component": project.component(), "next": project.steps(),
        });
        printer.json(&answer.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(printer, "Wrote {} files to {}:", files.len(), written.display())?;
    for line in summary(files.keys()) {
        writeln!(printer, "  {line}")?;
    }
    writeln!(printer, "\nNext:\n  cd {}", shell_word(&written))?;
    for step in project.steps() {
        writeln!(printer, "  {step}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What an author has is never written over.
fn ensure_empty(folder: &Path, written: &Path) -> anyhow::Result<()> {
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => bail!("the folder {} is not empty: name another one, or empty it first", written.display()),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            bail!("{} is a file, not a folder: name another one", written.display())
        }
        Err(error) => Err(error).with_context(|| format!("failed to look into the folder {}", written.display())),
    }
}

fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> anyhow::Result<()> {
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("failed to make the folder {}", parent.display()))?;
        }
        fs::write(&path, content).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(())
}

/// The author's own files by name; of what is vendored, the folders.
fn summary<'f>(files: impl Iterator<Item = &'f String>) -> Vec<&'f str> {
    let mut lines: Vec<&str> = files
        .map(|file| {
            let folder = ["vendor/mcpjungle-policy/", "wit/deps/mcpjungle-policy/"];
            folder.into_iter().find(|folder| file.starts_with(folder)).unwrap_or(file)
        })
        .collect();
    lines.dedup();
    lines
}

/// A path as a shell takes it for one word.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./".contains(&byte);
    if text.bytes().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
