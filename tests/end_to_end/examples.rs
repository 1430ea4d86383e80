//! The example policies: their tables of cases, and each in a real gateway with a real client.

mod credentials;
mod guards;
mod jwt;
mod roles;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::gateway::{bare_command, finish, new_home};
use crate::harness::programs::{node, python};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace")
}

/// An example as it was built.
#[track_caller]
pub(crate) fn component(name: &str) -> PathBuf {
    let path = root().join("target/examples").join(name).with_extension("wasm");
    assert!(path.exists(), "{} is missing: run `cargo xtask examples`, which builds it", path.display());
    path
}

/// An example in a policies file, with the deadline of a busy machine.
fn example(name: &str, settings: &Value, grants: &[&str]) -> Value {
    json!({
        "name": name, "component": component(name), "settings": settings, "grants": grants,
        "limits": { "deadline_ms": 10_000, "memory_mib": 64 },
    })
}

/// Writes a policies file: these, and the stock policies around them. Authenticators that are ours come first.
fn write_policies(home: &TempDir, ours: &[Value]) -> String {
    let stock = |name: &str| json!({ "name": name, "component": format!("builtin:{name}") });
    let mut policies = ours.to_vec();
    policies.extend(["auth", "groups", "acl"].map(stock));
    // A header of ours overrides one of the stock injector's.
    policies.insert(0, stock("headers"));
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, json!({ "policies": policies }).to_string()).expect("the home is writable");
    file.to_str().expect("temporary paths are UTF-8").to_owned()
}

/// Runs an example's table of cases as an author would.
#[track_caller]
fn passes(name: &str, cases: &str) {
    let home = new_home();
    let cases = root().join("plugins/examples").join(cases).join("cases.yaml");
    let mut command = bare_command(home.path());
    // What components compile to is kept between tests: Python takes a minute.
    command.env("XDG_CACHE_HOME", root().join("target/examples/cache"));
    command.args(["plugin", "test"]).arg(component(name)).arg("--cases").arg(cases);
    command.args(["--deadline", "10000"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
}

#[test]
fn every_example_passes_its_table_of_cases() {
    for name in ["argument-rules", "jwt-auth", "rate-limit", "redact", "user-credential"] {
        passes(name, name);
    }
}

#[test]
fn the_role_table_decides_the_same_in_rust_javascript_and_python() {
    for name in ["role-table", "role-table-js", "role-table-python"] {
        passes(name, "role-table");
    }
}

#[test]
fn the_role_tables_in_javascript_and_python_pass_their_own_tests() {
    let mut javascript = Command::new(node());
    javascript.arg("--test").current_dir(root().join("plugins/examples/role-table-js"));
    let mut python = Command::new(python());
    python.args(["-m", "unittest", "discover", "--verbose", "-s", "tests"]).env("PYTHONDONTWRITEBYTECODE", "1");
    python.current_dir(root().join("plugins/examples/role-table-python"));
    for (command, test) in
        [(javascript, "what one role denies no other allows"), (python, "test_what_one_role_denies_no_other_allows")]
    {
        let finished = finish(command);
        let output = format!("{}{}", finished.stdout, finished.stderr);
        assert!(finished.code == Some(0) && output.contains(test), "{finished:?}");
    }
}
