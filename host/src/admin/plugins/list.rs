//! `GET /plugins` and `GET /plugins/{name}`: the pipeline as it runs, stage by stage, and what is installed.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::plugins::{PluginView, digest, installed, missing, shown_file};
use crate::admin::rfc3339;
use crate::gateway::{Gateway, PolicySource, RunningPlugin, RunningPolicies};
use crate::installation::ComponentRef;
use crate::pipeline::Stage;
use crate::plugin::Grants;
use crate::telemetry::PolicyMetrics;

/// All there is to say of the policies.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Policies {
    /// `store`, `file` or `safe-mode`.
    source: &'static str,
    /// The policies file, if it is one.
    file: Option<String>,
    /// Why that file does not run as it is now; `null` where it does.
    refused: Option<RefusedView>,
    /// The last change in the history that runs here; 0 before the first, and where it is not the store's.
    id: i64,
    /// In the order of a call; what is disabled is there, too.
    stages: Vec<StageView>,
    /// As they are installed, in their order.
    plugins: Vec<PluginView>,
}

/// A policies file that older policies run in place of.
#[derive(Debug, Serialize)]
struct RefusedView {
    reason: String,
    since: String,
}

/// The plugins of one stage, in the order in which they are asked.
#[derive(Debug, Serialize)]
pub(super) struct StageView {
    stage: Stage,
    plugins: Vec<StepView>,
}

/// One plugin in one stage.
#[derive(Debug, Serialize)]
struct StepView {
    name: String,
    state: &'static str,
    component: ComponentRef,
    file: Option<String>,
    version: String,
    digest: String,
    fail_open: bool,
    grants: Grants,
    /// Counted since the gateway started, or the plugin came.
    calls: u64,
    denials: u64,
    failures: u64,
    /// In microseconds; `null` before the first call.
    p99_us: Option<f64>,
}

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Policies>, ApiError> {
    let running = gateway.running_policies();
    let (source, file) = match gateway.policy_source() {
        PolicySource::Store => ("store", None),
        PolicySource::File(path) => ("file", Some(path.display().to_string())),
        PolicySource::SafeMode => ("safe-mode", None),
    };
    Ok(Json(Policies {
        source,
        file,
        refused: gateway
            .refused_policies_file()
            .map(|refused| RefusedView { reason: refused.reason, since: rfc3339(refused.since_ms) }),
        id: running.id,
        stages: stages(&running, &gateway.policy_metrics),
        plugins: installed(&gateway).await?,
    }))
}

pub(in crate::admin) async fn find(
    State(gateway): State<Arc<Gateway>>,
    NameInPath(name): NameInPath,
) -> Result<Json<PluginView>, ApiError> {
    find_installed(&gateway, &name).await?.ok_or_else(|| missing(&name)).map(Json)
}

/// The plugin of this name, as it is now.
pub(super) async fn find_installed(gateway: &Gateway, name: &str) -> Result<Option<PluginView>, ApiError> {
    Ok(installed(gateway).await?.into_iter().find(|plugin| plugin.name == name))
}

/// Stage by stage, as policies run or would run.
pub(super) fn stages(policies: &RunningPolicies, metrics: &PolicyMetrics) -> Vec<StageView> {
    let of_stage = |stage| {
        let plugins = policies.plugins.iter().filter(|plugin| plugin.stages.contains(&stage));
        StageView { stage, plugins: plugins.map(|plugin| step(plugin, stage, metrics)).collect() }
    };
    Stage::ALL.into_iter().map(of_stage).collect()
}

fn step(plugin: &RunningPlugin, stage: Stage, metrics: &PolicyMetrics) -> StepView {
    let RunningPlugin { installed, loaded, .. } = plugin;
    let report = metrics.report(&installed.name, stage);
    StepView {
        name: installed.name.to_string(),
        state: if installed.enabled { "enabled" } else { "disabled" },
        component: installed.version.component.clone(),
        file: shown_file(plugin),
        version: loaded.as_ref().map(|plugin| plugin.description.version.clone()).unwrap_or_default(),
        digest: digest(&installed.version.component),
        fail_open: installed.version.fail_open,
        grants: installed.version.grants.clone(),
        calls: report.calls,
        denials: report.denials,
        failures: report.failures,
        p99_us: report.p99.map(|seconds| seconds * 1e6),
    }
}
