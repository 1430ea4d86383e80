//! The official conformance suite: at a server of our own that passes it, and through
//! the gateway in front of that server. Each check has the same outcome.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::harness::gateway::Gateway;
use crate::harness::programs::run_npm;
use crate::harness::raw_server::RawServer;

/// The revision whose requirements are run.
const REVISION: &str = "2025-11-25";

/// Those that count towards conformance, and three that do not.
const SCENARIOS: usize = 33;

/// This one tests the edge, which is the gateway's own business.
const EDGE: &str = "dns-rebinding-protection";

/// Where a server has one stream for everything, it cannot close that of a call early.
const POLLING: &str = "server-sse-polling";

/// What the suite notes down of the traffic; how many events carry a message is not its outcome.
const NOTES: [&str; 4] = ["outgoing-request", "incoming-response", "incoming-sse-event", "stream-closed"];

#[derive(Deserialize)]
struct Check {
    id: String,
    status: String,
    #[serde(rename = "errorMessage")]
    error: Option<String>,
}

/// The checks of each scenario.
type Outcome = BTreeMap<String, Vec<Check>>;

/// Runs the whole suite.
fn run_suite(url: &str) -> Outcome {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let path = directory.path().to_str().expect("temporary paths are UTF-8");
    let finished = run_npm("conformance", &["server", "--url", url, "--requirements", REVISION, "-o", path]);
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let folder = entry.expect("the results are readable").path();
        let name = folder.file_name().and_then(|name| name.to_str()).expect("names are UTF-8");
        let text = std::fs::read_to_string(folder.join("checks.json")).expect("every scenario has checks");
        let checks: Vec<Check> = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let is_note = |check: &Check| check.status == "INFO" && NOTES.contains(&check.id.as_str());
        (scenario(name), checks.into_iter().filter(|check| !is_note(check)).collect())
    };
    let outcome: Outcome = std::fs::read_dir(directory.path()).expect("the results are readable").map(read).collect();
    assert_eq!(outcome.len(), SCENARIOS, "scenarios that ran: {finished:?}");
    outcome
}

/// A scenario's folder is `server-<scenario>-<time>`; the time has five dashes of its own.
fn scenario(folder: &str) -> String {
    let parts: Vec<_> = folder.split('-').collect();
    parts[1..parts.len() - 6].join("-")
}

fn failures(checks: &[Check]) -> Vec<&str> {
    checks.iter().filter(|check| check.status == "FAILURE").map(|check| check.id.as_str()).collect()
}

/// How often the upstream was asked for what only it can answer, by method and name.
fn asked(server: &RawServer) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for entry in server.record() {
        let Ok(message) = serde_json::from_str::<Value>(&entry.body) else { continue };
        let what = match message["method"].as_str() {
            Some("tools/call" | "prompts/get") => message["params"]["name"].to_string(),
            Some("resources/read" | "resources/subscribe" | "resources/unsubscribe") => {
                message["params"]["uri"].to_string()
            }
            Some("completion/complete") => message["params"]["ref"]["name"].to_string(),
            Some("logging/setLevel") => message["params"]["level"].to_string(),
            // What a client answers to sampling and elicitation.
            None if !message["result"].is_null() => message["result"].to_string(),
            _ => continue,
        };
        *counts.entry(format!("{} {what}", message["method"])).or_default() += 1;
    }
    counts
}

/// A line for each check whose outcome differs.
fn differences(direct: &Outcome, through: &Outcome, compares: impl Fn(&str) -> bool) -> String {
    let mut table = String::new();
    for (scenario, expected) in direct.iter().filter(|(scenario, _)| compares(scenario)) {
        let seen = &through[scenario];
        let ids: BTreeSet<_> = expected.iter().chain(seen).map(|check| check.id.as_str()).collect();
        for id in ids {
            let statuses = |checks: &[Check]| -> Vec<String> {
                checks.iter().filter(|check| check.id == id).map(|check| check.status.clone()).collect()
            };
            let (expected, got) = (statuses(expected), statuses(seen));
            if expected != got {
                let why = seen.iter().find(|check| check.id == id).and_then(|check| check.error.as_deref());
                let (expected, got, why) = (expected.join(" "), got.join(" "), why.unwrap_or_default());
                writeln!(table, "{scenario:30} | {id:40} | {expected:8} | {got:8} | {why}").expect("it is a string");
            }
        }
    }
    table
}

/// The outcomes at the server itself, and through a gateway before an `upstream` of the same program.
fn compare(upstream: &RawServer, registration: &Value, compares: impl Fn(&str) -> bool) {
    let server = RawServer::conformance();
    let direct = run_suite(&server.url());
    for (scenario, checks) in direct.iter().filter(|(scenario, _)| *scenario != EDGE) {
        assert_eq!(failures(checks), [""; 0], "{scenario}, directly");
    }

    let gateway = Gateway::start();
    gateway.register(registration);
    let through = run_suite(&gateway.url("/v0/servers/fixture/mcp"));
    let table = differences(&direct, &through, |scenario| scenario != EDGE && compares(scenario));
    assert!(table.is_empty(), "scenario | check | directly | through the gateway | why\n{table}");
    assert_eq!(failures(&through[EDGE]), [""; 0], "{EDGE}, at the gateway");
    let (expected, asked) = (asked(&server), asked(upstream));
    let what: BTreeSet<_> = expected.keys().chain(asked.keys()).collect();
    let differing: Vec<_> = what
        .into_iter()
        .map(|what| (what, expected.get(what), asked.get(what)))
        .filter(|(_, expected, asked)| expected != asked)
        .collect();
    assert!(differing.is_empty(), "what the server and the upstream were asked, how often: {differing:#?}");
}

#[test]
fn the_suite_cannot_tell_the_gateway_from_a_server_over_http() {
    let upstream = RawServer::conformance();
    compare(&upstream, &upstream.registration("fixture"), |_| true);
}

#[test]
fn the_suite_cannot_tell_the_gateway_from_a_server_whose_session_is_kept() {
    let upstream = RawServer::conformance();
    let mut registration = upstream.registration("fixture");
    registration["session_mode"] = json!("stateful");
    compare(&upstream, &registration, |_| true);
}

#[test]
fn the_suite_cannot_tell_the_gateway_from_a_server_over_the_old_transport() {
    let upstream = RawServer::conformance();
    compare(&upstream, &upstream.old_registration("fixture"), |scenario| scenario != POLLING);
}

#[test]
fn the_suite_cannot_tell_the_gateway_from_a_server_over_stdio() {
    let upstream = RawServer::conformance_over_stdio();
    compare(&upstream, &upstream.registration("fixture"), |scenario| scenario != POLLING);
}
