//! Changes of what is installed: a route each, and all of them answered alike.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::input::{NameInPath, Parameters};
use crate::admin::plugins::list::find_installed;
use crate::admin::plugins::stages::{PluginStages, Subject};
use crate::admin::plugins::{PluginView, make};
use crate::admin::strict_body::StrictBody;
use crate::gateway::{ChangeMade, Gateway, PolicySource, Wish};
use crate::installation::{ComponentRef, Edit, Place, PluginVersion, VersionChanges};
use crate::pipeline::Stage;
use crate::plugin::{Grants, Isolation, LimitChanges, Limits};

/// A change that was made.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Made {
    /// Which one, in the history.
    id: i64,
    /// What was done.
    change: String,
    /// In safe mode: why what is installed now would still not start; `null` where it would.
    problem: Option<String>,
    /// Whether it runs here; in safe mode it does from the next start on.
    runs: bool,
    /// The plugin that it was about, as it is now.
    plugin: Option<PluginView>,
    /// Where it put something in the place of something else: the stages of both.
    plugin_stages: Option<PluginStages>,
}

/// A plugin to install.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct Addition {
    name: String,
    component: ComponentRef,
    #[serde(default)]
    replace: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    after: Option<String>,
    #[serde(default)]
    stages: Option<Vec<Stage>>,
    #[serde(default)]
    settings: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    grants: Grants,
    #[serde(default)]
    limits: LimitChanges,
    #[serde(default)]
    isolation: Isolation,
    #[serde(default)]
    fail_open: bool,
}

/// A new order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::admin) struct NewOrder {
    pub(super) names: Vec<String>,
}

impl Made {
    fn new(gateway: &Gateway, made: ChangeMade) -> Self {
        let runs = *gateway.policy_source() != PolicySource::SafeMode;
        Self { id: made.id, change: made.summary, problem: made.problem, runs, plugin: None, plugin_stages: None }
    }
}

impl Addition {
    pub(super) fn into_edit(self) -> Result<Edit, ApiError> {
        let place = match (self.replace, self.before, self.after) {
            (None, None, None) => Place::Last,
            (Some(other), None, None) => Place::Replace(other),
            (None, Some(other), None) => Place::Before(other),
            (None, None, Some(other)) => Place::After(other),
            _ => return Err(ApiError::invalid("give one of 'replace', 'before' and 'after'")),
        };
        let version = PluginVersion {
            component: self.component,
            stages: self.stages,
            settings: self.settings,
            grants: self.grants,
            limits: self.limits.applied_to(Limits::default()),
            isolation: self.isolation,
            fail_open: self.fail_open,
        };
        Ok(Edit::Add { name: self.name, version: Box::new(version), place })
    }
}

pub(in crate::admin) async fn add(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    StrictBody(addition): StrictBody<Addition>,
) -> Result<(StatusCode, Json<Made>), ApiError> {
    let made = edit(&gateway, &admission, addition.into_edit()?).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

pub(in crate::admin) async fn update(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
    StrictBody(changes): StrictBody<VersionChanges>,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::Update { name, changes: Box::new(changes) }).await.map(Json)
}

pub(in crate::admin) async fn remove(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::Remove { name }).await.map(Json)
}

pub(in crate::admin) async fn enable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::SetEnabled { name, enabled: true }).await.map(Json)
}

pub(in crate::admin) async fn disable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::SetEnabled { name, enabled: false }).await.map(Json)
}

pub(in crate::admin) async fn roll_back_one(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::RollBackPlugin { name }).await.map(Json)
}

pub(in crate::admin) async fn order(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    StrictBody(order): StrictBody<NewOrder>,
) -> Result<Json<Made>, ApiError> {
    edit(&gateway, &admission, Edit::Order { names: order.names }).await.map(Json)
}

pub(in crate::admin) async fn roll_back(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
) -> Result<Json<Made>, ApiError> {
    let change = parameters.get("change").map(|change| {
        change
            .parse()
            .map_err(|_| ApiError::invalid(format!("invalid value for 'change': '{change}' is no change's id")))
    });
    let made = make(&gateway, &admission, Wish::RollBack { change: change.transpose()? }).await?;
    Ok(Json(Made::new(&gateway, made)))
}

async fn edit(gateway: &Arc<Gateway>, admission: &Admission, edit: Edit) -> Result<Made, ApiError> {
    let name = match &edit {
        Edit::Add { name, .. }
        | Edit::Update { name, .. }
        | Edit::SetEnabled { name, .. }
        | Edit::Remove { name }
        | Edit::RollBackPlugin { name } => Some(name.clone()),
        Edit::Order { .. } => None,
    };
    let wish = Wish::Edit(edit);
    let (subject, before) = (Subject::of(&wish), gateway.running_policies());
    let made = make(gateway, admission, wish).await?;
    let plugin = match name {
        Some(name) => find_installed(gateway, &name).await?,
        None => None,
    };
    let plugin_stages = subject.and_then(|subject| subject.compare(gateway, &before, &gateway.running_policies()));
    Ok(Made { plugin, plugin_stages, ..Made::new(gateway, made) })
}
