//! What a person at a terminal sees while the gateway takes its time.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::support::{Api, Person};

#[test]
fn at_a_terminal_a_line_says_what_is_waited_for_and_is_gone_before_the_output() {
    let (api, release) = Api::holding(&[("GET /servers", 200, "[]")]);
    let person = Person::of(&api);
    let inner = person.command(&["list", "servers"]);
    // `script` runs its command on a terminal of its own.
    let mut terminal = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command"])
        .arg(format!("{} list servers", inner.get_program().display()))
        .arg("/dev/null")
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", person.home.path())
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = terminal.stdout.take().unwrap();
    let mut seen = String::new();
    let mut bytes = [0; 256];
    while !seen.contains("waiting for the gateway (") {
        let length = output.read(&mut bytes).unwrap();
        assert_ne!(length, 0, "ended before it was answered: {seen:?}");
        seen.push_str(std::str::from_utf8(&bytes[..length]).unwrap());
    }
    drop(release);
    output.read_to_string(&mut seen).unwrap();
    assert!(terminal.wait().unwrap().success());
    let (line, rest) = seen.rsplit_once("\r\x1b[2K").unwrap();
    assert!(line.ends_with(" s)"), "{seen:?}");
    assert_eq!(rest, "There are no MCP servers in the registry\r\n");
}
