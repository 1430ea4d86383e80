//! `cargo xtask test`: sets up all that the tests need, then runs every test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::fetch;
use crate::system::{Requirement, require, run, succeeds};
use crate::{examples, node, plugins, postgres};

const EVERY_TEST: [&str; 3] = ["--workspace", "--features", "mcpjungle/e2e"];

/// What authors of Rust policies build for.
const AUTHOR_TARGET: &str = "wasm32-wasip2";

const NEEDED: [Requirement; 7] = [
    Requirement { probe: &["node", "--version"], package: "nodejs" },
    Requirement { probe: &["npm", "--version"], package: "npm" },
    Requirement { probe: &["python3", "--version"], package: "python3" },
    // Debian's python3 has the module, but not what it needs to make an environment.
    Requirement { probe: &["python3", "-c", "import ensurepip, venv"], package: "python3-venv" },
    // What `plugin new` writes for Python builds with it.
    Requirement { probe: &["make", "--version"], package: "make" },
    // One of the MCP servers drives it.
    Requirement { probe: &["git", "--version"], package: "git" },
    postgres::SERVER,
];

/// Arguments of `cargo xtask test`.
#[derive(clap::Args)]
pub(crate) struct Test {
    /// Set everything up, but run no test.
    #[arg(long)]
    setup_only: bool,
}

impl Test {
    /// Sets up and runs.
    pub(crate) fn run(self) -> Result<()> {
        let workspace = workspace();
        step("programs of the system: Node, npm, Python, Git, PostgreSQL");
        require(&NEEDED)?;
        postgres::check_version()?;
        step("MCP servers and clients from npm");
        fetch::from_npm(&workspace)?;
        node::check_version(&workspace)?;
        step("MCP servers and clients from PyPI");
        fetch::from_pypi(&workspace)?;
        step("the target that authors of policies build for");
        ensure_author_target()?;
        step("stock policy components");
        check_components(&workspace)?;
        step("example policies in Rust, JavaScript and Python");
        examples::build(&workspace)?;
        if self.setup_only {
            return Ok(());
        }
        run_tests(&workspace)
    }
}

/// Projects of `plugin new` are built for it, in tests too.
fn ensure_author_target() -> Result<()> {
    if plugins::ensure_target_is_installed(AUTHOR_TARGET).is_err() {
        let _added = succeeds(&["rustup", "target", "add", AUTHOR_TARGET]);
    }
    plugins::ensure_target_is_installed(AUTHOR_TARGET)
}

/// Without the target the components are still held against the digests of their sources.
fn check_components(workspace: &Path) -> Result<()> {
    if plugins::ensure_target_is_installed(plugins::TARGET).is_err()
        && !succeeds(&["rustup", "target", "add", plugins::TARGET])
    {
        println!("    rustup cannot add the target {}", plugins::TARGET);
    }
    let this_program = env::current_exe().context("cannot find this program")?;
    run(Command::new(this_program).args(["plugins", "--check"]).current_dir(workspace))
}

/// The run whose summary matters comes last.
fn run_tests(workspace: &Path) -> Result<()> {
    if succeeds(&["cargo", "nextest", "--version"]) {
        step("tests in the documentation");
        run(cargo(workspace).args(["test", "--doc"]).args(EVERY_TEST))?;
        step("every other test");
        run(cargo(workspace).args(["nextest", "run", "--no-fail-fast"]).args(EVERY_TEST))
    } else {
        step("every test (with cargo-nextest installed this is faster)");
        run(cargo(workspace).args(["test", "--no-fail-fast"]).args(EVERY_TEST))
    }
    .context("tests failed: their output is above")
}

fn cargo(workspace: &Path) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(workspace);
    command
}

fn step(what: &str) {
    println!("==> {what}");
}

/// The root of the workspace.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace").to_owned()
}
