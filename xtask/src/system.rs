//! Programs of the operating system: found, or installed where that is possible.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A program that has to be there, and the Debian package that brings it.
pub(crate) struct Requirement {
    /// A command that succeeds where the program is there.
    pub(crate) probe: &'static [&'static str],
    pub(crate) package: &'static str,
}

/// Installs what is missing with apt-get when run as root; otherwise says the command.
pub(crate) fn require(requirements: &[Requirement]) -> Result<()> {
    let missing: Vec<_> =
        requirements.iter().filter(|requirement| !succeeds(requirement.probe)).map(|one| one.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let install = format!("apt-get install --yes --no-install-recommends {}", missing.join(" "));
    if !is_root() || !succeeds(&["apt-get", "--version"]) {
        bail!("missing: {}. As root on Debian run: apt-get update && {install}", missing.join(", "));
    }
    println!("    installing {}", missing.join(", "));
    run(Command::new("apt-get").args(["update", "--quiet"]))?;
    run(Command::new("sh").args(["-c", &install]).env("DEBIAN_FRONTEND", "noninteractive"))
        .with_context(|| format!("could not install what is missing: {}", missing.join(", ")))
}

/// Runs a command whose output goes to the terminal; fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status = command.status().with_context(|| format!("cannot run `{program}`"))?;
    if !status.success() {
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        bail!("`{program} {}` failed: {status}", arguments.join(" "));
    }
    Ok(())
}

/// Whether a command can be run and succeeds; its output goes nowhere.
pub(crate) fn succeeds(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let status = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
