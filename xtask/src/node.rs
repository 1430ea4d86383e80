//! Node for the tests: npm brings one along where there is a build for the machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The oldest version, major and minor, that all of the programs from npm run on.
const OLDEST: (u32, u32) = (22, 19);

/// The Node that the tests will use: what npm installed into `target/e2e`, or that of the system.
pub(crate) fn program(workspace: &Path) -> PathBuf {
    let modules = workspace.join("target/e2e/npm/node_modules");
    let mut bundled = ["x64", "arm64"].map(|cpu| modules.join(format!("node-linux-{cpu}/bin/node"))).into_iter();
    bundled.find(|program| program.exists()).unwrap_or_else(|| PathBuf::from("node"))
}

/// Fails where that one is too old.
pub(crate) fn check_version(workspace: &Path) -> Result<()> {
    let program = program(workspace);
    let shown = program.display();
    let output = Command::new(&program).arg("--version").output().with_context(|| format!("cannot run `{shown}`"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = parse(&said).with_context(|| format!("cannot tell the version of `{shown}` from `{said}`"))?;
    let (major, minor) = OLDEST;
    ensure!(
        version >= OLDEST,
        "`{shown}` is Node {said}, which is too old: the tests need {major}.{minor} or newer. \
         npm has none to bring along for this machine ({}): install one and put it first on the PATH",
        std::env::consts::ARCH
    );
    Ok(())
}

/// Major and minor version in what `node --version` says.
fn parse(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(parse("v22.23.3"), Some((22, 23)));
        assert!(parse("v22.9.0").unwrap() < OLDEST && parse("v18.20.4").unwrap() < OLDEST);
        assert!(parse("v22.19.0").unwrap() >= OLDEST && parse("v24.0.1").unwrap() >= OLDEST);
        assert_eq!((parse(""), parse("node 22")), (None, None));
    }
}
