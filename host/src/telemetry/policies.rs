//! Calls into plugins, by plugin and stage.

use std::collections::{BTreeMap, BTreeSet};
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

/// How often policies were asked, denied and failed. Administrators see it wherever they look
/// at plugins, so it is always counted: two looks at the clock for each call.
#[derive(Default)]
pub struct PolicyMetrics {
    /// Locked when a pipeline is made or put in place and when metrics are read, never by a call.
    stages: Mutex<BTreeMap<PluginStage, Arc<StageMetrics>>>,
    /// By plugin; locked as `stages` is.
    host_calls: Mutex<BTreeMap<String, Arc<HostCallMetrics>>>,
    unobserved: AtomicU64,
}

/// What was counted of one plugin in one stage.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StageReport {
    /// Calls that have ended, failed ones included.
    pub calls: u64,
    /// Those that were answered with a denial.
    pub denials: u64,
    /// Those that gave no usable answer.
    pub failures: u64,
    /// What 99 of 100 calls stayed below, in seconds, interpolated between the bounds that are
    /// counted by; `None` before the first call.
    pub p99: Option<f64>,
}

/// The values of the labels: two names that are the same when cut share their counters.
type PluginStage = (String, &'static str);

fn key(plugin: &str, stage: Stage) -> PluginStage {
    (label(plugin).to_owned(), stage.as_str())
}

/// What one plugin does in one stage.
pub struct StageMetrics {
    failures_passed: AtomicU64,
    failures_denied: AtomicU64,
    denials: AtomicU64,
    /// Of all calls, failed ones included: its count is theirs.
    latency: Histogram,
}

impl Default for StageMetrics {
    fn default() -> Self {
        Self {
            failures_passed: AtomicU64::new(0),
            failures_denied: AtomicU64::new(0),
            denials: AtomicU64::new(0),
            latency: histogram(&BOUNDS),
        }
    }
}

impl PolicyMetrics {
    /// The counters of a plugin in a stage: those of an earlier pipeline, if it had the same plugin.
    pub fn stage(&self, plugin: &str, stage: Stage) -> Arc<StageMetrics> {
        Arc::clone(self.stages.lock().entry(key(plugin, stage)).or_default())
    }

    /// Where a plugin's use of what it was granted is counted: as for stages, across versions of it.
    pub fn host_calls(&self, plugin: &str) -> Arc<HostCallMetrics> {
        Arc::clone(self.host_calls.lock().entry(label(plugin).to_owned()).or_default())
    }

    /// Forgets all but these stages of these plugins: what comes back under a name begins anew. Calls on an
    /// earlier pipeline that have not ended yet count on, for nobody.
    pub fn forget_all_but<'a>(&self, plugins: impl IntoIterator<Item = (&'a str, &'a [Stage])>) {
        let (mut kept, mut names) = (BTreeSet::new(), BTreeSet::new());
        for (plugin, stages) in plugins {
            kept.extend(stages.iter().map(|&stage| key(plugin, stage)));
            names.insert(label(plugin));
        }
        self.stages.lock().retain(|key, _| kept.contains(key));
        self.host_calls.lock().retain(|plugin, _| names.contains(plugin.as_str()));
    }

    /// Counts one ended request that observers were not told of.
    pub fn record_unobserved(&self) {
        self.unobserved.fetch_add(1, Ordering::Relaxed);
    }

    /// What was counted of this plugin in this stage.
    pub fn report(&self, plugin: &str, stage: Stage) -> StageReport {
        let found = self.stages.lock().get(&key(plugin, stage)).cloned();
        found.map(|metrics| metrics.report()).unwrap_or_default()
    }

    /// How many calls of this plugin failed in this stage.
    pub fn failures(&self, plugin: &str, stage: Stage) -> u64 {
        self.report(plugin, stage).failures
    }

    pub(super) fn collect(&self) -> [MetricFamily; 6] {
        let (mut failures, mut calls, mut denials, mut latencies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let stages = self.stages.lock();
        for ((plugin, stage), metrics) in stages.iter() {
            let labels = [("plugin", plugin.as_str()), ("stage", *stage)];
            let results = [("passed", &metrics.failures_passed), ("denied", &metrics.failures_denied)];
            for (result, count) in results {
                let labels = [labels[0], labels[1], ("result", result)];
                failures.push(counter(&labels, count.load(Ordering::Relaxed) as f64));
            }
            calls.push(counter(&labels, metrics.latency.get_sample_count() as f64));
            denials.push(counter(&labels, metrics.denials.load(Ordering::Relaxed) as f64));
            latencies.push(seconds(&labels, &metrics.latency));
        }
        let host_calls = self.host_calls.lock();
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
    /// Waits for a call into the plugin, and takes its time.
    pub async fn time<T>(&self, call: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let answer = call.await;
        self.latency.observe(started.elapsed().as_secs_f64());
        answer
    }

    /// Counts one denial.
    pub fn record_denial(&self) {
        self.denials.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one failed call; `passed` if the plugin may fail open.
    pub fn record_failure(&self, passed: bool) {
        let count = if passed { &self.failures_passed } else { &self.failures_denied };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn report(&self) -> StageReport {
        let sample = prometheus::core::Metric::metric(&self.latency);
        let buckets: Vec<_> = sample
            .get_histogram()
            .get_bucket()
            .iter()
            .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
            .collect();
        let calls = sample.get_histogram().get_sample_count();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StageReport {
            calls,
            denials: count(&self.denials),
            failures: count(&self.failures_passed) + count(&self.failures_denied),
            p99: percentile(&buckets, calls, 0.99),
        }
    }
}

/// What this share of all calls stayed below. `buckets` are upper bounds with how many calls stayed
/// below each; of calls above the last one no more is known than that.
fn percentile(buckets: &[(f64, u64)], calls: u64, share: f64) -> Option<f64> {
    if calls == 0 {
        return None;
    }
    let rank = share * calls as f64;
    let (mut lower, mut below) = (0.0, 0);
    for &(upper, up_to) in buckets {
        if up_to as f64 >= rank && up_to > below {
            let part = (rank - below as f64) / (up_to - below) as f64;
            return Some(lower + (upper - lower) * part);
        }
        (lower, below) = (upper, up_to);
    }
    Some(lower)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::Capability;
    use crate::telemetry::HostCallResult;
    use crate::telemetry::exposition::text;

    #[tokio::test]
    async fn a_plugin_keeps_its_counts_from_pipeline_to_pipeline() {
        let metrics = PolicyMetrics::default();
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
    }

    #[tokio::test]
    async fn what_is_forgotten_begins_anew_also_while_an_earlier_call_has_not_ended() {
        let metrics = PolicyMetrics::default();
        let (acl, auth) = (metrics.stage("acl", Stage::Authorizer), metrics.stage("auth", Stage::Authenticator));
        let lent = metrics.host_calls("acl");
        acl.time(async {}).await;
        auth.time(async {}).await;
        lent.begin(Capability::KeyValue).end(HostCallResult::Done);
        metrics.forget_all_but([("auth", &[Stage::Authenticator][..])]);
        acl.time(async {}).await;
        assert_eq!(metrics.report("acl", Stage::Authorizer), StageReport::default());
        assert!(!text(metrics.collect().to_vec()).unwrap().contains("acl"));
        assert_eq!(metrics.report("auth", Stage::Authenticator).calls, 1);
        metrics.stage("acl", Stage::Authorizer).time(async {}).await;
        assert_eq!(metrics.report("acl", Stage::Authorizer).calls, 1);
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
    }

    #[tokio::test]
    async fn a_report_says_what_was_counted() {
        let metrics = PolicyMetrics::default();
        assert_eq!(metrics.report("acl", Stage::Guard), StageReport::default());
        let stage = metrics.stage("acl", Stage::Guard);
        stage.time(async {}).await;
        stage.record_denial();
        stage.record_failure(false);
        stage.record_failure(true);
        let report = metrics.report("acl", Stage::Guard);
        assert_eq!((report.calls, report.denials, report.failures), (1, 1, 2));
        assert!(report.p99.is_some_and(|p99| p99 > 0.0 && p99 < 0.25), "{report:?}");
        assert!(text(metrics.collect().to_vec()).unwrap().contains("latency"));
    }

    #[test]
    fn a_percentile_lies_between_the_bounds_of_its_bucket() {
        let buckets = [(1.0, 0), (2.0, 50), (4.0, 100), (8.0, 100)];
        for (share, expected) in [(0.25, 1.5), (0.5, 2.0), (0.75, 3.0), (1.0, 4.0)] {
            assert_eq!(percentile(&buckets, 100, share), Some(expected));
        }
        assert_eq!(percentile(&buckets, 0, 0.99), None);
        assert_eq!(percentile(&buckets, 10_000, 0.99), Some(8.0), "above the last bound no more is known");
    }
}
