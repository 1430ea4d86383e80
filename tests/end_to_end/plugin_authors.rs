//! What `plugin new` writes, in each language: built by the language's own tools, checked, held
//! against its cases, and loaded into a running gateway, where it takes a tool away and gives it back.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::client::Client;
use crate::harness::gateway::{Finished, Gateway, bare_command, finish};
use crate::harness::programs::{node, npm_program, python};
use crate::harness::raw_server::RawServer;

const DENY_NUMBERS: &str = r#"{"deny": ["raw__num*"]}"#;

#[tokio::test]
async fn a_policy_in_rust() {
    let project = Project::new("in-rust", "rust");
    // What is compiled once is there the next time, and shared with other projects.
    let build_dir = workspace().join("target/e2e-projects/build");
    let cargo = |arguments: &[&str]| {
        let mut cargo = project.command("cargo");
        cargo.args(arguments).env("CARGO_BUILD_BUILD_DIR", &build_dir).env_remove("CARGO_TARGET_DIR");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "RUSTFLAGS") {
            cargo.env_remove(name);
        }
        succeed(cargo)
    };
    assert!(cargo(&["test"]).contains("test result: ok"));
    cargo(&["build", "--release", "--target", "wasm32-wasip2"]);
    project.is_loaded_and_taken_back("target/wasm32-wasip2/release/in_rust.wasm", &[]).await;
}

#[tokio::test]
async fn a_policy_in_javascript() {
    let project = Project::new("in-js", "js");
    // Installed already: `npm install` would fetch the same.
    let modules = npm_program("componentize-qjs").parent().and_then(Path::parent).expect("it is in .bin").to_owned();
    symlink(modules, project.folder.join("node_modules")).expect("the folder is writable");
    for script in ["test", "build"] {
        let mut npm = project.command("npm");
        npm.args(["run", script]);
        if let Some(folder) = node().parent().filter(|folder| !folder.as_os_str().is_empty()) {
            npm.env("PATH", with_path(folder));
        }
        succeed(npm);
    }
    project.is_loaded_and_taken_back("in-js.wasm", &["--memory", "32"]).await;
}

#[tokio::test]
async fn a_policy_in_python() {
    let project = Project::new("in-python", "python");
    for rule in ["test", "build"] {
        let mut make = project.command("make");
        // Installed already: `pip install` would fetch the same.
        make.arg(rule).env("PATH", with_path(python().parent().expect("it is in bin")));
        succeed(make);
    }
    project.is_loaded_and_taken_back("in-python.wasm", &["--memory", "128", "--deadline", "2000"]).await;
}

/// A folder that the binary has filled.
struct Project {
    name: &'static str,
    folder: PathBuf,
    home: tempfile::TempDir,
}

impl Project {
    fn new(name: &'static str, language: &str) -> Self {
        let home = tempfile::tempdir().expect("there is room");
        let mut new = bare_command(home.path());
        new.args(["plugin", "new", name, "--stage", "authorizer", "--lang", language]);
        let finished = finish(new);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        Self { name, folder: home.path().join(name), home }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder);
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = bare_command(self.home.path());
        command.current_dir(&self.folder).args(arguments);
        finish(command)
    }

    /// The authorizer's template denies what matches its setting `deny`.
    async fn is_loaded_and_taken_back(&self, component: &str, flags: &[&str]) {
        for arguments in [
            [&["plugin", "check", component][..], flags].concat(),
            [&["plugin", "test", component, "--cases", "cases.yaml"], flags].concat(),
        ] {
            let finished = self.run(&arguments);
            assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        }

        let gateway = Gateway::start();
        let upstream = RawServer::http(&[]);
        gateway.register(&upstream.registration("raw"));
        let client = Client::connect(gateway.url("/mcp")).await;
        let has_numbers =
            async || client.list("tools/list", "tools").await.iter().any(|tool| tool.contains("raw__numbers"));
        assert!(has_numbers().await);

        let component = self.folder.join(component);
        let component = component.to_str().expect("temporary paths are UTF-8");
        gateway.succeed(&[&["plugin", "add", self.name, component, "--settings", DENY_NUMBERS], flags].concat());
        assert!(!has_numbers().await, "{}", gateway.log());
        let denied = client.call("raw__numbers", "{}").await;
        let unknown = client.call("raw__nothing", "{}").await;
        assert!(denied.contains("-32602") && upstream.requests("tools/call").is_empty(), "{denied}");
        assert_eq!(denied.replace("numbers", "nothing"), unknown, "a hidden tool is as one that is not there");
        assert!(client.call("raw__spaced", "{}").await.contains("result"));

        gateway.succeed(&["plugin", "rollback"]);
        assert!(has_numbers().await, "{}", gateway.log());
        assert!(client.call("raw__numbers", "{}").await.contains("result"));
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace").to_owned()
}

fn with_path(first: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = [first.to_owned()].into_iter().chain(std::env::split_paths(&path));
    std::env::join_paths(all).expect("no folder holds a colon")
}

#[track_caller]
fn succeed(command: Command) -> String {
    let shown = format!("{command:?}");
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{shown}: {}\n{}", finished.stdout, finished.stderr);
    finished.stdout
}
