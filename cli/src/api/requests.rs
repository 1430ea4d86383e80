//! The routes, one method each.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use reqwest::Method;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::answers::{
    AuditPage, AuditReport, EffectiveTools, Group, GroupUpdate, Metadata, Prompt, PromptRender, Resource, ResourceRead,
    Server, ServerToggle, Tool, ToolResult,
};
use super::{Answer, Api};
use crate::commands::explain::{Explanation, Question};
use crate::config_file::text;

/// How long `version` waits for a gateway.
const METADATA_TIMEOUT: Duration = Duration::from_secs(5);

/// A tool call. A tool's own argument called `name` has its place beside ours.
#[derive(Serialize)]
struct Invocation<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

impl Api {
    pub(crate) async fn metadata(&self) -> anyhow::Result<Metadata> {
        let request = self.request_at(Method::GET, &["metadata"], &[]).timeout(METADATA_TIMEOUT);
        Ok(self.fetch(request).await?.value)
    }

    pub(crate) async fn list_servers(&self) -> anyhow::Result<Answer<Vec<Server>>> {
        self.fetch(self.request(Method::GET, &["servers"], &[])).await
    }

    /// The answer is JSON text: the server as it was registered.
    pub(crate) async fn register_server(&self, server: &Map<String, Value>, force: bool) -> anyhow::Result<String> {
        let query: &[(&str, &str)] = if force { &[("force", "true")] } else { &[] };
        let what = format!("the gateway is connecting to {} and listing what it offers", text(server, "name"));
        self.send_while(&what, self.request(Method::POST, &["servers"], query).json(server)).await
    }

    /// All servers as they were registered, with or without their secrets.
    pub(crate) async fn server_configs(&self, reveal: bool) -> anyhow::Result<Vec<Box<RawValue>>> {
        let query: &[(&str, &str)] = if reveal { &[("reveal", "true")] } else { &[] };
        Ok(self.fetch(self.request(Method::GET, &["server_configs"], query)).await?.value)
    }

    pub(crate) async fn deregister_server(&self, name: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, &["servers", name], &[])).await.map(drop)
    }

    pub(crate) async fn toggle_server(&self, name: &str, verb: &str) -> anyhow::Result<Answer<ServerToggle>> {
        self.fetch(self.request(Method::POST, &["servers", name, verb], &[])).await
    }

    pub(crate) async fn list_tools(&self, server: Option<&str>) -> anyhow::Result<Answer<Vec<Tool>>> {
        self.fetch(self.request(Method::GET, &["tools"], &of_server(server))).await
    }

    pub(crate) async fn get_tool(&self, name: &str) -> anyhow::Result<Answer<Tool>> {
        self.fetch(self.request(Method::GET, &["tool"], &[("name", name)])).await
    }

    pub(crate) async fn invoke_tool(&self, name: &str, arguments: &RawValue) -> anyhow::Result<Answer<ToolResult>> {
        let request = self.request(Method::POST, &["tools", "invoke"], &[]).json(&Invocation { name, arguments });
        self.fetch_while(&format!("waiting for {name}"), request).await
    }

    pub(crate) async fn explain(&self, question: &Question<'_>) -> anyhow::Result<Answer<Explanation>> {
        self.fetch(self.request(Method::POST, &["explain"], &[]).json(question)).await
    }

    pub(crate) async fn list_prompts(&self, server: Option<&str>) -> anyhow::Result<Answer<Vec<Prompt>>> {
        self.fetch(self.request(Method::GET, &["prompts"], &of_server(server))).await
    }

    pub(crate) async fn render_prompt(
        &self,
        name: &str,
        arguments: &BTreeMap<String, String>,
    ) -> anyhow::Result<Answer<PromptRender>> {
        let body = json!({ "name": name, "arguments": arguments });
        self.fetch(self.request(Method::POST, &["prompts", "render"], &[]).json(&body)).await
    }

    /// Enables or disables items; `kind` is `tools` or `prompts`. The answer names what was changed.
    pub(crate) async fn toggle_items(
        &self,
        kind: &str,
        verb: &str,
        entity: &str,
    ) -> anyhow::Result<Answer<Option<Vec<String>>>> {
        self.fetch(self.request(Method::POST, &[kind, verb], &[("entity", entity)])).await
    }

    pub(crate) async fn list_resources(&self, server: Option<&str>) -> anyhow::Result<Answer<Vec<Resource>>> {
        self.fetch(self.request(Method::GET, &["resources"], &of_server(server))).await
    }

    pub(crate) async fn get_resource(&self, uri: &str) -> anyhow::Result<Answer<Resource>> {
        self.fetch(self.request(Method::POST, &["resources", "get"], &[]).json(&json!({ "uri": uri }))).await
    }

    pub(crate) async fn read_resource(&self, uri: &str) -> anyhow::Result<Answer<ResourceRead>> {
        self.fetch(self.request(Method::POST, &["resources", "read"], &[]).json(&json!({ "uri": uri }))).await
    }

    pub(crate) async fn list_groups(&self) -> anyhow::Result<Answer<Vec<Group>>> {
        self.fetch(self.request(Method::GET, &["tool-groups"], &[])).await
    }

    /// All groups as they were created.
    pub(crate) async fn group_configs(&self) -> anyhow::Result<Vec<Box<RawValue>>> {
        Ok(self.fetch(self.request(Method::GET, &["tool-groups"], &[])).await?.value)
    }

    pub(crate) async fn get_group(&self, name: &str) -> anyhow::Result<Answer<Group>> {
        self.fetch(self.request(Method::GET, &["tool-groups", name], &[])).await
    }

    /// The canonical names of the tools that a group comes to.
    pub(crate) async fn effective_tools(&self, group: &str) -> anyhow::Result<Vec<String>> {
        let request = self.request(Method::GET, &["tool-groups", group, "effective-tools"], &[]);
        let answer: Answer<EffectiveTools> =
            self.fetch(request).await.context("failed to get the tools of the group")?;
        Ok(answer.value.tools)
    }

    pub(crate) async fn create_group(&self, group: &Map<String, Value>) -> anyhow::Result<Answer<Group>> {
        self.fetch(self.request(Method::POST, &["tool-groups"], &[]).json(group)).await
    }

    pub(crate) async fn update_group(
        &self,
        name: &str,
        group: &Map<String, Value>,
    ) -> anyhow::Result<Answer<GroupUpdate>> {
        self.fetch(self.request(Method::PUT, &["tool-groups", name], &[]).json(group)).await
    }

    /// Records of the audit log.
    pub(crate) async fn read_audit(&self, query: &[(&str, &str)]) -> anyhow::Result<AuditPage> {
        Ok(self.fetch(self.request(Method::GET, &["audit"], query)).await?.value)
    }

    pub(crate) async fn verify_audit(&self) -> anyhow::Result<Answer<AuditReport>> {
        self.fetch_while("reading the whole audit log", self.request(Method::POST, &["audit", "verify"], &[])).await
    }

    pub(crate) async fn delete_group(&self, name: &str) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, &["tool-groups", name], &[])).await.map(drop)
    }
}

fn of_server(server: Option<&str>) -> Vec<(&'static str, &str)> {
    server.map(|server| ("server", server)).into_iter().collect()
}
