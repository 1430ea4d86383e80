//! Every command against the real gateway with a real MCP server behind it: what the
//! small server of the other tests answers is what the gateway answers, too.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::Person;

/// A program that runs until the test ends, and the port that it said it listens on.
struct Running {
    child: Child,
    port: u16,
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

    fn gateway(person: &Person) -> Self {
        Self::start(person.command(&["start", "--port", "0"]), |line| {
            line.split_once("listening on :").and_then(|(_, port)| port.trim().parse().ok())
        })
    }

    /// The fixture `raw-server`, which cargo builds beside the binary.
    fn mcp_server() -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_mcpjungle")).with_file_name("examples").join("raw-server");
        assert!(program.exists(), "run `cargo build --package mcpjungle --example raw-server` first");
        let mut command = Command::new(program);
        command.arg("http");
        Self::start(command, |line| line.trim().parse().ok())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _already_dead = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Runs a command that must succeed, and looks for these lines in what it prints, in this order.
fn shows(person: &Person, arguments: &[&str], lines: &[&str]) {
    let printed = person.stdout(arguments);
    let mut rest = printed.lines();
    for line in lines {
        assert!(rest.any(|printed| printed == *line), "{arguments:?} prints no `{line}` in its place:\n{printed}");
    }
}

fn as_json(person: &Person, arguments: &[&str]) -> Value {
    serde_json::from_str(&person.stdout(&[arguments, &["--json"]].concat())).unwrap()
}

const NOTES: &str = "mcpj://res/raw/ZmlsZTovLy9vZGQgcGF0aC/DpC50eHQ";

#[test]
fn every_command_does_on_the_gateway_what_it_says() {
    runs_every_command(&Person::new());
}

#[cfg(feature = "e2e")]
#[test]
fn every_command_does_the_same_on_postgresql() {
    let mut person = Person::new();
    person.uses_postgres(crate::postgres::Cluster::shared());
    runs_every_command(&person);
}

fn runs_every_command(person: &Person) {
    let server = Running::mcp_server();
    let gateway = Running::gateway(person);
    let url = format!("http://127.0.0.1:{}", gateway.port);
    person.write_conf(&format!("registry_url: {url}\n"));
    let upstream = format!("http://127.0.0.1:{}/mcp", server.port);

    shows(person, &["version"], &[&format!("Server URL:  {url}")]);
    shows(
        person,
        &["register", "--name", "raw", "--url", &upstream],
        &["Server raw registered successfully!", "1. raw__echo: Gives back its parameters"],
    );
    let taken = person.run(&["register", "--name", "raw", "--url", &upstream]);
    assert_eq!(taken, "exit: 1\n--- stderr\nfailed to register server: MCP server raw already exists\n");
    shows(person, &["list", "servers"], &["1. raw", "Transport: streamable_http", &format!("URL: {upstream}")]);

    shows_items(person);
    changes_groups(person, &url);
    switches(person);
    answers_in_json(person, &upstream);

    shows(person, &["deregister", "raw"], &["Successfully deregistered MCP server raw"]);
    assert_eq!(as_json(person, &["list", "servers"]), json!([]));
    let gone = person.run(&["deregister", "raw"]);
    assert!(gone.starts_with("exit: 1\n--- stderr\n"), "{gone}");
}

fn shows_items(person: &Person) {
    shows(person, &["list", "tools"], &["1. raw__echo  [ENABLED]", "Gives back its parameters"]);
    shows(person, &["list", "tools", "--server", "raw"], &["1. raw__echo  [ENABLED]"]);
    shows(person, &["usage", "raw__numbers"], &["raw__numbers", "* readOnlyHint = true"]);
    shows(person, &["invoke", "raw__spaced", "--input", "{}"], &["** Content [text] **", "a", "b"]);
    shows(person, &["list", "prompts"], &["1. raw__greet  [ENABLED]", "2. raw__farewell  [ENABLED]"]);
    shows(
        person,
        &["get", "prompt", "raw__greet", "--arg", "who=you"],
        &["Prompt: raw__greet", "Message 1 (user):", "Message 2 (narrator):"],
    );
    shows(person, &["list", "resources"], &["1. raw__notes", &format!("   URI: {NOTES}")]);
    shows(person, &["get", "resource", NOTES], &["Resource: raw__notes", "MIME Type: text/plain", "Status: ENABLED"]);
    shows(person, &["get", "resource", NOTES, "--read"], &["läuft", "again"]);
}

fn changes_groups(person: &Person, url: &str) {
    person.write("group.json", r#"{"name":"g","description":"Some","included_tools":["raw__spaced"]}"#);
    let endpoint = format!("{url}/v0/groups/g/mcp");
    shows(
        person,
        &["create", "group", "-c", "group.json"],
        &["Tool Group g created successfully", &format!("    {endpoint}")],
    );
    shows(person, &["list", "groups"], &["1. g", "Some"]);
    let group = person.stdout(&["get", "group", "g"]);
    assert!(group.contains(&endpoint) && group.contains("1. raw__spaced") && !group.contains("SSE"), "{group}");
    shows(person, &["list", "tools", "--group", "g"], &["Tools in group 'g' (Some):", "1. raw__spaced  [ENABLED]"]);
    shows(person, &["invoke", "raw__spaced", "--group", "g"], &["** Content [text] **"]);
    let outside = person.run(&["invoke", "raw__echo", "--group", "g"]);
    assert_eq!(outside, "exit: 1\n--- stderr\ntool 'raw__echo' is not available in group 'g'\n");
    person.write("group.json", r#"{"name":"g","description":"Some","included_tools":["raw__echo"]}"#);
    shows(
        person,
        &["update", "group", "-c", "group.json"],
        &["* Tools removed from included_tools:", "    - raw__spaced", "    - raw__echo"],
    );
    person.write("empty.json", r#"{"name":"g"}"#);
    let refused = person.run(&["update", "group", "-c", "empty.json"]);
    assert!(refused.contains("tool group must contain at least one tool"), "{refused}");
    shows(person, &["delete", "group", "g"], &["Tool group 'g' deleted successfully!"]);
    assert_eq!(as_json(person, &["list", "groups"]), json!([]));
}

fn switches(person: &Person) {
    shows(person, &["disable", "tool", "raw__echo"], &["MCP tool 'raw__echo' disabled successfully!"]);
    shows(person, &["list", "tools"], &["1. raw__echo  [DISABLED]"]);
    shows(person, &["enable", "tool", "raw__echo"], &["MCP tool 'raw__echo' enabled successfully!"]);
    shows(person, &["disable", "prompt", "raw__greet"], &["MCP prompt 'raw__greet' disabled successfully!"]);
    shows(person, &["list", "prompts"], &["1. raw__greet  [DISABLED]"]);
    shows(person, &["enable", "prompt", "raw__greet"], &["MCP prompt 'raw__greet' enabled successfully!"]);
    for (verb, done) in [("disable", "disabled"), ("enable", "enabled")] {
        let heading = format!("Following MCP prompts have been {done} successfully:");
        shows(person, &[verb, "prompt", "raw"], &[&heading, "- raw__greet", "- raw__farewell"]);
    }
    shows(person, &["disable", "server", "raw"], &["MCP server 'raw' disabled successfully!", "    - raw__echo"]);
    shows(person, &["get", "resource", NOTES], &["Status: DISABLED"]);
    shows(person, &["enable", "server", "raw"], &["MCP server 'raw' enabled successfully!", "    - raw__echo"]);
}

fn answers_in_json(person: &Person, upstream: &str) {
    let servers = as_json(person, &["list", "servers"]);
    assert_eq!((&servers[0]["name"], &servers[0]["url"]), (&json!("raw"), &json!(upstream)));
    assert_eq!(as_json(person, &["usage", "raw__echo"])["name"], "raw__echo");
    assert_eq!(as_json(person, &["invoke", "raw__failing"])["isError"], true);
    assert_eq!(as_json(person, &["get", "prompt", "raw__greet"])["messages"][0]["role"], "user");
    assert_eq!(as_json(person, &["get", "resource", NOTES])["uri"], NOTES);
    assert_eq!(as_json(person, &["list", "resources"])[0]["name"], "raw__notes");
    assert_eq!(as_json(person, &["disable", "tool", "raw__echo"]), json!(["raw__echo"]));
    assert_eq!(as_json(person, &["enable", "server", "raw"])["tools_affected"], json!(["raw__echo"]));
}
