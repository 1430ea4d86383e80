//! What the tests stand on: a real gateway process, real upstreams, a client that sees bytes.

pub(crate) mod admin;
pub(crate) mod client;
pub(crate) mod enterprise;
pub(crate) mod gateway;
pub(crate) mod json;
pub(crate) mod live;
#[cfg(feature = "e2e")]
pub(crate) mod programs;
pub(crate) mod raw_server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long anything may take that a test waits for. Generous, because machines that test are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `condition` holds, and fails the test if it never does.
pub(crate) async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The same, for a condition that takes asking.
pub(crate) async fn until_true(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Processes whose command line holds `text`, such as the path of a record that is theirs alone.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("there is a /proc");
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let command_line = std::fs::read(PathBuf::from(format!("/proc/{pid}/cmdline"))).unwrap_or_default();
        String::from_utf8_lossy(&command_line).contains(text)
    })
    .collect()
}
