//! The real binary: as a gateway, and as the command line that talks to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process};
use tempfile::TempDir;

use super::PATIENCE;

/// The binary under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_mcpjungle");

/// A running gateway. Killed and reaped when dropped.
pub(crate) struct Gateway {
    child: Child,
    output: Arc<Output>,
    port: u16,
    home: Arc<TempDir>,
}

/// What a command printed, and how it ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

#[derive(Default)]
struct Output {
    text: Mutex<(String, u8)>,
    grew: Condvar,
}

impl Gateway {
    /// In a new, empty home.
    pub(crate) fn start() -> Self {
        Self::start_in(new_home(), &[])
    }

    /// In a home that an earlier gateway may have left, with more arguments for `start`.
    pub(crate) fn start_in(home: Arc<TempDir>, arguments: &[&str]) -> Self {
        Self::launch(home, arguments, &[])
    }

    /// In a new, empty home, with environment variables.
    pub(crate) fn start_with_environment(variables: &[(&str, &str)]) -> Self {
        Self::launch(new_home(), &[], variables)
    }

    /// As [`Self::start_in`], in a process that a limit on the size of files does not kill.
    pub(crate) fn start_limitable(home: Arc<TempDir>, arguments: &[&str]) -> Self {
        let mut shell = command_in(home.path(), "sh");
        shell.args(["-c", r#"trap "" XFSZ; exec "$@""#, "sh", BINARY]);
        Self::launch_by(shell, home, arguments)
    }

    fn launch(home: Arc<TempDir>, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = bare_command(home.path());
        command.envs(variables.iter().copied());
        Self::launch_by(command, home, arguments)
    }

    fn launch_by(mut command: Command, home: Arc<TempDir>, arguments: &[&str]) -> Self {
        command.args(["start", "--port", "0"]).args(arguments);
        let mut child = command.spawn().expect("the gateway's binary runs");
        let output = Arc::new(Output::default());
        output.follow(child.stdout.take().expect("stdout is piped"));
        output.follow(child.stderr.take().expect("stderr is piped"));
        let mut gateway = Self { child, output, port: 0, home };
        gateway.port = gateway.output.await_port();
        gateway
    }

    /// The URL of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The directory that the gateway runs in and takes for its home.
    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// Keeps the home for another gateway after this one.
    pub(crate) fn keep_home(&self) -> Arc<TempDir> {
        Arc::clone(&self.home)
    }

    /// Runs a command of the command line against this gateway.
    pub(crate) fn run(&self, arguments: &[&str]) -> Finished {
        let mut command = bare_command(self.home());
        command.args(["--registry", &self.url("")]).args(arguments);
        finish(command)
    }

    /// As [`Self::run`], for a command that must succeed; its standard output.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let finished = self.run(arguments);
        assert_eq!(finished.code, Some(0), "`{}`: {finished:?}\n{}", arguments.join(" "), self.log());
        finished.stdout
    }

    /// Writes a configuration file and runs a command that ends in its path.
    pub(crate) fn run_with_file(&self, arguments: &[&str], configuration: &serde_json::Value) -> Finished {
        let mut file = tempfile::NamedTempFile::new_in(self.home()).expect("the home is writable");
        file.write_all(configuration.to_string().as_bytes()).expect("the file is writable");
        let path = file.path().to_str().expect("temporary paths are UTF-8");
        self.run(&[arguments, &[path]].concat())
    }

    /// Registers a server by a configuration file.
    pub(crate) fn register(&self, configuration: &serde_json::Value) {
        let finished = self.run_with_file(&["register", "-c"], configuration);
        assert_eq!(finished.code, Some(0), "{configuration}: {finished:?}\n{}", self.log());
    }

    /// Creates a tool group by a configuration file.
    pub(crate) fn create_group(&self, configuration: &serde_json::Value) {
        let finished = self.run_with_file(&["create", "group", "-c"], configuration);
        assert_eq!(finished.code, Some(0), "{configuration}: {finished:?}\n{}", self.log());
    }

    /// All that the gateway has printed.
    pub(crate) fn log(&self) -> String {
        self.output.text.lock().expect("no holder panics").0.clone()
    }

    /// The most memory that its process ever held, in bytes.
    pub(crate) fn peak_memory_bytes(&self) -> u64 {
        self.memory_bytes("VmHWM:")
    }

    /// The memory that its process holds, in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.memory_bytes("VmRSS:")
    }

    fn memory_bytes(&self, figure: &str) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("the gateway runs");
        let value = status.lines().find_map(|line| line.strip_prefix(figure)).expect("the kernel counts it");
        let kib: u64 = value.trim().trim_end_matches(" kB").parse().expect("it is a number");
        kib * 1024
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the gateway can be signalled");
    }

    fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a child has a pid")
    }

    /// Lets its files be as long as this only, in bytes; or as long as they like.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        let limit = Rlimit { current: bytes, maximum: None };
        rustix::process::prlimit(Some(self.pid()), Resource::Fsize, limit).expect("a child's limits can be set");
    }

    /// Waits until the gateway has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        super::until("the end of the gateway", || {
            status = self.child.try_wait().expect("a child can be waited for");
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the gateway's output ---\n{}", self.log());
        }
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Output {
    fn follow(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = output.text.lock().expect("no holder panics");
                text.0.push_str(&line);
                text.0.push('\n');
                output.grew.notify_all();
            }
            output.text.lock().expect("no holder panics").1 += 1;
            output.grew.notify_all();
        });
    }

    /// Readiness is what the gateway says itself, not how long it took.
    fn await_port(&self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        let mut text = self.text.lock().expect("no holder panics");
        loop {
            let said = text.0.lines().find_map(|line| line.split_once("listening on :"));
            if let Some((_, rest)) = said {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                let port = digits.parse().expect("a port follows");
                assert_ne!(port, 0, "the gateway prints the port that it got");
                return port;
            }
            let pipes_closed = text.1 == 2;
            assert!(!pipes_closed && Instant::now() < deadline, "the gateway did not start:\n{}", text.0);
            text = self.grew.wait_timeout(text, Duration::from_secs(1)).expect("no holder panics").0;
        }
    }
}

/// A home for a gateway.
pub(crate) fn new_home() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().expect("a temporary directory can be made"))
}

/// The binary in `home`, with nothing of the tester's own environment but the search path.
pub(crate) fn bare_command(home: &Path) -> Command {
    command_in(home, BINARY)
}

fn command_in(home: &Path, program: &str) -> Command {
    let mut command = Command::new(PathBuf::from(program));
    command.current_dir(home).env_clear().env("HOME", home);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs a command to its end.
pub(crate) fn finish(mut command: Command) -> Finished {
    let output = command.output().expect("the command runs");
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
