//! The fixtures that are servers: one that answers in bytes of its own, one that the
//! conformance suite accepts. Each keeps a record of what it was asked.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::gateway::BINARY;

/// A running fixture, or for stdio the means to have it started.
pub(crate) struct RawServer {
    program: PathBuf,
    child: Option<Child>,
    port: u16,
    directory: TempDir,
    /// What it is started with, where a gateway starts it.
    options: Vec<String>,
}

/// One request as the fixture saw it.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    /// The id of the session that it says or opens, if any; over stdio the process.
    pub(crate) session: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl RawServer {
    /// Over HTTP, with options such as `--session-ids`.
    pub(crate) fn http(options: &[&str]) -> Self {
        Self::start(program("raw-server"), options)
    }

    /// Over stdio: a gateway starts it, by [`Self::registration`].
    pub(crate) fn stdio() -> Self {
        Self::stdio_with(&[])
    }

    /// As [`Self::stdio`], with options such as `--talks`.
    pub(crate) fn stdio_with(options: &[&str]) -> Self {
        let mut server = Self::to_be_started(program("raw-server"));
        server.options = options.iter().map(|&option| option.to_owned()).collect();
        server
    }

    /// The server that the conformance suite accepts, over HTTP.
    pub(crate) fn conformance() -> Self {
        Self::start(program("conformance-server"), &[])
    }

    /// As [`Self::conformance`], over stdio.
    pub(crate) fn conformance_over_stdio() -> Self {
        Self::to_be_started(program("conformance-server"))
    }

    fn start(program: PathBuf, options: &[&str]) -> Self {
        let mut server = Self::to_be_started(program);
        server.options = options.iter().map(|&option| option.to_owned()).collect();
        server.serve();
        server
    }

    fn serve(&mut self) {
        let mut command = Command::new(&self.program);
        command.arg("http").args(&self.options).args(["--port", &self.port.to_string()]);
        command.arg("--record").arg(record_in(&self.directory));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the fixture runs");
        let mut line = String::new();
        let output = child.stdout.take().expect("stdout is piped");
        BufReader::new(output).read_line(&mut line).expect("the fixture prints its port");
        self.port = line.trim().parse().expect("the fixture prints its port");
        self.child = Some(child);
    }

    /// After [`Self::kill`], where it was before; for HTTP only.
    pub(crate) fn revive(&mut self) {
        self.serve();
    }

    fn to_be_started(program: PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self { program, child: None, port: 0, directory, options: Vec::new() }
    }

    /// Its endpoint; for HTTP only.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// The configuration that registers it.
    pub(crate) fn registration(&self, name: &str) -> Value {
        match self.child {
            Some(_) => json!({ "name": name, "transport": "streamable_http", "url": self.url() }),
            None => {
                let mut arguments = vec!["stdio".to_owned(), "--record".to_owned(), self.mark()];
                arguments.extend(self.options.iter().cloned());
                json!({ "name": name, "transport": "stdio", "command": self.program, "args": arguments })
            }
        }
    }

    /// The configuration that registers it over the transport of 2024-11-05; for [`Self::conformance`].
    #[cfg(feature = "e2e")]
    pub(crate) fn old_registration(&self, name: &str) -> Value {
        json!({ "name": name, "transport": "sse", "url": format!("http://127.0.0.1:{}/sse", self.port) })
    }

    /// Everything that it was asked so far, in order.
    pub(crate) fn record(&self) -> Vec<Recorded> {
        let text = std::fs::read_to_string(record_in(&self.directory)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("the record is whole")).collect()
    }

    /// How often it was asked, once nobody asks any more: a gateway looks at a new server on its own account.
    pub(crate) async fn asked_so_far(&self) -> usize {
        let mut asked = self.record().len();
        let mut unchanged = 0;
        while unchanged < 20 {
            tokio::time::sleep(Duration::from_millis(10)).await;
            let now = self.record().len();
            unchanged = if now == asked { unchanged + 1 } else { 0 };
            asked = now;
        }
        asked
    }

    /// The requests of one method.
    pub(crate) fn requests(&self, method: &str) -> Vec<Recorded> {
        let of_method = |entry: &Recorded| {
            serde_json::from_str::<Value>(&entry.body).is_ok_and(|message| message["method"] == method)
        };
        self.record().into_iter().filter(of_method).collect()
    }

    /// A text that stands in the command line of each of its processes and in no other.
    pub(crate) fn mark(&self) -> String {
        record_in(&self.directory).to_str().expect("temporary paths are UTF-8").to_owned()
    }

    /// A path that belongs to this fixture alone.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Ends it as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            let _already_dead = child.kill();
            let _reaped = child.wait();
        }
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn record_in(directory: &TempDir) -> PathBuf {
    directory.path().join("record.jsonl")
}

/// Cargo builds examples beside the binaries.
fn program(name: &str) -> PathBuf {
    let beside = Path::new(BINARY).parent().expect("a binary lies in a directory");
    let program = beside.join("examples").join(name);
    assert!(program.exists(), "run `cargo build --package mcpjungle --example {name}` first");
    program
}
