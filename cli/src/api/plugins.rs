//! The routes of plugins, and what they answer as far as commands look at it.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Api};

/// The policies as they run.
#[derive(Debug, Deserialize)]
pub(crate) struct Policies {
    pub(crate) source: String,
    pub(crate) file: Option<String>,
    pub(crate) refused: Option<Refused>,
    pub(crate) id: u64,
    pub(crate) stages: Vec<Stage>,
    pub(crate) plugins: Vec<Plugin>,
}

/// A policies file that older policies run in place of.
#[derive(Debug, Deserialize)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) since: String,
}

/// The plugins of one stage.
#[derive(Debug, Deserialize)]
pub(crate) struct Stage {
    pub(crate) stage: String,
    pub(crate) plugins: Vec<Step>,
}

/// One plugin in one stage.
#[derive(Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) component: String,
    pub(crate) file: Option<String>,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) fail_open: bool,
    pub(crate) grants: Vec<String>,
    pub(crate) calls: u64,
    pub(crate) denials: u64,
    pub(crate) failures: u64,
    pub(crate) p99_us: Option<f64>,
}

/// A plugin as it is installed.
#[derive(Debug, Deserialize)]
pub(crate) struct Plugin {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) running: bool,
    pub(crate) component: String,
    pub(crate) file: Option<String>,
    pub(crate) digest: String,
    pub(crate) version: String,
    pub(crate) summary: String,
    pub(crate) stages: Vec<String>,
    pub(crate) settings: Value,
    pub(crate) grants: Vec<String>,
    pub(crate) limits: serde_json::Map<String, Value>,
    pub(crate) isolation: String,
    pub(crate) fail_open: bool,
    pub(crate) previous_versions: u64,
}

/// A component that was uploaded.
#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    pub(crate) component: String,
}

/// A change that was made.
#[derive(Debug, Deserialize)]
pub(crate) struct PluginChange {
    pub(crate) id: u64,
    pub(crate) change: String,
    pub(crate) problem: Option<String>,
    pub(crate) runs: bool,
    pub(crate) plugin: Option<Plugin>,
    pub(crate) plugin_stages: Option<PluginStages>,
}

/// The stages of what was there, and of what takes its place.
#[derive(Debug, Deserialize)]
pub(crate) struct PluginStages {
    pub(crate) old: Vec<String>,
    pub(crate) new: Vec<String>,
}

/// A change of the history.
#[derive(Debug, Deserialize)]
pub(crate) struct HistoryEntry {
    pub(crate) id: u64,
    pub(crate) change: String,
    pub(crate) author: String,
    pub(crate) at: String,
}

/// What clients would see.
#[derive(Debug, Deserialize)]
pub(crate) struct Plan {
    pub(crate) change: String,
    pub(crate) plugin_stages: Option<PluginStages>,
    pub(crate) rows: Vec<PlanRow>,
    pub(crate) looked_at: u64,
    pub(crate) notes: Vec<String>,
}

/// Who would see what else, and where.
#[derive(Debug, Deserialize)]
pub(crate) struct PlanRow {
    pub(crate) who: Vec<String>,
    pub(crate) endpoint: String,
    pub(crate) appear: Vec<PlannedItem>,
    pub(crate) disappear: Vec<PlannedItem>,
    pub(crate) more: u64,
    pub(crate) problem: Option<String>,
}

/// One item of a plan.
#[derive(Debug, Deserialize)]
pub(crate) struct PlannedItem {
    pub(crate) kind: String,
    pub(crate) name: String,
}

/// What is said while a change is tried.
const TRYING: &str = "the gateway is trying the policies";

impl Api {
    pub(crate) async fn list_plugins(&self) -> anyhow::Result<Answer<Policies>> {
        self.fetch(self.request(Method::GET, &["plugins"], &[])).await
    }

    pub(crate) async fn get_plugin(&self, name: &str) -> anyhow::Result<Answer<Plugin>> {
        self.fetch(self.request(Method::GET, &["plugins", name], &[])).await
    }

    /// Sends the bytes of a component; `shown` names the file.
    pub(crate) async fn upload_component(&self, shown: &str, bytes: Vec<u8>) -> anyhow::Result<Component> {
        let what = format!("uploading {shown} ({} KiB) and compiling it", bytes.len().div_ceil(1 << 10));
        let request = self.request(Method::POST, &["plugins", "components"], &[]);
        let request = request.header("content-type", "application/wasm").body(bytes);
        Ok(self.fetch_while(&what, request).await?.value)
    }

    pub(crate) async fn add_plugin(&self, addition: &Value) -> anyhow::Result<Answer<PluginChange>> {
        self.fetch_while(TRYING, self.request(Method::POST, &["plugins"], &[]).json(addition)).await
    }

    pub(crate) async fn update_plugin(&self, name: &str, changes: &Value) -> anyhow::Result<Answer<PluginChange>> {
        self.fetch_while(TRYING, self.request(Method::PATCH, &["plugins", name], &[]).json(changes)).await
    }

    pub(crate) async fn remove_plugin(&self, name: &str) -> anyhow::Result<Answer<PluginChange>> {
        self.fetch_while(TRYING, self.request(Method::DELETE, &["plugins", name], &[])).await
    }

    /// `verb` is `enable`, `disable` or `rollback`.
    pub(crate) async fn change_plugin(&self, name: &str, verb: &str) -> anyhow::Result<Answer<PluginChange>> {
        self.fetch_while(TRYING, self.request(Method::POST, &["plugins", name, verb], &[])).await
    }

    pub(crate) async fn order_plugins(&self, names: &[String]) -> anyhow::Result<Answer<PluginChange>> {
        let body = serde_json::json!({ "names": names });
        self.fetch_while(TRYING, self.request(Method::POST, &["plugins", "order"], &[]).json(&body)).await
    }

    /// Undoes the last change of the plugins, if it is still this one.
    pub(crate) async fn roll_back_plugins(&self, change: Option<u64>) -> anyhow::Result<Answer<PluginChange>> {
        let change = change.map(|change| change.to_string());
        let parameters: Vec<_> = change.iter().map(|change| ("change", change.as_str())).collect();
        self.fetch_while(TRYING, self.request(Method::POST, &["plugins", "rollback"], &parameters)).await
    }

    pub(crate) async fn plugin_history(&self) -> anyhow::Result<Answer<Vec<HistoryEntry>>> {
        self.fetch(self.request(Method::GET, &["plugins", "history"], &[])).await
    }

    pub(crate) async fn plan_plugins(&self, planned: &Value) -> anyhow::Result<Answer<Plan>> {
        let request = self.request(Method::POST, &["plugins", "plan"], &[]).json(planned);
        self.fetch_while("the gateway is making everybody's lists with both policies", request).await
    }
}
