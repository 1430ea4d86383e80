//! What plugins use of what they were granted.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::proto::{MetricFamily, MetricType};

use crate::plugin::Capability;
use crate::telemetry::exposition::{counter, family};

/// How a use of a capability ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostCallResult {
    /// It did what was asked.
    Done,
    /// It was not granted, is malformed, or passes a quota.
    Refused,
    /// It failed, or its call's deadline came before its end.
    Failed,
}

impl HostCallResult {
    const ALL: [Self; 3] = [Self::Done, Self::Refused, Self::Failed];

    fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// What one plugin has used.
#[derive(Default)]
pub struct HostCallMetrics {
    counts: [[AtomicU64; HostCallResult::ALL.len()]; Capability::ALL.len()],
}

/// One use. Dropped before its end, it counts as failed.
pub struct HostCall<'a> {
    metrics: &'a HostCallMetrics,
    capability: Capability,
    result: HostCallResult,
}

impl HostCallMetrics {
    /// Begins one use.
    pub fn begin(&self, capability: Capability) -> HostCall<'_> {
        HostCall { metrics: self, capability, result: HostCallResult::Failed }
    }

    fn count(&self, capability: Capability, result: HostCallResult) -> &AtomicU64 {
        &self.counts[capability as usize][result as usize]
    }
}

impl HostCall<'_> {
    /// It has ended.
    pub fn end(mut self, result: HostCallResult) {
        self.result = result;
    }
}

impl Drop for HostCall<'_> {
    fn drop(&mut self) {
        self.metrics.count(self.capability, self.result).fetch_add(1, Ordering::Relaxed);
    }
}

/// The counts of these plugins. What a plugin was never lent is left out.
pub(super) fn collect<'a>(plugins: impl Iterator<Item = (&'a String, &'a HostCallMetrics)>) -> MetricFamily {
    let mut calls = Vec::new();
    for (plugin, metrics) in plugins {
        for capability in Capability::ALL {
            let counted =
                HostCallResult::ALL.map(|result| (result, metrics.count(capability, result).load(Ordering::Relaxed)));
            if counted.iter().all(|(_, count)| *count == 0) {
                continue;
            }
            for (result, count) in counted {
                let labels =
                    [("plugin", plugin.as_str()), ("capability", capability.as_str()), ("result", result.as_str())];
                calls.push(counter(&labels, count as f64));
            }
        }
    }
    family(
        "mcpjungle_plugin_host_calls_total",
        "Uses that plugins made of what they were granted: done, refused or failed.",
        MetricType::COUNTER,
        calls,
    )
}
