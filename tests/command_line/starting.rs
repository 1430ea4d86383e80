//! `start`: what it says when it is ready, and the settings that it refuses.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::Person;

/// Starts a gateway on any free port, ends it by SIGINT once it says that it is ready, and shows what it said after its banner.
fn start_and_stop(arguments: &[&str]) -> String {
    let person = Person::new();
    let words: Vec<&str> = ["start", "--port", "0"].iter().chain(arguments).copied().collect();
    let mut gateway = Gateway(person.command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut stdout = BufReader::new(gateway.0.stdout.take().unwrap());
    let mut said = String::new();
    while !said.contains("MCP endpoint: ") {
        assert_ne!(stdout.read_line(&mut said).unwrap(), 0, "the gateway ended before it was ready: {said}");
    }
    kill_process(Pid::from_child(&gateway.0), Signal::INT).unwrap();
    stdout.read_to_string(&mut said).unwrap();
    assert_eq!(gateway.0.wait().unwrap().code(), Some(0));
    let (_, message) = said.split_once("\n\n").unwrap();
    let (port, _) = message.split_once("listening on :").unwrap().1.split_once('\n').unwrap();
    message.replace(port, "[port]").replace(person.directory.path().to_str().unwrap(), "[directory]")
}

/// Ended with the test, however that ends.
struct Gateway(Child);

impl Drop for Gateway {
    fn drop(&mut self) {
        // Fails where it has ended by itself, as it should.
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_gateway_says_where_it_listens_and_ends_in_order_on_a_signal() {
    insta::assert_snapshot!(start_and_stop(&[]), @"
    MCPJungle HTTP server listening on :[port]

    MCP endpoint: http://127.0.0.1:[port]/mcp
    Listening on 127.0.0.1 only: other machines cannot connect. `--host 0.0.0.0` lets them; name the hosts they use in MCPJUNGLE_ALLOWED_HOSTS.
    Database: SQLite file [directory]/mcpjungle.db
    ");
    insta::assert_snapshot!(start_and_stop(&["--host", "0.0.0.0"]), @"
    MCPJungle HTTP server listening on :[port]

    MCP endpoint: http://127.0.0.1:[port]/mcp
    Listening on all addresses of this machine.
    Database: SQLite file [directory]/mcpjungle.db
    ");
}

#[test]
fn safe_mode_is_said_where_it_is_started() {
    insta::assert_snapshot!(start_and_stop(&["--safe-mode"]), @"
    MCPJungle HTTP server listening on :[port]

    MCP endpoint: http://127.0.0.1:[port]/mcp
    Listening on 127.0.0.1 only: other machines cannot connect. `--host 0.0.0.0` lets them; name the hosts they use in MCPJUNGLE_ALLOWED_HOSTS.
    Database: SQLite file [directory]/mcpjungle.db

    SAFE MODE: only the stock policies run, so nothing is refused that only your own policies refuse.
    `mcpjungle plugin list` shows what is installed; mend it, and start without --safe-mode.
    ");
}

#[test]
fn settings_that_are_wrong_stop_the_start() {
    for (variable, value, message) in [
        ("PORT", "http", "invalid port 'http': must be a number from 0 to 65535"),
        (
            "SERVER_MODE",
            "open",
            "invalid value for SERVER_MODE environment variable: 'open', valid values are 'development' and 'enterprise'",
        ),
        (
            "SESSION_IDLE_TIMEOUT_SEC",
            "-5",
            "invalid value for SESSION_IDLE_TIMEOUT_SEC environment variable: '-5', \
             must be a number of seconds, or -1 or 0 for no timeout",
        ),
        (
            "DATABASE_URL",
            "mysql://u:hidden@localhost/db",
            "DATABASE_URL is not a PostgreSQL URL: write it as `postgres://USER:PASSWORD@HOST:PORT/DATABASE`",
        ),
        (
            "MCPJUNGLE_LOG",
            "x=loud",
            "invalid log filter 'x=loud' in MCPJUNGLE_LOG or RUST_LOG: write it like `info` or `warn,mcpjungle_host=debug`",
        ),
    ] {
        let mut person = Person::new();
        person.set(variable, value);
        assert_eq!(person.run(&["start"]), format!("exit: 1\n--- stderr\n{message}\n"));
        let from_file = Person::new();
        from_file.write(".env", &format!("{variable}={value}\n"));
        assert_eq!(from_file.run(&["start"]), format!("exit: 1\n--- stderr\n{message}\n"));
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let shown = Person::new().run(&["start", "--port", &port]).replace(&port, "[port]");
    insta::assert_snapshot!(shown, @"
    exit: 1
    --- stderr
    failed to listen on 127.0.0.1:[port]: Address already in use (os error 98); another program uses that port: stop it, or choose another with --port
    ");
}
