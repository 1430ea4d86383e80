//! The programs that nobody here wrote, as `cargo xtask test` installed them.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use super::gateway::{Finished, finish};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("a member lies in its workspace").to_owned()
}

#[track_caller]
fn installed(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing: run `cargo xtask test`, which installs it", path.display());
    path
}

/// A Node that is new enough for all of the programs, as `cargo xtask test` has made sure.
pub(crate) fn node() -> PathBuf {
    let modules = root().join("target/e2e/npm/node_modules");
    let mut bundled = ["x64", "arm64"].map(|cpu| modules.join(format!("node-linux-{cpu}/bin/node"))).into_iter();
    bundled.find(|program| program.exists()).unwrap_or_else(|| PathBuf::from("node"))
}

/// A program from npm; `node` runs it.
pub(crate) fn npm_program(name: &str) -> PathBuf {
    installed(root().join("target/e2e/npm/node_modules/.bin").join(name))
}

/// The Python that has the packages.
pub(crate) fn python() -> PathBuf {
    installed(root().join("target/e2e/python/bin/python"))
}

/// The configuration that registers a server from npm over stdio.
pub(crate) fn stdio_registration(name: &str, program: &str, arguments: &[&str]) -> Value {
    let program = npm_program(program);
    let arguments: Vec<_> = program.to_str().into_iter().chain(arguments.iter().copied()).collect();
    json!({ "name": name, "transport": "stdio", "command": node(), "args": arguments })
}

/// Runs a program from npm to its end.
pub(crate) fn run_npm(name: &str, arguments: &[&str]) -> Finished {
    finish(npm_command(name, arguments, &root().join("target/e2e")))
}

/// Runs one of the scripts of `tests/programs` to its end; the JSON that it printed.
pub(crate) fn run_python(script: &str, arguments: &[&str]) -> Value {
    run_script(Command::new(python()), script, arguments)
}

/// As [`run_python`], for Node, with what is installed from npm at hand.
pub(crate) fn run_javascript(script: &str, arguments: &[&str]) -> Value {
    let mut command = Command::new(node());
    command.env("NODE_PATH", installed(root().join("target/e2e/npm/node_modules")));
    run_script(command, script, arguments)
}

fn run_script(mut interpreter: Command, script: &str, arguments: &[&str]) -> Value {
    interpreter.arg(root().join("tests/programs").join(script)).args(arguments);
    without_proxies(&mut interpreter);
    let finished = finish(interpreter);
    assert_eq!(finished.code, Some(0), "{script} {arguments:?}: {finished:?}");
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// Tests the API that the document at `url` describes, by a configuration, from a directory of its own.
pub(crate) fn run_schemathesis(directory: &Path, configuration: &Path, url: &str) -> Finished {
    let mut command = Command::new(installed(root().join("target/e2e/python/bin/schemathesis")));
    command.arg("--config-file").arg(configuration).args(["run", url, "--no-color"]);
    command.current_dir(directory).env("HOME", directory);
    without_proxies(&mut command);
    finish(command)
}

fn npm_command(name: &str, arguments: &[&str], home: &Path) -> Command {
    let mut command = Command::new(node());
    command.arg(npm_program(name)).args(arguments).env("HOME", home);
    // The inspector starts `node` by name.
    if let Some(directory) = node().parent().filter(|directory| !directory.as_os_str().is_empty()) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let both = [directory.to_owned()].into_iter().chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(both).expect("no directory holds a colon"));
    }
    without_proxies(&mut command);
    command
}

fn without_proxies(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY", "all_proxy"] {
        command.env_remove(name);
    }
}

/// `server-everything` over HTTP. Killed and reaped when dropped.
pub(crate) struct EverythingServer {
    child: Child,
    port: u16,
    path: &'static str,
}

impl EverythingServer {
    /// Over Streamable HTTP.
    pub(crate) fn start() -> Self {
        Self::start_with("streamableHttp", "listening on port", "/mcp")
    }

    /// Over the old transport.
    pub(crate) fn start_sse() -> Self {
        Self::start_with("sse", "running on port", "/sse")
    }

    fn start_with(transport: &str, ready: &str, path: &'static str) -> Self {
        // It cannot pick a port itself: one that is free now is the best that can be done.
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("a port is free").port();
        let mut command = npm_command("mcp-server-everything", &[transport], &root());
        command.env("PORT", port.to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("node runs");
        let mut output = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        while !line.contains(ready) {
            line.clear();
            let read = output.read_line(&mut line).expect("it prints text");
            assert_ne!(read, 0, "server-everything did not start");
        }
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
        Self { child, port, path }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}{}", self.port, self.path)
    }
}

impl Drop for EverythingServer {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A program that speaks MCP on its standard input and output. Killed and reaped when dropped.
pub(crate) struct StdioProgram {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    _home: tempfile::TempDir,
}

impl StdioProgram {
    /// Starts a program from npm with a home of its own.
    pub(crate) fn npm(name: &str, arguments: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a temporary directory can be made");
        let mut command = npm_command(name, arguments, home.path());
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("node runs");
        let input = child.stdin.take().expect("stdin is piped");
        let output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { child, input, output, _home: home }
    }

    /// Sends one message.
    pub(crate) fn tell(&mut self, message: &Value) {
        writeln!(self.input, "{message}").expect("the program reads");
    }

    /// Sends a request and reads on to its answer.
    pub(crate) fn ask(&mut self, id: u32, method: &str, params: &Value) -> Value {
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let message = self.hear();
            if message["id"] == id && message["method"].is_null() {
                return message;
            }
        }
    }

    /// Reads one message.
    pub(crate) fn hear(&mut self) -> Value {
        let mut line = String::new();
        let read = self.output.read_line(&mut line).expect("the program writes text");
        assert_ne!(read, 0, "the program ended before it said what was waited for");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for StdioProgram {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}
