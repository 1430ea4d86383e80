//! What misbehaviour costs, in one line for each test.

use std::time::{Duration, Instant};

/// Time and memory since a moment.
pub struct Figures {
    begun: Instant,
    resident_kib: u64,
}

impl Figures {
    /// From now on.
    pub fn start() -> Self {
        Self { begun: Instant::now(), resident_kib: resident_kib() }
    }

    /// Prints what so many calls took, under the name of the test, and returns the time.
    pub fn print(&self, calls: usize) -> Duration {
        let took = self.begun.elapsed();
        let thread = std::thread::current();
        let test = thread.name().unwrap_or_default().to_owned();
        println!(
            "{test:<76}{calls:>7} calls{:>9.1} ms{:>+8.1} MiB",
            took.as_secs_f64() * 1e3,
            self.growth_kib() as f64 / 1024.0
        );
        took
    }

    /// How long it has been.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How much more memory the process holds, in KiB.
    pub fn growth_kib(&self) -> i64 {
        resident_kib() as i64 - self.resident_kib as i64
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
