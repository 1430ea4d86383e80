//! `cargo xtask bench`: builds what is measured in release, and measures it.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

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
        let workspace = workspace();
        run(Command::new("cargo")
            .args(["build", "--release", "--package", "mcpjungle", "--package", "mcpjungle-bench"])
            .current_dir(&workspace))?;
        let this_program = env::current_exe().context("cannot find this program")?;
        let target = this_program.ancestors().nth(2).context("this program was not started by cargo")?;
        run(Command::new(target.join("release/mcpjungle-bench"))
            .arg("--gateway")
            .arg(target.join("release/mcpjungle"))
            .args(self.arguments)
            .current_dir(&workspace))
    }
}
