//! Brings the programs of others that the tests drive into `target/e2e`, at the
//! versions that `tests/programs` pins.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

use crate::system::run;

/// Where a set of programs was installed says from which pins.
const STAMP: &str = ".pins";

/// MCP servers and clients from npm, into `target/e2e/npm`.
pub(crate) fn from_npm(workspace: &Path) -> Result<()> {
    let pins = ["package.json", "package-lock.json"];
    install(workspace, "npm", &pins, |folder| {
        for pin in pins {
            fs::copy(workspace.join("tests/programs").join(pin), folder.join(pin))?;
        }
        run(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
            .context("could not install from npm: is its registry reachable? then run `cargo xtask test` again")
    })
}

/// MCP servers and clients from PyPI, into a virtual environment at `target/e2e/python`.
pub(crate) fn from_pypi(workspace: &Path) -> Result<()> {
    let pins = "requirements.txt";
    install(workspace, "python", &[pins], |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pins = workspace.join("tests/programs").join(pins);
        run(Command::new(folder.join("bin/pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(pins))
        .context("could not install from PyPI: is it reachable? then run `cargo xtask test` again")
    })
}

/// Installs into an empty folder, unless the same pins are installed there already.
fn install(workspace: &Path, name: &str, pins: &[&str], install: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = workspace.join("target/e2e").join(name);
    let digest = digest(&workspace.join("tests/programs"), pins)?;
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == digest) {
        println!("    installed already");
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    install(&folder)?;
    // Last, so that an installation that was cut short counts as none.
    fs::write(&stamp, digest).with_context(|| format!("cannot write {}", stamp.display()))
}

fn digest(folder: &Path, files: &[&str]) -> Result<String> {
    let mut hasher = Sha256::new();
    for file in files {
        let path = folder.join(file);
        hasher.update(fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
