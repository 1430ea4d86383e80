//! Plugins: what is installed, how it runs, and changing it. A change is tried before anything is stored.

use std::sync::Arc;

use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change::finish;
use crate::admin::error::ApiError;
use crate::audit::NamedPlugin;
use crate::gateway::{ChangeMade, Gateway, PolicySource, RunningPlugin, Wish};
use crate::installation::{ComponentRef, Edit, InstalledPlugin};
use crate::pipeline::{Plugin, Stage};
use crate::plugin::{Grants, Isolation, Limits, digest_of};

pub(super) mod change;
pub(super) mod history;
pub(super) mod list;
pub(super) mod plan;
mod stages;
pub(super) mod upload;

/// A plugin as it is installed.
#[derive(Debug, Serialize)]
pub(super) struct PluginView {
    name: String,
    /// `enabled` or `disabled`.
    state: &'static str,
    /// Whether this gateway asks it: not if it is disabled, and in safe mode only stock plugins are.
    running: bool,
    component: ComponentRef,
    /// Where a policies file has it from, if that is a file.
    file: Option<String>,
    digest: String,
    /// Of the component, in its own words; empty while it does not run.
    version: String,
    summary: String,
    stages: Vec<Stage>,
    settings: serde_json::Map<String, serde_json::Value>,
    grants: Grants,
    limits: Limits,
    isolation: Isolation,
    fail_open: bool,
    /// How many earlier versions `rollback` can go back to, one by one.
    previous_versions: usize,
}

impl PluginView {
    fn of_running(plugin: &RunningPlugin) -> Self {
        let view = Self::new(&plugin.installed, plugin.stages.clone(), plugin.loaded.as_deref());
        Self { file: shown_file(plugin), ..view }
    }

    /// One that does not run here.
    fn of_installed(installed: &InstalledPlugin) -> Self {
        Self::new(installed, installed.version.stages.clone().unwrap_or_default(), None)
    }

    fn new(installed: &InstalledPlugin, stages: Vec<Stage>, loaded: Option<&Plugin>) -> Self {
        let version = &installed.version;
        let description = loaded.map(|plugin| plugin.description.clone()).unwrap_or_default();
        Self {
            name: installed.name.to_string(),
            state: if installed.enabled { "enabled" } else { "disabled" },
            running: loaded.is_some(),
            component: version.component.clone(),
            file: None,
            digest: digest(&version.component),
            version: description.version,
            summary: description.summary,
            stages,
            settings: version.settings.clone(),
            grants: version.grants.clone(),
            limits: version.limits,
            isolation: version.isolation,
            fail_open: version.fail_open,
            previous_versions: installed.previous.len(),
        }
    }
}

fn shown_file(plugin: &RunningPlugin) -> Option<String> {
    plugin.file.as_ref().map(|path| path.display().to_string())
}

fn digest(component: &ComponentRef) -> String {
    match component {
        ComponentRef::Stock(stock) => digest_of(stock.component()).to_string(),
        ComponentRef::Digest(digest) => digest.to_string(),
    }
}

/// The plugins that changes are about: those that run, or in safe mode those that are installed.
async fn installed(gateway: &Gateway) -> Result<Vec<PluginView>, ApiError> {
    if *gateway.policy_source() == PolicySource::SafeMode {
        let stored = gateway.store.installation().await?;
        return Ok(stored.installation.plugins.iter().map(PluginView::of_installed).collect());
    }
    Ok(gateway.running_policies().plugins.iter().map(PluginView::of_running).collect())
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("plugin `{name}` is not installed"))
}

/// Notes for the audit log which plugin a wish is about, and what it would be granted.
fn note(admission: &Admission, wish: &Wish) {
    let Wish::Edit(edit) = wish else { return };
    let named = match edit {
        Edit::Add { name, version, .. } => {
            NamedPlugin::new(name, Some(version.component.to_string()), version.grants.iter())
        }
        Edit::Update { name, changes } => {
            NamedPlugin::new(name, changes.component.as_ref().map(ToString::to_string), changes.grant.iter())
        }
        Edit::SetEnabled { name, .. } | Edit::Remove { name } | Edit::RollBackPlugin { name } => {
            NamedPlugin::new(name, None, std::iter::empty())
        }
        Edit::Order { .. } => return,
    };
    admission.named.note_plugin(named);
}

/// Makes a change, whether or not the caller still waits for it.
async fn make(gateway: &Arc<Gateway>, admission: &Admission, wish: Wish) -> Result<ChangeMade, ApiError> {
    note(admission, &wish);
    let (gateway, admission) = (Arc::clone(gateway), admission.clone());
    finish(async move {
        let made = gateway.change_policies(&wish, &admission.principal.name).await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            change = made.summary,
            "changed the installed plugins"
        );
        Ok(made)
    })
    .await
}
