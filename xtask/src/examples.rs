//! Builds the example policies, in the three languages that they are written in, into `target/examples`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use crate::plugins::{build_packages, hex, list_files};
use crate::test::workspace;
use crate::{node, system};

const SOURCES: &str = "plugins/examples";
const BUILT: &str = "target/examples";
const CONTRACT: &str = "wit/v0.1";
/// Members of this workspace.
const IN_RUST: [&str; 6] = ["argument-rules", "jwt-auth", "rate-limit", "redact", "role-table", "user-credential"];
const IN_JAVASCRIPT: &str = "role-table-js";
const IN_PYTHON: &str = "role-table-python";
/// What the other two languages are built with is pinned here.
const PINS: [&str; 2] = ["tests/programs/package-lock.json", "tests/programs/requirements.txt"];

/// Arguments of `cargo xtask examples`.
#[derive(clap::Args)]
pub(crate) struct Examples {}

impl Examples {
    /// Builds all.
    pub(crate) fn run(self) -> Result<()> {
        build(&workspace())
    }
}

/// Builds all, except for what is built already of the same sources.
pub(crate) fn build(workspace: &Path) -> Result<()> {
    let built = workspace.join(BUILT);
    fs::create_dir_all(&built).with_context(|| format!("cannot make {BUILT}"))?;
    println!("    {}", IN_RUST.join(", "));
    for (name, component) in IN_RUST.iter().zip(build_packages(workspace, &IN_RUST)?) {
        let path = built.join(format!("{name}.wasm"));
        fs::write(&path, component).with_context(|| format!("cannot write {}", path.display()))?;
    }
    unless_built(workspace, IN_JAVASCRIPT, |source, wit, output| {
        let program = installed(workspace.join("target/e2e/npm/node_modules/.bin/componentize-qjs"))?;
        let mut command = Command::new(node::program(workspace));
        command.arg(program).arg("--wit").arg(wit).args(["--world", "plugin", "--sync", "--stub-wasi", "--opt-size"]);
        command.arg("--js").arg(source.join("src/policy.js")).arg("--output").arg(output);
        Ok(command)
    })?;
    unless_built(workspace, IN_PYTHON, |source, wit, output| {
        let programs = workspace.join("target/e2e/python/bin");
        // The script names the Python of wherever the environment was made first.
        let mut command = Command::new(installed(programs.join("python"))?);
        command
            .arg(installed(programs.join("componentize-py"))?)
            .arg("-d")
            .arg(wit)
            .args(["-w", "plugin", "componentize", "app", "-p"])
            .arg(source.join("src"));
        command.arg("-o").arg(output).env("PYTHONDONTWRITEBYTECODE", "1");
        Ok(command)
    })
}

fn installed(program: PathBuf) -> Result<PathBuf> {
    ensure!(program.exists(), "{} is missing: `cargo xtask test --setup-only` installs it", program.display());
    Ok(program)
}

/// Python takes half a minute. `make` is given the source, the contract and where to put the component.
fn unless_built(workspace: &Path, name: &str, make: impl FnOnce(&Path, &Path, &Path) -> Result<Command>) -> Result<()> {
    let source = workspace.join(SOURCES).join(name);
    let output = workspace.join(BUILT).join(name).with_extension("wasm");
    let stamp = output.with_extension("sources");
    let digest = digest(workspace, &source)?;
    if output.exists() && fs::read_to_string(&stamp).is_ok_and(|built| built == digest) {
        println!("    {name}: built already");
        return Ok(());
    }
    println!("    {name}");
    let wit = gather_contract(workspace, &source, &output.with_extension("wit"))?;
    let mut command = make(&source, &wit, &output)?;
    system::run(command.stdout(Stdio::null())).with_context(|| format!("{name} does not build"))?;
    // Last, so that a build that was cut short counts as none.
    fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The world of a policy, with the contract where tools look for what it depends on.
fn gather_contract(workspace: &Path, source: &Path, folder: &Path) -> Result<PathBuf> {
    let dependency = folder.join("deps/mcpjungle-policy");
    fs::create_dir_all(&dependency).with_context(|| format!("cannot make {}", dependency.display()))?;
    for (from, to) in [(source.join("wit"), folder), (workspace.join(CONTRACT), dependency.as_path())] {
        for entry in fs::read_dir(&from).with_context(|| format!("cannot list {}", from.display()))? {
            let entry = entry?;
            fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(folder.to_owned())
}

fn digest(workspace: &Path, source: &Path) -> Result<String> {
    let mut files: Vec<PathBuf> = PINS.iter().map(|pin| workspace.join(pin)).collect();
    for folder in [source.join("src"), source.join("wit"), workspace.join(CONTRACT)] {
        list_files(&folder, &mut files).with_context(|| format!("cannot list {}", folder.display()))?;
    }
    // Python leaves these behind where its tests are run.
    files.retain(|file| file.extension().is_none_or(|extension| extension != "pyc"));
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let content = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        digest.update(format!("{}\n{}\n", file.display(), content.len()));
        digest.update(&content);
    }
    Ok(hex(&digest.finalize()))
}
