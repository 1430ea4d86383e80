//! Asks again and again until the time is over, and sorts what each answer took.

use std::time::{Duration, Instant};

use crate::pipeline::{CallError, Plugin};
use crate::plugin::Instances;
use crate::workbench::bench::questions::Row;
use crate::workbench::bench::{InstanceReport, StageReport};

/// So many are asked first and not counted: code and memory are not warm yet.
const WARM_UP: usize = 20;
/// Enough for a 99th percentile that stands still.
const MOST_CALLS: usize = 20_000;
const MOST_INSTANCES: usize = 500;
/// After so long others on this thread are let in: whoever draws the progress.
const TURN: Duration = Duration::from_millis(20);

/// What became of one row.
pub(super) enum Measured {
    Done(StageReport),
    /// There was no answer in the time for it.
    NoAnswer,
    Failed(CallError),
}

/// Starts instances one after the other.
pub(super) async fn instances(instances: &Instances, until: Instant) -> Result<Option<InstanceReport>, CallError> {
    let (mut times, mut memory_bytes) = (Vec::new(), 0);
    while times.len() < MOST_INSTANCES && (Instant::now() < until || times.is_empty()) {
        let cost = instances.measure().await?;
        times.push(cost.time);
        memory_bytes = memory_bytes.max(cost.memory_bytes);
        if times.len() % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    times.sort_unstable();
    Ok(Some(InstanceReport {
        started: times.len(),
        p50_us: percentile(&times, 50),
        p99_us: percentile(&times, 99),
        memory_bytes,
    }))
}

/// Asks the questions of a row in turn.
pub(super) async fn calls(plugin: &Plugin, row: &Row, until: Instant) -> Measured {
    let mut times: Vec<Duration> = Vec::new();
    let mut last_turn = Instant::now();
    for (number, question) in row.questions.iter().cycle().take(WARM_UP + MOST_CALLS).enumerate() {
        let started = Instant::now();
        match tokio::time::timeout_at(until.into(), question.ask(plugin)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Measured::Failed(error),
            Err(_) => break,
        }
        let took = started.elapsed();
        // Where an answer takes long, the first ones are all that there is.
        if number >= WARM_UP || took > Duration::from_millis(5) {
            times.push(took);
        }
        if Instant::now() >= until {
            break;
        }
        if last_turn.elapsed() > TURN {
            tokio::task::yield_now().await;
            last_turn = Instant::now();
        }
    }
    if times.is_empty() {
        return Measured::NoAnswer;
    }
    let whole: Duration = times.iter().sum();
    times.sort_unstable();
    Measured::Done(StageReport {
        stage: row.stage.as_str(),
        question: row.name.clone(),
        calls: times.len(),
        p50_us: percentile(&times, 50),
        p99_us: percentile(&times, 99),
        calls_per_second: times.len() as f64 / whole.as_secs_f64(),
    })
}

/// Of sorted times, in microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |time| time.as_secs_f64() * 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_micros).collect();
        assert_eq!((percentile(&times, 50).round(), percentile(&times, 99).round()), (100.0, 198.0));
        assert_eq!(percentile(&times[..1], 99).round(), 1.0);
        assert_eq!(percentile(&[], 50), 0.0);
    }
}
