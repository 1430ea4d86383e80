//! `POST /plugins/plan`: what clients would see after a change. Nothing changes, and no metric counts it. But
//! what is planned runs, with the secrets and hosts that it is granted: the audit log has it as a change.
//!
//! - `audience`: who is looked at, and where.
//! - `compare`: what they see with the policies that run and with those that would.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::plugins::change::{Addition, NewOrder};
use crate::admin::plugins::list::{StageView, stages};
use crate::admin::plugins::note;
use crate::admin::plugins::stages::{PluginStages, Subject};
use crate::admin::strict_body::StrictBody;
use crate::gateway::{Gateway, RunningPolicies, Wish};
use crate::installation::{Edit, VersionChanges};
use crate::pipeline::{Pipeline, Plugin, Stage};
use crate::telemetry::PolicyMetrics;

mod audience;
mod compare;

use compare::{Comparison, Row};

/// The change that is asked about: one of these.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::admin) struct Planned {
    add: Option<Addition>,
    update: Option<PlannedUpdate>,
    enable: Option<OnePlugin>,
    disable: Option<OnePlugin>,
    remove: Option<OnePlugin>,
    order: Option<NewOrder>,
    /// Of one plugin, or with no name of the last change.
    rollback: Option<MaybePlugin>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct PlannedUpdate {
    name: String,
    changes: VersionChanges,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct OnePlugin {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct MaybePlugin {
    #[serde(default)]
    name: Option<String>,
}

/// What would be.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Plan {
    /// What would be done.
    change: String,
    /// The pipeline as it would run.
    stages: Vec<StageView>,
    /// Where something would stand in the place of something else: the stages of both.
    plugin_stages: Option<PluginStages>,
    /// Who would see something else, and where; those who would see the same are left out.
    rows: Vec<Row>,
    /// How many lists were made with both pipelines.
    looked_at: usize,
    /// What the rows do not say.
    notes: Vec<String>,
}

impl Planned {
    fn into_wish(self) -> Result<Wish, ApiError> {
        let set = |plugin: OnePlugin, enabled| Edit::SetEnabled { name: plugin.name, enabled };
        let edits = [
            self.add.map(Addition::into_edit).transpose()?,
            self.update.map(|update| Edit::Update { name: update.name, changes: Box::new(update.changes) }),
            self.enable.map(|plugin| set(plugin, true)),
            self.disable.map(|plugin| set(plugin, false)),
            self.remove.map(|plugin| Edit::Remove { name: plugin.name }),
            self.order.map(|order| Edit::Order { names: order.names }),
        ];
        let rollback = self.rollback.map(|rollback| match rollback.name {
            Some(name) => Wish::Edit(Edit::RollBackPlugin { name }),
            None => Wish::RollBack { change: None },
        });
        let mut wishes = edits.into_iter().flatten().map(Wish::Edit).chain(rollback);
        match (wishes.next(), wishes.next()) {
            (Some(wish), None) => Ok(wish),
            _ => Err(ApiError::invalid(
                "give one of `add`, `update`, `enable`, `disable`, `remove`, `order` and `rollback`",
            )),
        }
    }
}

pub(in crate::admin) async fn plan(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    StrictBody(planned): StrictBody<Planned>,
) -> Result<Json<Plan>, ApiError> {
    let wish = planned.into_wish()?;
    note(&admission, &wish);
    // Before it is: what is planned runs, with what it is granted.
    tracing::info!(
        request.id = %admission.request_id,
        principal.name = %admission.principal.name,
        change = wish.summary(None),
        "plans a change of the installed plugins"
    );
    let running = gateway.running_policies();
    let tried = gateway.try_policies(&wish).await?;
    let (old, new) = (uncounted(&gateway, &running)?, uncounted(&gateway, &tried)?);
    let mut notes = Vec::new();
    if authenticators(&running) != authenticators(&tried) {
        notes.push(
            "other authenticators would decide who is let in: sessions that they do not let in would end. This plan \
             takes every client to be let in as it is stored"
                .to_owned(),
        );
    }
    if decides_beyond_lists(&running) != decides_beyond_lists(&tried) {
        notes.push("guards, header-injectors or observers would change, too: they act on calls, not on lists".into());
    }
    let comparison = Comparison::make(&gateway, &old, &new).await;
    notes.extend(comparison.notes);
    Ok(Json(Plan {
        change: wish.summary(Some(tried.id)),
        // Nothing has been counted of what does not run yet.
        stages: stages(&tried, &PolicyMetrics::default()),
        plugin_stages: Subject::of(&wish).and_then(|subject| subject.compare(&gateway, &running, &tried)),
        rows: comparison.rows,
        looked_at: comparison.looked_at,
        notes,
    }))
}

/// The same policies, counted nowhere.
fn uncounted(gateway: &Gateway, policies: &RunningPolicies) -> Result<Pipeline, ApiError> {
    let plugins: Vec<Arc<Plugin>> = policies.plugins.iter().filter_map(|plugin| plugin.loaded.clone()).collect();
    Ok(gateway.plugin_host().order(&plugins, policies.pipeline.revision(), &PolicyMetrics::default())?)
}

/// What decides at a stage: names and the very instances.
type Deciders = Vec<(Stage, Vec<*const Plugin>)>;

fn deciders(policies: &RunningPolicies, stages: &[Stage]) -> Deciders {
    let of_stage = |stage: &Stage| {
        let loaded = policies.plugins.iter().filter_map(|plugin| plugin.loaded.as_ref());
        let plugins = loaded.filter(|plugin| plugin.stages.contains(stage)).map(Arc::as_ptr).collect();
        (*stage, plugins)
    };
    stages.iter().map(of_stage).collect()
}

fn authenticators(policies: &RunningPolicies) -> Deciders {
    deciders(policies, &[Stage::Authenticator])
}

fn decides_beyond_lists(policies: &RunningPolicies) -> Deciders {
    deciders(policies, &[Stage::Guard, Stage::HeaderInjector, Stage::Observer])
}
