//! A first instance: whether it starts, what that takes, what it says of itself, and whether its settings fit.

use std::num::NonZeroU32;

use crate::pipeline::{CallError, Description};
use crate::plugin::{
    InstanceCost, LARGEST_DEADLINE_MS, LARGEST_MEMORY_MIB, LoadError, PluginHost, PluginPlan, Workpiece,
};
use crate::workbench::check::{CheckReport, Guarded, Problem, SettingsReport, TrialReport, causes};
use crate::workbench::subject::trial_grants;

/// What a component may have in a second trial, when it starts within the usual bounds in none.
const GENEROUS_MEMORY_MIB: u32 = 256;
const GENEROUS_DEADLINE_MS: u32 = 5_000;
pub(super) async fn run(
    host: &PluginHost,
    piece: &Workpiece,
    mut plan: PluginPlan,
    settings: Option<&str>,
    report: &mut CheckReport,
) -> Result<(), LoadError> {
    plan.grants = trial_grants();
    plan.settings = settings.unwrap_or("{}").to_owned();
    let description = match start(host, piece, &mut plan, report).await? {
        Ok(description) => description,
        Err(problem) => {
            report.problems.push(problem);
            return Ok(());
        }
    };
    report.version = description.version;
    report.summary = description.summary;
    let has_schema = description.settings_schema.is_some();
    let given = settings.is_some();
    let accepted = match host.start(piece, &plan).await {
        Ok(plugin) => {
            let parts = plugin.guarded;
            let guarded = Guarded { arguments: parts.arguments, results: parts.results };
            report.guard = plugin.guard.is_some().then_some(guarded);
            true
        }
        Err(error) => {
            match settings_problem(&error, given) {
                Some(Ok(hint)) => report.hints.push(hint),
                Some(Err(problem)) => report.problems.push(problem),
                None => return Err(error),
            }
            false
        }
    };
    report.settings = Some(SettingsReport { has_schema, given, accepted });
    Ok(())
}

/// Starts an instance within the plan's limits; where those do not do, within generous ones, to say what would.
async fn start(
    host: &PluginHost,
    piece: &Workpiece,
    plan: &mut PluginPlan,
    report: &mut CheckReport,
) -> Result<Result<Description, Problem>, LoadError> {
    let first = match try_once(host, piece, plan).await? {
        Ok((cost, description)) => {
            report.trial = Some(trial_report(cost));
            return Ok(Ok(description));
        }
        Err(Failure::Link(problem)) => return Ok(Err(problem)),
        Err(Failure::Call(error)) => error,
    };
    let tight = plan.limits;
    let generous = |value: u32, least: NonZeroU32| NonZeroU32::new(value).map_or(least, |value| value.max(least));
    match &first {
        CallError::MemoryExceeded { .. } | CallError::DeadlineExceeded { .. } => {
            plan.limits.memory_mib = generous(GENEROUS_MEMORY_MIB, tight.memory_mib);
            plan.limits.deadline_ms = generous(GENEROUS_DEADLINE_MS, tight.deadline_ms);
        }
        _ => return Ok(Err(start_problem(&first))),
    }
    let Ok((cost, description)) = try_once(host, piece, plan).await? else {
        return Ok(Err(start_problem(&first)));
    };
    let flag = match &first {
        CallError::MemoryExceeded { .. } => {
            let mib = (piece.memory_peak().max(cost.memory_bytes) >> 20) + 1;
            // Room for what its calls need.
            format!("--memory {}", (mib + mib / 2).min(LARGEST_MEMORY_MIB as usize))
        }
        _ => {
            let ms = 2 * (cost.time.as_millis() + 1).max(u128::from(tight.deadline_ms.get()));
            format!("--deadline {}", ms.min(u128::from(LARGEST_DEADLINE_MS)))
        }
    };
    report.hints.push(format!("{}: install it with `{flag}`", reason(&first)));
    report.install_flags.push(flag);
    report.trial = Some(trial_report(cost));
    Ok(Ok(description))
}

enum Failure {
    Link(Problem),
    Call(CallError),
}

async fn try_once(
    host: &PluginHost,
    piece: &Workpiece,
    plan: &PluginPlan,
) -> Result<Result<(InstanceCost, Description), Failure>, LoadError> {
    let instances = match host.instances(piece, plan) {
        Ok(instances) => instances,
        Err(error @ LoadError::Link { .. }) => return Ok(Err(Failure::Link(link_problem(&error)))),
        Err(other) => return Err(other),
    };
    // The first one of a process also pays for pages that were never touched.
    let cost = match instances.measure().await {
        Ok(cost) => cost,
        Err(error) => return Ok(Err(Failure::Call(error))),
    };
    Ok(instances.describe().await.map(|description| (cost, description)).map_err(Failure::Call))
}

fn trial_report(cost: InstanceCost) -> TrialReport {
    TrialReport { start_ms: cost.time.as_secs_f64() * 1_000.0, memory_bytes: cost.memory_bytes }
}

fn link_problem(error: &LoadError) -> Problem {
    Problem::new(
        "imports",
        &format!("an interface is not what the contract says: {}", causes(error)),
        "rebuild it against this gateway's WIT",
    )
}

fn reason(error: &CallError) -> String {
    match error {
        CallError::MemoryExceeded { limit_bytes, .. } => {
            format!("it needs more than {} MiB of memory", limit_bytes >> 20)
        }
        CallError::DeadlineExceeded { deadline_ms, .. } => format!("it takes longer than {deadline_ms} ms to start"),
        other => other.to_string(),
    }
}

fn start_problem(error: &CallError) -> Problem {
    let fix = match error {
        CallError::Trapped { .. } => {
            "look for a panic or an uncaught exception in what runs at the start and in `describe`; \
             nothing of WASI is there: no files, no environment, no network"
        }
        CallError::DeadlineExceeded { .. } => {
            "do less at the start: it must not wait for anything, and 5 seconds would not do either"
        }
        CallError::MemoryExceeded { .. } => "use less memory: 256 MiB would not do either",
        CallError::HostCallsExceeded { .. } => "do not call the host in a loop at the start",
        CallError::MalformedAnswer { .. } => "rebuild it against this gateway's WIT",
        CallError::Saturated { .. } => "try again: this machine has no memory left",
    };
    Problem::new("start", &reason(error), fix)
}

/// A hint or a problem with settings; `None` where the error is about something else. Without settings, that
/// they do not fit is no fault of the component.
fn settings_problem(error: &LoadError, given: bool) -> Option<Result<String, Problem>> {
    let (message, fix) = match error {
        LoadError::SettingsSchema { problem, .. } => {
            let message = format!("the gateway does not take the schema that it describes its settings by: {problem}");
            let fix = "correct `settings-schema` in the answer of `describe`";
            return Some(Err(Problem::new("settings", &message, fix)));
        }
        LoadError::SettingsInvalid { problem, .. } => {
            (format!("they do not fit its schema: {problem}"), "change what you give with --settings")
        }
        LoadError::SettingsRefused { problem, .. } => {
            (format!("it does not accept them: {problem:?}"), "change what you give with --settings")
        }
        LoadError::Start { source, .. } => {
            let fix = "look at what `accept` and `reviews` do with the settings";
            return Some(Err(Problem::new("settings", &format!("it fails when it is given them: {source}"), fix)));
        }
        _ => return None,
    };
    Some(if given {
        Err(Problem::new("settings", &message, fix))
    } else {
        Ok(format!("it needs settings; of none it says: {message}. Try them with --settings FILE"))
    })
}
