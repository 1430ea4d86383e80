//! The routes of secrets for plugins.

use anyhow::Context;
use mcpjungle_host::secret::Secret;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{Answer, Api};

/// A secret as it is listed.
#[derive(Debug, Deserialize)]
pub(crate) struct PluginSecret {
    pub(crate) name: String,
    pub(crate) updated_at: String,
    pub(crate) readable: bool,
}

impl Api {
    pub(crate) async fn list_plugin_secrets(&self) -> anyhow::Result<Answer<Vec<PluginSecret>>> {
        self.fetch(self.request(Method::GET, &["plugin-secrets"], &[])).await.context("failed to list the secrets")
    }

    /// The answer is JSON text: the secret as it is listed.
    pub(crate) async fn set_plugin_secret(&self, name: &str, value: &Secret) -> anyhow::Result<String> {
        let request = self.request(Method::PUT, &["plugin-secrets", name], &[]);
        self.send(request.json(&json!({ "value": value.expose() }))).await.context("failed to set the secret")
    }

    pub(crate) async fn delete_plugin_secret(&self, name: &str) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, &["plugin-secrets", name], &[]);
        self.send(request).await.map(drop).context("failed to delete the secret")
    }
}
