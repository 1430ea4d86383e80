//! Counting what happened, with bounded label sets. In reading order:
//!
//! - `policies`: calls into plugins, by plugin and stage. Failures are always counted.
//! - `host_calls`: what plugins use of what they were granted.
//! - `catalog`: calls of tools and prompts, and what became of their servers.
//! - `audit`: records of the audit log.
//! - `process`: what the gateway takes of its machine.
//! - `resource`: what the operator says of this gateway.
//! - `exposition`: all of these as text for Prometheus.
//!
//! Nothing here is ever named by a caller: labels are names of servers, items and
//! plugins that exist, and a series goes when what it is about goes.

use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use crate::catalog::Snapshot;
use crate::gateway::Gateway;
use crate::pipeline::Item;
use crate::walk::Refusal;
use crate::wire;

mod audit;
mod catalog;
mod exposition;
mod host_calls;
mod policies;
mod process;
mod resource;

use catalog::CatalogMetrics;
pub use host_calls::{HostCall, HostCallMetrics, HostCallResult};
pub use policies::{PolicyMetrics, StageMetrics};
pub use resource::{ResourceAttributes, ResourceError};

use exposition::{family, gauge};

/// What is counted when an operator asks for it, besides [`PolicyMetrics`].
pub struct Metrics {
    catalog: CatalogMetrics,
    resource: ResourceAttributes,
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new(resource: ResourceAttributes) -> Self {
        Self { catalog: CatalogMetrics::default(), resource }
    }

    /// Makes room for what the snapshot holds, and drops the series of what it no longer does.
    pub fn follow(&self, snapshot: &Snapshot) {
        self.catalog.follow(snapshot);
    }

    /// Counts a request for an item that has ended, of this method. Tools and prompts
    /// are called; denials and names that nothing has are not calls.
    pub fn record_call(
        &self,
        method: &str,
        item: Option<&Item>,
        answer: &Result<wire::Response, Refusal>,
        took: Duration,
    ) {
        self.catalog.record_call(method, item, answer, took);
    }

    /// Everything as it is now, in the text format of Prometheus.
    pub fn render(&self, gateway: &Gateway) -> Result<String, prometheus::Error> {
        let mut families = self.catalog.collect();
        families.extend(gateway.policy_metrics.collect());
        families.extend(process::collect());
        families.push(self.resource.target_info(&gateway.version));
        families.extend(self.current(gateway));
        families.extend(gateway.audit.iter().flat_map(|audit| audit::collect(audit.figures())));
        exposition::text(families)
    }

    /// What is not counted but looked at.
    fn current(&self, gateway: &Gateway) -> [MetricFamily; 4] {
        [
            family(
                "mcpjungle_calls_in_flight",
                "Calls under way, those included whose caller has gone.",
                MetricType::GAUGE,
                vec![gauge(&[], gateway.calls.len() as f64)],
            ),
            family(
                "mcpjungle_downstream_sessions",
                "Open sessions of MCP clients.",
                MetricType::GAUGE,
                vec![gauge(&[], gateway.sessions.count() as f64)],
            ),
            self.catalog.upstream_sessions(&gateway.upstreams.open_sessions()),
            self.catalog.upstreams_up(gateway),
        ]
    }
}
