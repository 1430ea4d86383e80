//! What the gateway takes of its machine, under the names that Prometheus clients
//! agree on. Read from `/proc` when metrics are asked for; what cannot be read is
//! left out. Arguments of the process are not shown: they may hold secrets.

use std::fs;

use prometheus::proto::{MetricFamily, MetricType};
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::telemetry::exposition::{counter, family, gauge};

pub(super) fn collect() -> Vec<MetricFamily> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let value = |name, help, value: Option<f64>| {
        value.map(|value| family(name, help, MetricType::GAUGE, vec![gauge(&[], value)]))
    };
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = family(
        "process_cpu_seconds_total",
        "Time that the process has computed, in seconds.",
        MetricType::COUNTER,
        vec![counter(&[], cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9)],
    );
    let gauges = [
        value(
            "process_resident_memory_bytes",
            "Memory that the process has in use, in bytes.",
            status_field(&status, "VmRSS").map(|kib| kib * 1024.0),
        ),
        value(
            "process_virtual_memory_bytes",
            "Address space of the process, in bytes.",
            status_field(&status, "VmSize").map(|kib| kib * 1024.0),
        ),
        value("process_threads", "Threads of the process.", status_field(&status, "Threads")),
        value("process_open_fds", "File descriptors that are open.", open_descriptors()),
        value(
            "process_max_fds",
            "File descriptors that may be open.",
            getrlimit(Resource::Nofile).current.map(|limit| limit as f64),
        ),
        value("process_start_time_seconds", "When the process started, in seconds since 1970.", start_time()),
    ];
    std::iter::once(cpu).chain(gauges.into_iter().flatten()).collect()
}

/// A number from `/proc/self/status`, such as that in `VmRSS:   1234 kB`.
fn status_field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_descriptors() -> Option<f64> {
    // One of them is the folder itself.
    fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count().saturating_sub(1) as f64)
}

fn start_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the program's name in parentheses, and may hold anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks_since_boot: f64 = after_name.split_whitespace().nth(19)?.parse().ok()?;
    let machine = fs::read_to_string("/proc/stat").ok()?;
    let booted_at: f64 = machine.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted_at + ticks_since_boot / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;
    use crate::telemetry::exposition::text;

    #[test]
    fn the_process_is_described_with_nothing_of_its_command_line() {
        let shown = text(collect()).unwrap();
        let read = |name: &str| -> f64 {
            let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name} is missing:\n{shown}")).parse().unwrap()
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - read("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "started {age} s ago");
        assert!(read("process_cpu_seconds_total") > 0.0);
        assert!(read("process_virtual_memory_bytes") >= read("process_resident_memory_bytes"));
        assert!(read("process_resident_memory_bytes") > 1_000_000.0);
        assert!(read("process_open_fds") >= 3.0 && read("process_open_fds") < read("process_max_fds"));
        assert!(read("process_threads") >= 1.0);
        assert!(!shown.contains("cmd") && !shown.contains("arg"));
    }
}
