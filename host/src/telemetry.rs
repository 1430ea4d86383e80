//! Counting what happened, with bounded label sets.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use crate::pipeline::Stage;

/// How often policies failed.
pub struct PolicyMetrics {
    failures: IntCounterVec,
    unobserved: IntCounter,
}

impl PolicyMetrics {
    /// Registers the counters.
    pub fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let failures = IntCounterVec::new(
            Opts::new(
                "mcpjungle_plugin_failures_total",
                "Calls into plugins that gave no usable answer: traps, missed deadlines, malformed answers.",
            ),
            &["plugin", "stage", "result"],
        )?;
        let unobserved = IntCounter::new(
            "mcpjungle_observations_dropped_total",
            "Ended requests that observers were not told of, because they are too slow.",
        )?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(unobserved.clone()))?;
        Ok(Self { failures, unobserved })
    }

    /// Counts one failed call; `passed` if the plugin may fail open.
    pub fn record_failure(&self, plugin: &str, stage: Stage, passed: bool) {
        let result = if passed { "passed" } else { "denied" };
        self.failures.with_label_values(&[plugin, stage.as_str(), result]).inc();
    }

    /// Counts one ended request that observers were not told of.
    pub fn record_unobserved(&self) {
        self.unobserved.inc();
    }

    /// How many calls of this plugin failed in this stage.
    pub fn failures(&self, plugin: &str, stage: Stage) -> u64 {
        ["passed", "denied"]
            .iter()
            .map(|result| self.failures.with_label_values(&[plugin, stage.as_str(), result]).get())
            .sum()
    }
}
