//! Calls into plugins, by plugin and stage.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use prometheus::Histogram;
use prometheus::proto::{MetricFamily, MetricType};

use crate::pipeline::Stage;
use crate::telemetry::HostCallMetrics;
use crate::telemetry::exposition::{counter, family, histogram, label, seconds};
use crate::telemetry::host_calls;

/// Upper bounds in seconds: a warm call takes microseconds, and the usual deadline is 250 ms.
const BOUNDS: [f64; 15] = [
    0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.25,
];

/// How often policies were asked, denied and failed.
#[derive(Default)]
pub struct PolicyMetrics {
    /// Locked when a pipeline is made and when metrics are read, never by a call.
    stages: Mutex<BTreeMap<PluginStage, Arc<StageMetrics>>>,
    /// By plugin; locked as `stages` is.
    host_calls: Mutex<BTreeMap<String, Arc<HostCallMetrics>>>,
    /// Whether more than failures is counted.
    is_detailed: bool,
    unobserved: AtomicU64,
}

/// The values of the labels: two names that are the same when cut share their counters.
type PluginStage = (String, &'static str);

fn key(plugin: &str, stage: Stage) -> PluginStage {
    (label(plugin).to_owned(), stage.as_str())
}

/// What one plugin does in one stage.
#[derive(Default)]
pub struct StageMetrics {
    failures_passed: AtomicU64,
    failures_denied: AtomicU64,
    /// Absent where only failures are counted.
    details: Option<Details>,
}

struct Details {
    denials: AtomicU64,
    /// Of all calls, failed ones included: its count is theirs.
    latency: Histogram,
}

impl PolicyMetrics {
    /// Counts calls, denials and latencies too, which costs every call two looks at the clock.
    pub fn detailed() -> Self {
        Self { is_detailed: true, ..Self::default() }
    }

    /// The counters of a plugin in a stage: those of an earlier pipeline, if it had the same plugin.
    pub fn stage(&self, plugin: &str, stage: Stage) -> Arc<StageMetrics> {
        let mut stages = self.stages.lock();
        let details = || Details { denials: AtomicU64::new(0), latency: histogram(&BOUNDS) };
        let fresh = || StageMetrics { details: self.is_detailed.then(details), ..StageMetrics::default() };
        Arc::clone(stages.entry(key(plugin, stage)).or_insert_with(|| Arc::new(fresh())))
    }

    /// Where a plugin's use of what it was granted is counted: as for stages, across versions of it.
    pub fn host_calls(&self, plugin: &str) -> Arc<HostCallMetrics> {
        Arc::clone(self.host_calls.lock().entry(label(plugin).to_owned()).or_default())
    }

    /// Counts one ended request that observers were not told of.
    pub fn record_unobserved(&self) {
        self.unobserved.fetch_add(1, Ordering::Relaxed);
    }

    /// How many calls of this plugin failed in this stage.
    pub fn failures(&self, plugin: &str, stage: Stage) -> u64 {
        let stages = self.stages.lock();
        let found = stages.get(&key(plugin, stage));
        found.map_or(0, |stage| {
            stage.failures_passed.load(Ordering::Relaxed) + stage.failures_denied.load(Ordering::Relaxed)
        })
    }

    pub(super) fn collect(&self) -> [MetricFamily; 6] {
        let (mut failures, mut calls, mut denials, mut latencies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut stages = self.stages.lock();
        // Held by no pipeline any more: the plugin is gone.
        stages.retain(|_, metrics| Arc::strong_count(metrics) > 1);
        for ((plugin, stage), metrics) in stages.iter() {
            let labels = [("plugin", plugin.as_str()), ("stage", *stage)];
            let results = [("passed", &metrics.failures_passed), ("denied", &metrics.failures_denied)];
            for (result, count) in results {
                let labels = [labels[0], labels[1], ("result", result)];
                failures.push(counter(&labels, count.load(Ordering::Relaxed) as f64));
            }
            if let Some(details) = &metrics.details {
                calls.push(counter(&labels, details.latency.get_sample_count() as f64));
                denials.push(counter(&labels, details.denials.load(Ordering::Relaxed) as f64));
                latencies.push(seconds(&labels, &details.latency));
            }
        }
        let mut host_calls = self.host_calls.lock();
        host_calls.retain(|_, metrics| Arc::strong_count(metrics) > 1);
        let host_calls = host_calls::collect(host_calls.iter().map(|(plugin, metrics)| (plugin, &**metrics)));
        let unobserved = counter(&[], self.unobserved.load(Ordering::Relaxed) as f64);
        [
            family(
                "mcpjungle_plugin_failures_total",
                "Calls into plugins that gave no usable answer: traps, missed deadlines, malformed answers.",
                MetricType::COUNTER,
                failures,
            ),
            family("mcpjungle_plugin_calls_total", "Calls into plugins.", MetricType::COUNTER, calls),
            family(
                "mcpjungle_plugin_denials_total",
                "Calls that plugins answered with a denial.",
                MetricType::COUNTER,
                denials,
            ),
            family(
                "mcpjungle_plugin_call_latency_seconds",
                "How long calls into plugins took, in seconds.",
                MetricType::HISTOGRAM,
                latencies,
            ),
            host_calls,
            family(
                "mcpjungle_observations_dropped_total",
                "Ended requests that observers were not told of, because they are too slow.",
                MetricType::COUNTER,
                vec![unobserved],
            ),
        ]
    }
}

impl StageMetrics {
    /// Waits for a call into the plugin, and takes its time if that is wanted.
    pub async fn time<T>(&self, call: impl Future<Output = T>) -> T {
        let Some(details) = &self.details else { return call.await };
        let started = Instant::now();
        let answer = call.await;
        details.latency.observe(started.elapsed().as_secs_f64());
        answer
    }

    /// Counts one denial.
    pub fn record_denial(&self) {
        if let Some(details) = &self.details {
            details.denials.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts one failed call; `passed` if the plugin may fail open.
    pub fn record_failure(&self, passed: bool) {
        let count = if passed { &self.failures_passed } else { &self.failures_denied };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capability;
    use crate::telemetry::HostCallResult;
    use crate::telemetry::exposition::text;

    #[tokio::test]
    async fn a_plugin_keeps_its_counts_from_pipeline_to_pipeline_and_loses_them_with_the_last() {
        let metrics = PolicyMetrics::detailed();
        let in_old_pipeline = metrics.stage("acl", Stage::Authorizer);
        in_old_pipeline.time(async {}).await;
        let in_new_pipeline = metrics.stage("acl", Stage::Authorizer);
        drop(in_old_pipeline);
        in_new_pipeline.time(async {}).await;
        in_new_pipeline.record_denial();
        let shown = text(metrics.collect().to_vec()).unwrap();
        for line in [
            r#"mcpjungle_plugin_calls_total{plugin="acl",stage="authorizer"} 2"#,
            r#"mcpjungle_plugin_denials_total{plugin="acl",stage="authorizer"} 1"#,
            r#"mcpjungle_plugin_failures_total{plugin="acl",stage="authorizer",result="denied"} 0"#,
            r#"mcpjungle_plugin_call_latency_seconds_count{plugin="acl",stage="authorizer"} 2"#,
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} is missing:\n{shown}");
        }
        drop(in_new_pipeline);
        assert!(!text(metrics.collect().to_vec()).unwrap().contains("acl"));
    }

    #[test]
    fn what_a_plugin_was_lent_is_counted_by_how_it_ended() {
        let metrics = PolicyMetrics::default();
        let of_plugin = metrics.host_calls("limits");
        for result in [HostCallResult::Done, HostCallResult::Done, HostCallResult::Refused] {
            of_plugin.begin(Capability::KeyValue).end(result);
        }
        drop(of_plugin.begin(Capability::Http));
        let shown = text(metrics.collect().to_vec()).unwrap();
        for line in [
            r#"mcpjungle_plugin_host_calls_total{plugin="limits",capability="key-value",result="done"} 2"#,
            r#"mcpjungle_plugin_host_calls_total{plugin="limits",capability="key-value",result="refused"} 1"#,
            r#"mcpjungle_plugin_host_calls_total{plugin="limits",capability="outbound-http",result="failed"} 1"#,
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line} is missing:\n{shown}");
        }
        assert!(!shown.contains(r#"capability="secrets""#));
        drop(of_plugin);
        assert!(!text(metrics.collect().to_vec()).unwrap().contains("limits"));
    }

    #[tokio::test]
    async fn without_details_only_failures_are_counted() {
        let metrics = PolicyMetrics::default();
        let stage = metrics.stage("acl", Stage::Guard);
        stage.time(async {}).await;
        stage.record_denial();
        stage.record_failure(false);
        stage.record_failure(true);
        assert_eq!(metrics.failures("acl", Stage::Guard), 2);
        assert!(!text(metrics.collect().to_vec()).unwrap().contains("latency"));
    }
}
