//! What `plugin new` writes, in each language, by the steps that it prints: built by the language's own tools,
//! checked, held against its cases, and added to a running gateway.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::client::Client;
use crate::harness::gateway::{BINARY, Finished, Gateway, bare_command, finish, new_home};
use crate::harness::programs::{node, npm_program, python};
use crate::harness::raw_server::RawServer;

const DENY_NUMBERS: &str = r#"{"deny": ["raw__num*"]}"#;
const NOTHING_OF_ETC: &str = r#"{"forbidden": ["/etc/"]}"#;
const EVERY_STAGE: [&str; 6] = ["authenticator", "tool-filter", "authorizer", "guard", "header-injector", "observer"];
const POLICY_DENIED: &str = "-31001";

/// Steps that fetch packages. They are not taken: the same packages are installed already.
const FETCHES: [&str; 2] = ["npm install", "python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"];

#[tokio::test]
async fn an_authorizer_in_rust_takes_a_tool_away_and_gives_it_back() {
    takes_a_tool_away_and_gives_it_back("rust").await;
}

#[tokio::test]
async fn an_authorizer_in_javascript_takes_a_tool_away_and_gives_it_back() {
    takes_a_tool_away_and_gives_it_back("js").await;
}

#[tokio::test]
async fn an_authorizer_in_python_takes_a_tool_away_and_gives_it_back() {
    takes_a_tool_away_and_gives_it_back("python").await;
}

#[tokio::test]
async fn every_stage_in_rust() {
    is_asked_at_every_stage("rust").await;
}

#[tokio::test]
async fn every_stage_in_javascript() {
    is_asked_at_every_stage("js").await;
}

#[tokio::test]
async fn every_stage_in_python() {
    is_asked_at_every_stage("python").await;
}

/// Each is compiled by another part of the templates.
#[test]
fn each_stage_and_each_capability_alone_in_rust() {
    for (stage, uses) in [
        ("authenticator", &["--uses", "kv"][..]),
        ("tool-filter", &["--uses", "http"]),
        ("guard", &["--uses", "secrets"]),
        ("header-injector", &[]),
        ("observer", &[]),
    ] {
        let project = Project::new("alone", "rust", &[&["--stage", stage], uses].concat());
        project.succeed("cargo test");
    }
}

/// The authorizer's template denies what matches its setting `deny`.
async fn takes_a_tool_away_and_gives_it_back(language: &str) {
    let project = Project::new("deny-list", language, &["--stage", "authorizer"]);
    let gateway = project.start_gateway(&[]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let has_numbers =
        async || client.list("tools/list", "tools").await.iter().any(|tool| tool.contains("raw__numbers"));

    project.take_the_steps();
    assert!(has_numbers().await, "it denies nothing yet");
    gateway.succeed(&["plugin", "update", "deny-list", "--settings", DENY_NUMBERS]);
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

/// With every capability, too: what it imports is granted by the flags that are printed, and by the README's file.
async fn is_asked_at_every_stage(language: &str) {
    let stages = EVERY_STAGE.join(",");
    let project = Project::new("every-stage", language, &["--stage", &stages, "--uses", "kv,http,secrets"]);
    let gateway = project.start_gateway(&[]);
    project.take_the_steps();
    let plugin = gateway.succeed(&["plugin", "get", "every-stage", "--json"]);
    let plugin: Value = serde_json::from_str(&plugin).expect("it is JSON");
    assert_eq!(plugin["stages"], json!(EVERY_STAGE), "{plugin}");

    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    gateway.succeed(&["plugin", "update", "every-stage", "--settings", NOTHING_OF_ETC]);
    let client = Client::connect(gateway.url("/mcp")).await;
    // What a parser makes of these holds one of the two only; the server would get both.
    for arguments in [
        r#"{"path":"/etc/passwd"}"#,
        r#"{"path":"/etc/passwd","path":"/tmp/a"}"#,
        r#"{"files":[{"path":"/etc/passwd","p\u0061th":"/tmp/a"}]}"#,
    ] {
        let refused = client.call("raw__echo", arguments).await;
        assert!(refused.contains(POLICY_DENIED), "{arguments}: {refused}\n{}", gateway.log());
    }
    assert!(upstream.requests("tools/call").is_empty());
    let answer = client.call("raw__echo", r#"{"path":"/tmp/a","files":[{"path":"/tmp/b"}]}"#).await;
    assert!(answer.contains("result"), "{answer}\n{}", gateway.log());
    drop(gateway);

    let gateway = project.start_gateway(&["--policies", &project.write_policies_file()]);
    let listed = gateway.succeed(&["plugin", "list"]);
    assert_eq!(listed.matches("every-stage  ").count(), EVERY_STAGE.len(), "{listed}");
}

/// A folder that the binary has filled, in the home of who works there.
struct Project {
    folder: PathBuf,
    /// What the command said is to be done next.
    steps: Vec<String>,
    home: Arc<TempDir>,
}

impl Project {
    fn new(name: &str, language: &str, arguments: &[&str]) -> Self {
        let home = new_home();
        let mut new = bare_command(home.path());
        new.args(["plugin", "new", name, "--lang", language, "--json"]).args(arguments);
        let finished = finish(new);
        assert_eq!(finished.code, Some(0), "{finished:?}");
        let written: Value = serde_json::from_str(&finished.stdout).expect("it is JSON");
        let steps: Vec<String> = serde_json::from_value(written["next"].clone()).expect("the steps are texts");
        let project = Self { folder: home.path().join(name), steps, home };
        project.install_packages(language);

        let bin = project.home.path().join("bin");
        fs::create_dir(&bin).expect("the home is writable");
        symlink(BINARY, bin.join("mcpjungle")).expect("the home is writable");
        let readme = fs::read_to_string(project.folder.join("README.md")).expect("the project has a README");
        for step in &project.steps {
            assert!(readme.contains(&format!("\n{step}")), "`{step}` is not in the README:\n{readme}");
        }
        project
    }

    /// In place of what the steps would fetch.
    fn install_packages(&self, language: &str) {
        let above = |program: PathBuf| program.parent().and_then(Path::parent).expect("it is in a folder").to_owned();
        let (installed, name) = match language {
            "js" => (above(npm_program("componentize-qjs")), "node_modules"),
            "python" => (above(python()), ".venv"),
            _ => return,
        };
        symlink(installed, self.folder.join(name)).expect("the folder is writable");
    }

    /// Starts a gateway in this home, where the commands of the steps find it.
    fn start_gateway(&self, arguments: &[&str]) -> Gateway {
        let gateway = Gateway::start_in(Arc::clone(&self.home), arguments);
        let conf = format!("registry_url: {}\n", gateway.url(""));
        fs::write(self.home.path().join(".mcpjungle.conf"), conf).expect("the home is writable");
        gateway
    }

    /// Every step as it was printed, in a shell.
    fn take_the_steps(&self) {
        let added = self.steps.last().is_some_and(|step| step.starts_with("mcpjungle plugin add "));
        assert!(added && self.steps.len() >= 5, "{:?}", self.steps);
        for step in self.steps.iter().filter(|step| !FETCHES.contains(&step.as_str())) {
            self.succeed(step);
        }
    }

    #[track_caller]
    fn succeed(&self, step: &str) {
        let finished = self.run(step);
        assert_eq!(finished.code, Some(0), "`{step}`: {}\n{}", finished.stdout, finished.stderr);
        let is_clean = !step.starts_with("cargo ") || !finished.stderr.contains("warning");
        assert!(is_clean, "`{step}` warns of what the author has not written: {}", finished.stderr);
    }

    fn run(&self, step: &str) -> Finished {
        let real_home = std::env::home_dir().expect("there is a home");
        let variable = |name: &str, default: &str| {
            std::env::var_os(name).unwrap_or_else(|| real_home.join(default).into_os_string())
        };
        let mut shell = Command::new("sh");
        shell
            .args(["-c", step])
            .current_dir(&self.folder)
            .env("HOME", self.home.path())
            .env("PATH", self.search_path())
            .env("CARGO_HOME", variable("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", variable("RUSTUP_HOME", ".rustup"))
            // What is compiled once is there the next time, and shared with other projects.
            .env("CARGO_BUILD_BUILD_DIR", workspace().join("target/e2e-projects/build"))
            .env_remove("CARGO_TARGET_DIR");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG") || name == "RUSTFLAGS") {
            shell.env_remove(name);
        }
        finish(shell)
    }

    fn search_path(&self) -> OsString {
        let bin = self.home.path().join("bin");
        let node = node().parent().filter(|folder| !folder.as_os_str().is_empty()).map(Path::to_owned);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = [bin].into_iter().chain(node).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).expect("no folder holds a colon")
    }

    /// What the README says for a policies file, behind stock policies; where it is.
    fn write_policies_file(&self) -> String {
        let readme = fs::read_to_string(self.folder.join("README.md")).expect("the project has a README");
        let (_, after) = readme.split_once("```yaml\n").expect("the README has a sample");
        let (sample, _) = after.split_once("```").expect("the sample has an end");
        let stock = "policies:\n  - {name: auth, component: \"builtin:auth\"}\n";
        let file = self.folder.join("policies.yaml");
        fs::write(&file, format!("{stock}{sample}")).expect("the folder is writable");
        file.to_str().expect("temporary paths are UTF-8").to_owned()
    }
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace").to_owned()
}
