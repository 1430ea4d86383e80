//! Calls of tools and prompts, and what became of their servers. The counters of
//! each are found through a table that follows the catalog, so that a call takes
//! no lock and only what exists has a series.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::Histogram;
use prometheus::proto::{MetricFamily, MetricType};

use crate::catalog::{CatalogServer, Snapshot};
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::{Item, ItemKind};
use crate::telemetry::exposition::{counter, family, gauge, histogram, label, seconds};
use crate::upstream::{HealthState, UpstreamError};
use crate::walk::{Refusal, is_failure};
use crate::wire;

/// Upper bounds in seconds, as documented.
const BOUNDS: [f64; 13] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0];
/// Items with counters of their own; with two outcomes each, 10,000 series of each metric.
const MAX_ITEMS: usize = 5_000;
/// Servers with counters of their own.
const MAX_SERVERS: usize = 1_000;
/// Stands for all that come after these. No canonical name is this.
const OTHER: &str = "other";

/// What is counted of items and servers.
#[derive(Default)]
pub(super) struct CatalogMetrics {
    table: ArcSwap<Table>,
    /// For items beyond the bound.
    other_items: Arc<ItemSeries>,
    /// For servers beyond the bound.
    other_servers: Arc<ServerSeries>,
}

/// Where the counters of each item and server are. Made anew when the catalog
/// changes, with the counters of what stays.
#[derive(Default)]
struct Table {
    servers: HashMap<ServerName, Entry>,
    /// By the values of their labels: two names that are the same when cut share their counters.
    item_series: BTreeMap<ItemLabels, Arc<ItemSeries>>,
    server_series: BTreeMap<String, Arc<ServerSeries>>,
}

struct Entry {
    series: Arc<ServerSeries>,
    /// By the names of tools and prompts; a tool and a prompt of one name are one.
    items: HashMap<Arc<str>, Arc<ItemSeries>>,
}

type ItemLabels = (String, String);

/// The two outcomes of calls. Made when the first call of each ends: most items are never called.
#[derive(Default)]
struct ItemSeries {
    success: OnceLock<Histogram>,
    error: OnceLock<Histogram>,
}

#[derive(Default)]
struct ServerSeries {
    failures: [AtomicU64; UpstreamFailure::ALL.len()],
}

/// What went wrong with an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UpstreamFailure {
    /// It could not be reached or started.
    Connect,
    /// It could be reached, but no session could be begun.
    Initialize,
    /// It does not accept the gateway's credentials.
    Unauthorized,
    /// It has as many sessions as it may.
    Saturated,
    /// It gave no usable answer.
    Answer,
}

impl UpstreamFailure {
    const ALL: [Self; 5] = [Self::Connect, Self::Initialize, Self::Unauthorized, Self::Saturated, Self::Answer];

    fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Initialize => "initialize",
            Self::Unauthorized => "unauthorized",
            Self::Saturated => "saturated",
            Self::Answer => "answer",
        }
    }

    /// `None` for what is not the upstream's doing.
    fn of(error: &UpstreamError) -> Option<Self> {
        match error {
            UpstreamError::Refused { .. } | UpstreamError::Unreachable { .. } | UpstreamError::CannotStart { .. } => {
                Some(Self::Connect)
            }
            UpstreamError::InitTimedOut { .. }
            | UpstreamError::ExitedInitializing { .. }
            | UpstreamError::InitRefused { .. }
            | UpstreamError::UnsupportedVersion { .. } => Some(Self::Initialize),
            UpstreamError::Unauthorized { .. } => Some(Self::Unauthorized),
            UpstreamError::TooManySessions { .. } => Some(Self::Saturated),
            UpstreamError::HttpStatus { .. }
            | UpstreamError::InvalidAnswer { .. }
            | UpstreamError::TooLarge { .. }
            | UpstreamError::Closed { .. }
            | UpstreamError::InvalidList { .. }
            | UpstreamError::ListTimedOut { .. } => Some(Self::Answer),
            // Not tried again, since it failed like this a moment ago.
            UpstreamError::Down { last, .. } => Self::of(last),
            UpstreamError::Setup { .. }
            | UpstreamError::InvalidCapabilities { .. }
            | UpstreamError::Cancelled { .. }
            | UpstreamError::Forgotten { .. }
            | UpstreamError::ShuttingDown => None,
        }
    }
}

impl CatalogMetrics {
    /// One at a time: whoever publishes snapshots calls it.
    pub(super) fn follow(&self, snapshot: &Snapshot) {
        let old = self.table.load();
        let mut table = Table::default();
        // What has counters keeps them; room is left for the others only then.
        for server in snapshot.servers.values() {
            table.adopt(server, &old);
        }
        for server in snapshot.servers.values() {
            let entry = self.entry(&mut table, server);
            table.servers.insert(server.server.name.clone(), entry);
        }
        self.table.store(Arc::new(table));
    }

    fn entry(&self, table: &mut Table, server: &CatalogServer) -> Entry {
        let name = label(server.server.name.as_str());
        let series = find_or_add(&mut table.server_series, name.to_owned(), MAX_SERVERS, &self.other_servers);
        let items = named_items(server).map(|item| {
            let series = find_or_add(&mut table.item_series, labels_of(item), MAX_ITEMS, &self.other_items);
            (Arc::clone(&item.name.name), series)
        });
        Entry { series, items: items.collect() }
    }

    pub(super) fn record_call(
        &self,
        method: &str,
        item: Option<&Item>,
        answer: &Result<wire::Response, Refusal>,
        took: Duration,
    ) {
        let Some(item) = item else { return };
        let is_error = match answer {
            Ok(response) => is_failure(response),
            Err(Refusal::Upstream(_) | Refusal::TaskNotKept) => true,
            // Nothing was called.
            Err(
                Refusal::InvalidParams(_)
                | Refusal::NotFound { .. }
                | Refusal::Policy(_)
                | Refusal::Headers(_)
                | Refusal::Overloaded
                | Refusal::AuditFull
                | Refusal::Unrecorded
                | Refusal::BrokenDown,
            ) => return,
        };
        let table = self.table.load();
        let Some(entry) = table.servers.get(&item.name.server) else { return };
        if is_call(method)
            && let Some(series) = entry.items.get(&item.name.name)
        {
            let outcome = if is_error { &series.error } else { &series.success };
            outcome.get_or_init(|| histogram(&BOUNDS)).observe(took.as_secs_f64());
        }
        if let Err(Refusal::Upstream(error)) = answer
            && let Some(failure) = UpstreamFailure::of(error)
        {
            entry.series.failures[failure as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Which servers are up, of those of which it is known. Nobody tries a disabled one,
    /// so what was known of it would stay for ever.
    pub(super) fn upstreams_up(&self, gateway: &Gateway) -> MetricFamily {
        let table = self.table.load();
        let mut up: BTreeMap<&str, bool> = BTreeMap::new();
        let snapshot = gateway.snapshot();
        for (name, server) in snapshot.servers.iter().filter(|(_, server)| server.enabled) {
            let is_up = match gateway.upstreams.health(&server.server).state {
                HealthState::Healthy => true,
                HealthState::Unhealthy => false,
                HealthState::Unknown => continue,
            };
            // Where several are one, it is up if all are.
            *up.entry(table.server_label(name)).or_insert(true) &= is_up;
        }
        let samples = up.iter().map(|(server, is_up)| gauge(&[("mcp_server_name", server)], f64::from(*is_up)));
        family(
            "mcpjungle_upstream_up",
            "Whether the MCP server worked when it was last needed.",
            MetricType::GAUGE,
            samples.collect(),
        )
    }

    /// Open sessions of the servers that are in the catalog.
    pub(super) fn upstream_sessions(&self, open: &[(ServerName, usize)]) -> MetricFamily {
        let table = self.table.load();
        let mut sums: BTreeMap<&str, usize> = BTreeMap::new();
        for (server, count) in open.iter().filter(|(server, _)| table.servers.contains_key(server)) {
            *sums.entry(table.server_label(server)).or_default() += count;
        }
        let samples = sums.iter().map(|(server, sum)| gauge(&[("mcp_server_name", server)], *sum as f64)).collect();
        family("mcpjungle_upstream_sessions", "Open sessions with MCP servers.", MetricType::GAUGE, samples)
    }

    pub(super) fn collect(&self) -> Vec<MetricFamily> {
        let table = self.table.load();
        let (mut calls, mut latencies) = (Vec::new(), Vec::new());
        let named = table.item_series.iter().map(|((server, item), series)| (server.as_str(), item.as_str(), series));
        for (server, item, series) in named.chain([(OTHER, OTHER, &self.other_items)]) {
            for (outcome, latency) in [("success", &series.success), ("error", &series.error)] {
                let Some(latency) = latency.get() else { continue };
                let labels = [("mcp_server_name", server), ("tool_name", item), ("outcome", outcome)];
                // Read once, so that the two agree.
                let latency = seconds(&labels, latency);
                calls.push(counter(&labels, latency.get_histogram().get_sample_count() as f64));
                latencies.push(latency);
            }
        }
        let mut failures = Vec::new();
        let named = table.server_series.iter().map(|(server, series)| (server.as_str(), series));
        for (server, series) in named.chain([(OTHER, &self.other_servers)]) {
            let name = ("mcp_server_name", server);
            for (kind, count) in UpstreamFailure::ALL.into_iter().zip(&series.failures) {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    failures.push(counter(&[name, ("kind", kind.as_str())], count as f64));
                }
            }
        }
        vec![
            family(
                "mcpjungle_tool_calls_total",
                "Calls of tools and prompts that have ended.",
                MetricType::COUNTER,
                calls,
            ),
            family(
                "mcpjungle_tool_call_latency_seconds",
                "How long calls of tools and prompts took, in seconds.",
                MetricType::HISTOGRAM,
                latencies,
            ),
            family(
                "mcpjungle_upstream_failures_total",
                "Calls that MCP servers did not answer, by what went wrong.",
                MetricType::COUNTER,
                failures,
            ),
        ]
    }
}

impl Table {
    fn server_label<'a>(&self, server: &'a ServerName) -> &'a str {
        let name = label(server.as_str());
        if self.server_series.contains_key(name) { name } else { OTHER }
    }

    fn adopt(&mut self, server: &CatalogServer, old: &Self) {
        let name = label(server.server.name.as_str());
        if let Some(series) = old.server_series.get(name) {
            self.server_series.insert(name.to_owned(), Arc::clone(series));
        }
        for item in named_items(server) {
            if let Some((labels, series)) = old.item_series.get_key_value(&labels_of(item)) {
                self.item_series.insert(labels.clone(), Arc::clone(series));
            }
        }
    }
}

fn find_or_add<K: Ord, S: Default>(series: &mut BTreeMap<K, Arc<S>>, key: K, most: usize, other: &Arc<S>) -> Arc<S> {
    if let Some(found) = series.get(&key) {
        return Arc::clone(found);
    }
    if series.len() >= most {
        return Arc::clone(other);
    }
    Arc::clone(series.entry(key).or_default())
}

fn named_items(server: &CatalogServer) -> impl Iterator<Item = &Item> {
    server.items.iter().map(|item| &item.item).filter(|item| is_callable(item))
}

/// Other requests, such as those that complete an argument or read a resource, name items too.
fn is_call(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get")
}

/// Whether it can be called.
fn is_callable(item: &Item) -> bool {
    match item.kind {
        ItemKind::Tool | ItemKind::Prompt => true,
        ItemKind::Resource | ItemKind::ResourceTemplate => false,
    }
}

fn labels_of(item: &Item) -> ItemLabels {
    (label(item.name.server.as_str()).to_owned(), label(&item.name.to_string()).to_owned())
}

#[cfg(test)]
mod tests;
