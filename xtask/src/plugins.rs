//! Builds the policy components that are committed as built, and checks that
//! what is committed is what the sources give.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What the components are built for.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "plugin";
const LOCK: &str = "plugins/dist/lock.json";
/// The contract is a source of every component.
const CONTRACT: &str = "wit";

/// A package of this workspace that is committed as a component too.
struct Source {
    package: &'static str,
    folder: &'static str,
    component: &'static str,
}

const SOURCES: [Source; 8] = [
    Source { package: "builtin-acl", folder: "plugins/builtin-acl", component: "plugins/dist/builtin-acl.wasm" },
    Source { package: "builtin-auth", folder: "plugins/builtin-auth", component: "plugins/dist/builtin-auth.wasm" },
    Source {
        package: "builtin-groups",
        folder: "plugins/builtin-groups",
        component: "plugins/dist/builtin-groups.wasm",
    },
    Source {
        package: "builtin-headers",
        folder: "plugins/builtin-headers",
        component: "plugins/dist/builtin-headers.wasm",
    },
    Source {
        package: "borrower",
        folder: "tests/fixtures/policies/borrower",
        component: "tests/fixtures/policies/borrower.wasm",
    },
    Source {
        package: "deny-elsewhere",
        folder: "tests/fixtures/policies/deny-elsewhere",
        component: "tests/fixtures/policies/deny-elsewhere.wasm",
    },
    Source {
        package: "deny-one-tool",
        folder: "tests/fixtures/policies/deny-one-tool",
        component: "tests/fixtures/policies/deny-one-tool.wasm",
    },
    Source {
        package: "house-rules",
        folder: "tests/fixtures/policies/house-rules",
        component: "tests/fixtures/policies/house-rules.wasm",
    },
];

/// Arguments of `cargo xtask plugins`.
#[derive(clap::Args)]
pub struct Plugins {
    /// Change nothing; fail if a committed component is not what its sources give.
    #[arg(long)]
    check: bool,
}

/// What `plugins/dist/lock.json` says.
#[derive(Serialize, Deserialize)]
struct Lock {
    /// The first line of `rustc -V` of the compiler that built all of them: another one gives other bytes.
    rustc: String,
    components: BTreeMap<String, Locked>,
}

#[derive(Serialize, Deserialize)]
struct Locked {
    /// SHA-256 of the component.
    digest: String,
    /// SHA-256 over the plugin's own folder and the contract.
    sources: String,
}

impl Plugins {
    /// Builds, or checks.
    pub fn run(self) -> Result<()> {
        let workspace = workspace_root()?;
        if self.check { check(&workspace) } else { build(&workspace) }
    }
}

fn build(workspace: &Path) -> Result<()> {
    let mut lock = Lock { rustc: rustc_version()?, components: BTreeMap::new() };
    for (source, component) in SOURCES.iter().zip(build_components(workspace)?) {
        fs::write(workspace.join(source.component), &component)
            .with_context(|| format!("cannot write {}", source.component))?;
        let digest = hex(&Sha256::digest(&component));
        println!("{} {} bytes sha256:{digest}", source.component, component.len());
        lock.components
            .insert(source.component.to_owned(), Locked { digest, sources: source_digest(workspace, source)? });
    }
    let text = serde_json::to_string_pretty(&lock)? + "\n";
    fs::write(workspace.join(LOCK), text).with_context(|| format!("cannot write {LOCK}"))
}

fn check(workspace: &Path) -> Result<()> {
    let text = fs::read_to_string(workspace.join(LOCK)).with_context(|| format!("cannot read {LOCK}"))?;
    let lock: Lock = serde_json::from_str(&text).with_context(|| format!("cannot read {LOCK}"))?;
    for source in &SOURCES {
        check_digests(workspace, source, &lock)?;
    }
    println!("{} components match {LOCK} and their sources", SOURCES.len());

    let rustc = rustc_version()?;
    if rustc != lock.rustc {
        println!("NOT COMPARED byte for byte: built by `{}`, this is `{rustc}`", lock.rustc);
        return Ok(());
    }
    if let Err(missing) = ensure_target_is_installed(TARGET) {
        println!("NOT COMPARED byte for byte: {missing}");
        return Ok(());
    }
    for (source, built) in SOURCES.iter().zip(build_components(workspace)?) {
        let committed = fs::read(workspace.join(source.component))?;
        ensure!(built == committed, "{} is not what its sources give: run `cargo xtask plugins`", source.component);
    }
    println!("{} components compared byte for byte", SOURCES.len());
    Ok(())
}

fn check_digests(workspace: &Path, source: &Source, lock: &Lock) -> Result<()> {
    let component = source.component;
    let locked = lock.components.get(component).with_context(|| format!("{LOCK} does not list {component}"))?;
    let bytes = fs::read(workspace.join(component)).with_context(|| format!("cannot read {component}"))?;
    ensure!(hex(&Sha256::digest(&bytes)) == locked.digest, "{component} is not what {LOCK} says");
    ensure!(
        source_digest(workspace, source)? == locked.sources,
        "the sources of {component} have changed since it was built: run `cargo xtask plugins`"
    );
    Ok(())
}

/// The components of [`SOURCES`], in that order.
fn build_components(workspace: &Path) -> Result<Vec<Vec<u8>>> {
    build_packages(workspace, &SOURCES.each_ref().map(|source| source.package))
}

/// Packages of this workspace as components, in their order.
pub(crate) fn build_packages(workspace: &Path, packages: &[&str]) -> Result<Vec<Vec<u8>>> {
    ensure_target_is_installed(TARGET)?;
    let target_dir = workspace.join("target/plugins");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace).args(["build", "--quiet", "--locked", "--lib", "--target", TARGET]);
    cargo.args(["--profile", PROFILE]).arg("--target-dir").arg(&target_dir);
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo.env_remove("RUSTFLAGS").env("CARGO_ENCODED_RUSTFLAGS", remapped_paths(workspace)?.join("\u{1f}"));
    ensure!(cargo.status()?.success(), "the components do not build");

    let built = target_dir.join(TARGET).join(PROFILE);
    packages.iter().map(|package| encode(&built, package)).collect()
}

fn encode(built: &Path, package: &str) -> Result<Vec<u8>> {
    let module = fs::read(built.join(package.replace('-', "_")).with_extension("wasm"))?;
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{package} does not make a component"))
}

/// Paths reach the bytes through panic messages; without them any directory gives the same.
fn remapped_paths(workspace: &Path) -> Result<Vec<String>> {
    let sysroot = PathBuf::from(rustc(&["--print", "sysroot"])?.trim());
    let verbose = rustc(&["-vV"])?;
    let commit = verbose.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
    // Later ones win, so the widest comes first.
    let mut prefixes = vec![(cargo_home()?, "/cargo".to_owned())];
    // The folders in it are named after the registry that a machine uses.
    for registry in fs::read_dir(cargo_home()?.join("registry/src")).into_iter().flatten() {
        prefixes.push((registry?.path(), "/cargo/registry".to_owned()));
    }
    prefixes.push((workspace.to_owned(), "/workspace".to_owned()));
    prefixes.push((sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{commit}")));
    Ok(prefixes.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect())
}

fn cargo_home() -> Result<PathBuf> {
    match std::env::var_os("CARGO_HOME") {
        Some(home) => Ok(home.into()),
        None => Ok(std::env::home_dir().context("there is no home directory")?.join(".cargo")),
    }
}

/// The error says how to install it.
pub(crate) fn ensure_target_is_installed(target: &str) -> Result<()> {
    let library = rustc(&["--print", "target-libdir", "--target", target])?;
    if !Path::new(library.trim()).exists() {
        bail!("the target {target} is not installed; add it with `rustup target add {target}`");
    }
    Ok(())
}

fn rustc_version() -> Result<String> {
    Ok(rustc(&["-V"])?.trim().to_owned())
}

fn rustc(arguments: &[&str]) -> Result<String> {
    let output = Command::new("rustc").args(arguments).output().context("cannot run rustc")?;
    ensure!(output.status.success(), "`rustc {}` failed", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}

fn source_digest(workspace: &Path, source: &Source) -> Result<String> {
    let mut files = Vec::new();
    for folder in [source.folder, CONTRACT] {
        list_files(&workspace.join(folder), &mut files).with_context(|| format!("cannot list {folder}"))?;
    }
    files.sort();
    let mut digest = Sha256::new();
    for file in files {
        let name = file.strip_prefix(workspace)?.to_str().context("a file's name is not UTF-8")?.replace('\\', "/");
        let content = fs::read(&file)?;
        // Lengths keep two different folders from running together into the same text.
        digest.update(format!("{name}\n{}\n", content.len()));
        digest.update(&content);
    }
    Ok(hex(&digest.finalize()))
}

pub(crate) fn list_files(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list_files(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn workspace_root() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask lies in the workspace")?;
    Ok(root.to_owned())
}
