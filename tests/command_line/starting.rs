//! `start` with settings that it refuses: no gateway is left running.

use std::net::TcpListener;

use crate::support::Person;

#[test]
fn settings_that_are_wrong_stop_the_start() {
    for (variable, value, message) in [
        ("PORT", "http", "invalid port 'http': must be a number from 0 to 65535"),
        ("SERVER_MODE", "enterprise", "enterprise mode is not available in this version yet"),
        (
            "SESSION_IDLE_TIMEOUT_SEC",
            "-5",
            "invalid value for SESSION_IDLE_TIMEOUT_SEC environment variable: '-5', \
             must be a number of seconds, or -1 or 0 for no timeout",
        ),
        (
            "DATABASE_URL",
            "postgres://localhost/db",
            "DATABASE_URL asks for PostgreSQL, which this version does not support yet: \
             unset it to use SQLite (--sqlite-db-path chooses the file)",
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
fn enterprise_mode_is_refused_by_flag() {
    insta::assert_snapshot!(Person::new().run(&["start", "--enterprise"]), @"
    exit: 1
    --- stderr
    enterprise mode is not available in this version yet
    ");
    insta::assert_snapshot!(Person::new().run(&["start", "--prod"]), @"
    exit: 1
    --- stderr
    enterprise mode is not available in this version yet
    ");
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
