//! Real programs beside the command: gateways, and MCP servers for them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::Person;

/// A program that runs until the test ends, and the port that it said it listens on.
pub struct Running {
    pub child: Child,
    pub port: u16,
}

impl Running {
    /// Reads what the program prints up to the line in which `port_in` finds a port.
    fn start(mut command: Command, port_in: impl Fn(&str) -> Option<u16>) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut running = Self { child, port: 0 };
        let mut line = String::new();
        while running.port == 0 {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "{command:?} ended before it was ready");
            running.port = port_in(&line).unwrap_or(0);
        }
        // Whoever prints must not be stopped by a full pipe.
        std::thread::spawn(move || output.lines().map_while(Result::ok).for_each(drop));
        running
    }

    /// A gateway with its settings as they come.
    pub fn gateway(person: &Person) -> Self {
        Self::gateway_with(person, &[])
    }

    /// A gateway with its database in the person's directory, its log in `gateway.log` there,
    /// and the person's `~/.mcpjungle.conf` naming it.
    pub fn gateway_with(person: &Person, arguments: &[&str]) -> Self {
        let words: Vec<&str> = ["start", "--port", "0"].iter().chain(arguments).copied().collect();
        let mut command = person.command(&words);
        command.stderr(File::options().create(true).append(true).open(log_of(person)).unwrap());
        let gateway = Self::start(command, |line| {
            line.split_once("listening on :").and_then(|(_, port)| port.trim().parse().ok())
        });
        person.write_conf(&format!("registry_url: http://127.0.0.1:{}\n", gateway.port));
        gateway
    }

    /// The fixture `raw-server` over HTTP.
    pub fn mcp_server() -> Self {
        let mut command = Command::new(raw_server());
        command.arg("http");
        Self::start(command, |line| line.trim().parse().ok())
    }

    /// Its MCP endpoint, if it is a server.
    pub fn mcp_url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The fixture `raw-server`, which cargo builds beside the binary.
pub fn raw_server() -> PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_mcpjungle")).with_file_name("examples").join("raw-server");
    assert!(program.exists(), "run `cargo build --package mcpjungle --example raw-server` first");
    program
}

/// Looks again and again until something is so; a test that waits in vain fails.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the person's gateways have logged.
pub fn log(person: &Person) -> String {
    std::fs::read_to_string(log_of(person)).unwrap()
}

fn log_of(person: &Person) -> PathBuf {
    person.directory.path().join("gateway.log")
}
