//! The table, and the same figures as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::calls::Figures;

/// All figures.
#[derive(Default, Serialize)]
pub(crate) struct Report {
    calls: Vec<Calls>,
    lists: Vec<List>,
    start: Option<Start>,
}

#[derive(Serialize)]
struct Calls {
    title: String,
    /// The first is direct, the second nginx: the others are compared with these.
    targets: Vec<(String, Figures)>,
}

#[derive(Serialize)]
struct List {
    tools: usize,
    bytes: usize,
    static_file_p50_us: f64,
    gateway_p50_us: f64,
}

#[derive(Serialize)]
struct Start {
    servers: usize,
    first_call_ms: f64,
    resident_mib: f64,
}

impl Report {
    /// Figures of calls, direct and nginx first.
    pub(crate) fn add_calls(&mut self, title: &str, targets: Vec<(String, Figures)>) {
        self.calls.push(Calls { title: title.to_owned(), targets });
    }

    /// Figures of one list.
    pub(crate) fn add_list(&mut self, tools: usize, bytes: usize, static_file_p50_us: f64, gateway_p50_us: f64) {
        self.lists.push(List { tools, bytes, static_file_p50_us, gateway_p50_us });
    }

    /// Figures of the start.
    pub(crate) fn add_start(&mut self, servers: usize, first_call_ms: f64, resident_mib: f64) {
        self.start = Some(Start { servers, first_call_ms, resident_mib });
    }

    /// Prints the tables.
    pub(crate) fn print(&self) {
        self.calls.iter().for_each(Calls::print);
        if !self.lists.is_empty() {
            println!(
                "\nlists, one session\n{:<24}{:>12}{:>16}{:>14}{:>8}",
                "", "bytes", "static p50 us", "gateway p50", "ratio"
            );
        }
        for list in &self.lists {
            println!(
                "{:<24}{:>12}{:>16.0}{:>14.0}{:>8.2}",
                format!("{} tools", list.tools),
                list.bytes,
                list.static_file_p50_us,
                list.gateway_p50_us,
                list.gateway_p50_us / list.static_file_p50_us
            );
        }
        if let Some(start) = &self.start {
            println!(
                "\nstart to first answered call, {} servers, warm cache: {:.1} ms, VmRSS {:.1} MiB",
                start.servers, start.first_call_ms, start.resident_mib
            );
        }
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Calls {
    fn print(&self) {
        println!("\n{}", self.title);
        println!(
            "{:<24}{:>9}{:>9}{:>10}{:>10}{:>9} | to direct: {:>6}{:>7} | to nginx: {:>6}{:>7}{:>7}{:>7}",
            "", "p50 us", "p99 us", "calls/s", "CPU us", "RSS MiB", "p50", "calls", "p50", "+p50", "calls", "CPU"
        );
        let [(_, direct), (_, nginx), ..] = self.targets.as_slice() else { return };
        for (name, figures) in &self.targets {
            let added = |figures: &Figures| figures.p50_us - direct.p50_us;
            let cpu = figures.cpu_us_per_call.zip(nginx.cpu_us_per_call).map(|(own, nginx)| own / nginx);
            println!(
                "{name:<24}{:>9.0}{:>9.0}{:>10.0}{:>10}{:>9} |            {:>6.2}{:>7.2} |           {:>6.2}{:>7.2}{:>7.2}{:>7}",
                figures.p50_us,
                figures.p99_us,
                figures.calls_per_second,
                text(figures.cpu_us_per_call),
                text(figures.resident_mib),
                figures.p50_us / direct.p50_us,
                figures.calls_per_second / direct.calls_per_second,
                figures.p50_us / nginx.p50_us,
                added(figures) / added(nginx),
                figures.calls_per_second / nginx.calls_per_second,
                text(cpu),
            );
        }
    }
}

fn text(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"))
}
