//! `start` on a PostgreSQL server: what it says, what it waits for, and what it never prints.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::postgres::{Cluster, PASSWORD, USER};
use crate::support::Person;

/// A gateway that is starting. Ended with the test, however that ends.
struct Starting(Child);

impl Drop for Starting {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

impl Starting {
    fn of(person: &Person) -> Self {
        let mut command = person.command(&["start", "--port", "0"]);
        Self(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    }

    fn interrupt(&mut self) {
        kill_process(Pid::from_child(&self.0), Signal::INT).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

/// Reads lines up to the first that holds `text`.
fn read_until(stream: &mut impl BufRead, text: &str) -> String {
    let mut said = String::new();
    while !said.lines().last().is_some_and(|line| line.contains(text)) {
        assert_ne!(stream.read_line(&mut said).unwrap(), 0, "it ended without `{text}`: {said}");
    }
    said
}

#[test]
fn a_start_waits_for_a_database_that_is_not_there_yet_and_says_so() {
    let cluster = Cluster::create();
    let mut person = Person::new();
    person.set("POSTGRES_HOST", cluster.socket());
    person.set("POSTGRES_PASSWORD", PASSWORD);
    let mut gateway = Starting::of(&person);
    let mut stderr = BufReader::new(gateway.0.stderr.take().unwrap());
    let mut log = read_until(&mut stderr, "waiting for PostgreSQL to accept connections");
    let database = format!("PostgreSQL at {}, database `postgres`", cluster.socket());
    assert!(log.contains(&database), "{log}");

    cluster.resume();
    let mut said = read_until(&mut BufReader::new(gateway.0.stdout.take().unwrap()), "Database: ");
    assert!(said.ends_with(&format!("Database: {database}\n")), "{said}");
    gateway.interrupt();
    stderr.read_to_string(&mut log).unwrap();
    said.push_str(&log);
    assert!(!said.contains(PASSWORD) && !said.contains("p%40ss") && !said.contains("p@ss"), "{said}");
}

#[test]
fn a_signal_ends_a_start_that_is_waiting() {
    let cluster = Cluster::create();
    let mut person = Person::new();
    person.set("DATABASE_URL", &cluster.url("postgres"));
    let mut gateway = Starting::of(&person);
    let mut stderr = BufReader::new(gateway.0.stderr.take().unwrap());
    read_until(&mut stderr, "waiting for PostgreSQL to accept connections");
    gateway.interrupt();
}

#[test]
fn a_database_on_a_tcp_port_is_used() {
    let cluster = Cluster::start();
    let mut person = Person::new();
    person.uses_postgres(&cluster);
    let port = cluster.listen_on_tcp();
    person.set("POSTGRES_HOST", "127.0.0.1");
    person.set("POSTGRES_PORT", &port.to_string());
    let mut gateway = Starting::of(&person);
    let said = read_until(&mut BufReader::new(gateway.0.stdout.take().unwrap()), "Database: ");
    assert!(said.contains(&format!("Database: PostgreSQL at 127.0.0.1:{port}, database `test_")), "{said}");
    gateway.interrupt();
}

#[test]
fn a_database_that_refuses_stops_the_start_with_what_to_check() {
    let cluster = Cluster::shared();
    let mut person = Person::new();
    person.set("POSTGRES_HOST", cluster.socket());
    person.set("POSTGRES_USER", USER);
    person.set("POSTGRES_PASSWORD", "wr@ng");
    let shown = person.run(&["start", "--port", "0"]).replace(cluster.socket(), "[socket]");
    insta::assert_snapshot!(shown, @"
    exit: 1
    --- stderr
    failed to start the gateway: PostgreSQL at [socket] does not accept user `postgres` with this password: check POSTGRES_USER and POSTGRES_PASSWORD (or their _FILE forms)
    ");
    person.set("POSTGRES_PASSWORD", PASSWORD);
    person.set("POSTGRES_DB", "missing");
    let shown = person.run(&["start", "--port", "0"]).replace(cluster.socket(), "[socket]");
    insta::assert_snapshot!(shown, @"
    exit: 1
    --- stderr
    failed to start the gateway: PostgreSQL at [socket] has no database `missing`: create it (`createdb missing`), or check POSTGRES_DB (or POSTGRES_DB_FILE)
    ");
}
