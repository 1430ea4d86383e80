//! Calls of one tool: latency of one session, throughput of many, and what they cost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::load::Session;
use crate::report::Report;
use crate::targets::{Setting, Target};
use crate::upstream::{PROGRESS, Settings, Upstream};
use crate::{Effort, Options};

/// One target in one round, or the medians of its rounds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figures {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) calls_per_second: f64,
    /// Of the processes between client and upstream, at the throughput's load.
    pub(crate) cpu_us_per_call: Option<f64>,
    pub(crate) resident_mib: Option<f64>,
}

/// What is asked for with each call.
#[derive(Clone, Copy)]
pub(crate) enum Load {
    /// The answer only.
    Plain,
    /// Progress before it.
    Progress,
}

impl Load {
    async fn open(self, target: &Target) -> Result<Session> {
        let session = Session::open(&target.url, target.token.as_deref()).await?;
        Ok(match self {
            Self::Plain => session,
            Self::Progress => session.wanting_progress(),
        })
    }
}

/// An upstream that keeps no state and issues no session id.
pub(crate) async fn measure_without_session_ids(options: &Options, effort: &Effort, report: &mut Report) -> Result<()> {
    let upstream = Upstream::start(&Settings { port: options.upstream_port, session_ids: false, tools: 1 })?;
    let setting = Setting::around(&upstream, "stateless", &options.also, options).await?;
    measure("calls, upstream without session ids", &setting, Load::Plain, effort, report).await?;
    let title = format!("calls that stream {PROGRESS} progress messages each");
    measure(&title, &setting, Load::Progress, effort, report).await
}

/// An upstream that issues session ids, registered as stateful.
pub(crate) async fn measure_with_session_ids(options: &Options, effort: &Effort, report: &mut Report) -> Result<()> {
    let upstream = Upstream::start(&Settings { port: 0, session_ids: true, tools: 1 })?;
    let setting = Setting::around(&upstream, "stateful", &[], options).await?;
    measure("calls, stateful upstream with session ids", &setting, Load::Plain, effort, report).await
}

/// The targets take turns, so that whatever else the machine does meets all of them.
async fn measure(title: &str, setting: &Setting, load: Load, effort: &Effort, report: &mut Report) -> Result<()> {
    let mut rounds: Vec<Vec<Figures>> = setting.targets.iter().map(|_| Vec::new()).collect();
    for target in &setting.targets {
        round(target, load, &effort.warm_up()).await.with_context(|| format!("{title}: {}", target.name))?;
    }
    for number in 1..=effort.rounds {
        eprintln!("{title}: round {number} of {}", effort.rounds);
        for (target, figures) in setting.targets.iter().zip(&mut rounds) {
            figures.push(round(target, load, effort).await.with_context(|| format!("{title}: {}", target.name))?);
        }
    }
    let medians = setting.targets.iter().zip(rounds).map(|(target, rounds)| (target.name.clone(), medians(&rounds)));
    report.add_calls(title, medians.collect());
    Ok(())
}

async fn round(target: &Target, load: Load, effort: &Effort) -> Result<Figures> {
    let mut latencies = latencies(target, load, effort.latency_calls).await?;
    let (calls_per_second, cpu_us_per_call) = throughput(target, load, effort.sessions, effort.throughput_time).await?;
    let resident_mib = target.family.map(|family| family.resident_kib()).transpose()?.map(|kib| kib as f64 / 1024.0);
    Ok(Figures {
        p50_us: percentile(&mut latencies, 50),
        p99_us: percentile(&mut latencies, 99),
        calls_per_second,
        cpu_us_per_call,
        resident_mib,
    })
}

async fn latencies(target: &Target, load: Load, calls: usize) -> Result<Vec<Duration>> {
    let mut session = load.open(target).await?;
    let mut latencies = Vec::with_capacity(calls);
    for _ in 0..calls {
        latencies.push(session.call().await?);
    }
    Ok(latencies)
}

/// Calls a second of many sessions at once, and what each call costs the processes in between.
pub(crate) async fn throughput(
    target: &Target,
    load: Load,
    count: usize,
    time: Duration,
) -> Result<(f64, Option<f64>)> {
    let mut sessions = Vec::new();
    for _ in 0..count {
        sessions.push(load.open(target).await?);
    }
    let cpu_before = target.family.map(|family| family.cpu_time()).transpose()?;
    let begun = Instant::now();
    let workers: Vec<_> = sessions
        .into_iter()
        .map(|mut session| {
            tokio::spawn(async move {
                let mut calls = 0_u64;
                while begun.elapsed() < time {
                    session.call().await?;
                    calls += 1;
                }
                anyhow::Ok(calls)
            })
        })
        .collect();
    let mut calls = 0;
    for worker in workers {
        calls += worker.await??;
    }
    let elapsed = begun.elapsed();
    let cpu_after = target.family.map(|family| family.cpu_time()).transpose()?;
    let cpu = cpu_before.zip(cpu_after).map(|(before, after)| (after - before).as_secs_f64() * 1e6 / calls as f64);
    Ok((calls as f64 / elapsed.as_secs_f64(), cpu))
}

impl Effort {
    /// Enough that pools are filled and pages touched.
    fn warm_up(&self) -> Self {
        Self { latency_calls: 200, throughput_time: self.throughput_time / 10, ..*self }
    }
}

fn medians(rounds: &[Figures]) -> Figures {
    let required = |figure: fn(&Figures) -> f64| median(rounds.iter().map(figure).collect());
    let optional = |figure: fn(&Figures) -> Option<f64>| {
        let known: Vec<f64> = rounds.iter().filter_map(figure).collect();
        (!known.is_empty()).then(|| median(known))
    };
    Figures {
        p50_us: required(|figures| figures.p50_us),
        p99_us: required(|figures| figures.p99_us),
        calls_per_second: required(|figures| figures.calls_per_second),
        cpu_us_per_call: optional(|figures| figures.cpu_us_per_call),
        resident_mib: optional(|figures| figures.resident_mib),
    }
}

/// In microseconds. There must be at least one sample.
pub(crate) fn percentile(samples: &mut [Duration], percent: usize) -> f64 {
    samples.sort_unstable();
    samples[(samples.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// There must be at least one sample.
pub(crate) fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
