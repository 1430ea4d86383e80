//! A gateway that is killed while calls run: what was recorded verifies, and with `--audit-sync` all is recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::records;
use crate::harness::client::{Client, request};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

/// How many clients call at the same time.
const CLIENTS: usize = 8;
/// How many calls are answered before the gateway is killed.
const CALLS: usize = 400;
/// A record waits a fiftieth of this for its write; the rest is for machines that are busy.
const GENEROUS: Duration = Duration::from_secs(1);

/// Numbers of calls that were answered, by how long before the end; and those that are recorded.
async fn kill_under_load(arguments: &[&str]) -> (Vec<(usize, Duration)>, BTreeSet<usize>) {
    let home = new_home();
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_AUDIT=true\n").expect("the home is writable");
    let mut gateway = Gateway::start_in(Arc::clone(&home), arguments);
    let server = RawServer::http(&[]);
    let mut registration = server.registration("raw");
    registration["audit"] = json!({ "arguments": true });
    gateway.register(&registration);
    let (next, answered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for _ in 0..CLIENTS {
        let client = Client::connect(gateway.url("/mcp")).await;
        let (next, answered) = (Arc::clone(&next), Arc::clone(&answered));
        callers.push(tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let call = format!(r#"{{"name":"raw__numbers","arguments":{{"number":{number}}}}}"#);
                let answer = client.polite(request("tools/call", &call)).send().await;
                let Ok(answer) = answer else { return mine };
                if answer.text().await.is_err() {
                    return mine;
                }
                mine.push((number, Instant::now()));
                answered.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    until("enough calls are answered", || answered.load(Ordering::Relaxed) >= CALLS).await;
    let killed_at = Instant::now();
    gateway.signal(Signal::KILL);
    gateway.ended().await;
    let mut numbers = Vec::new();
    for caller in callers {
        let mine = caller.await.expect("no caller panics");
        numbers.extend(mine.into_iter().map(|(number, at)| (number, killed_at.saturating_duration_since(at))));
    }
    drop(gateway);

    let gateway = Gateway::start_in(home, arguments);
    let recorded = records(&gateway, &["--server", "raw"]);
    let number = |record: &serde_json::Value| {
        let arguments: serde_json::Value = serde_json::from_str(record["arguments"]["text"].as_str()?).ok()?;
        usize::try_from(arguments["number"].as_u64()?).ok()
    };
    let recorded = recorded.iter().filter_map(number).collect();
    let verified = gateway.succeed(&["audit", "verify"]);
    assert!(verified.contains("Nothing was changed or removed."), "{verified}");
    (numbers, recorded)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_gateway_had_answered_is_recorded_but_for_the_last_moment() {
    let (answered, recorded) = kill_under_load(&[]).await;
    assert!(answered.len() >= CALLS && recorded.len() > CALLS / 2, "{} {}", answered.len(), recorded.len());
    for (number, before_the_end) in answered {
        assert!(recorded.contains(&number) || before_the_end < GENEROUS, "{number}, {before_the_end:?} before the end");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_audit_sync_nothing_that_was_answered_is_lost() {
    let (answered, recorded) = kill_under_load(&["--audit-sync"]).await;
    assert!(answered.len() >= CALLS, "{}", answered.len());
    for (number, before_the_end) in answered {
        assert!(recorded.contains(&number), "{number}, {before_the_end:?} before the end");
    }
}
