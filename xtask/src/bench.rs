//! `cargo xtask bench` and `cargo xtask soak`: builds what is measured in release, and measures it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::examples;
use crate::system::{Requirement, require, run};
use crate::test::workspace;

/// Debian keeps it outside an ordinary user's search path.
const NGINX: Requirement =
    Requirement { probe: &["sh", "-c", "PATH=$PATH:/usr/sbin; command -v nginx"], package: "nginx-light" };

/// Arguments of `cargo xtask bench`.
#[derive(clap::Args)]
pub(crate) struct Bench {
    /// For the benchmark itself: see `cargo xtask bench -- --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Bench {
    /// Builds and measures.
    pub(crate) fn run(self) -> Result<()> {
        require(&[NGINX])?;
        let built = build()?;
        run(Command::new(built.join("mcpjungle-bench"))
            .arg("--gateway")
            .arg(built.join("mcpjungle"))
            .args(other_authorizers(&workspace())?)
            .args(self.arguments)
            .current_dir(workspace()))
    }
}

/// Arguments of `cargo xtask soak`.
#[derive(clap::Args)]
pub(crate) struct Soak {
    /// For the benchmark's `soak`: see `cargo xtask soak -- --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

impl Soak {
    /// Builds and soaks; some minutes.
    pub(crate) fn run(self) -> Result<()> {
        let built = build()?;
        run(Command::new(built.join("mcpjungle-bench")).arg("soak").args(self.arguments).current_dir(workspace()))
    }
}

/// The folder of what was built.
fn build() -> Result<PathBuf> {
    run(Command::new("cargo")
        .args(["build", "--release", "--package", "mcpjungle", "--package", "mcpjungle-bench"])
        .current_dir(workspace()))?;
    let this_program = env::current_exe().context("cannot find this program")?;
    let target = this_program.ancestors().nth(2).context("this program was not started by cargo")?;
    Ok(target.join("release"))
}

/// The same policy in three languages, with settings that allow everything. Built first: without one of them there
/// would be a figure less.
fn other_authorizers(workspace: &Path) -> Result<Vec<String>> {
    examples::build(workspace)?;
    let mut arguments = Vec::new();
    for (language, example) in
        [("Rust", "role-table"), ("JavaScript", "role-table-js"), ("Python", "role-table-python")]
    {
        let component = workspace.join("target/examples").join(example).with_extension("wasm");
        let settings = r#"{"roles": {"all": {"allow": ["*"]}}, "assign": [{"principal": "*", "roles": ["all"]}]}"#;
        fs::write(component.with_extension("json"), settings).context("cannot write settings of an example")?;
        arguments.push("--authorizer".to_owned());
        arguments.push(format!("{language}, role table={}", component.display()));
    }
    Ok(arguments)
}
