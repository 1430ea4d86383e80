//! What the API answers, as far as commands look at it. Missing and `null` fields read as empty.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// JSON text of any kind, by name, sorted.
pub(crate) type RawFields = BTreeMap<String, Box<RawValue>>;

/// A registered server.
#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) transport: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) url: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) command: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) args: Vec<String>,
    /// The values are secrets: only the names are of use.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) env: BTreeMap<String, IgnoredAny>,
    /// Older gateways say nothing of it.
    #[serde(default)]
    pub(crate) health: Option<Health>,
}

/// Whether a server is up, as far as the gateway has seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Health {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) last_error: Option<String>,
    #[serde(default)]
    pub(crate) last_error_at: Option<String>,
}

/// What enabling or disabling a server changed.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerToggle {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tools_affected: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) prompts_affected: Vec<String>,
}

/// A tool. Lists use little of it.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) enabled: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) input_schema: InputSchema,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) annotations: RawFields,
}

/// The parameters of a tool.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputSchema {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) properties: RawFields,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) required: Vec<String>,
}

/// What a tool answered.
#[derive(Debug, Deserialize)]
pub(crate) struct ToolResult {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) content: Vec<Box<RawValue>>,
    #[serde(default, rename = "isError", deserialize_with = "null_as_default")]
    pub(crate) is_error: bool,
    #[serde(default, rename = "structuredContent")]
    pub(crate) structured_content: Option<Box<RawValue>>,
    #[serde(default, rename = "_meta", deserialize_with = "null_as_default")]
    pub(crate) meta: RawFields,
}

/// A prompt, without its arguments.
#[derive(Debug, Deserialize)]
pub(crate) struct Prompt {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) enabled: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
}

/// A prompt filled in.
#[derive(Debug, Deserialize)]
pub(crate) struct PromptRender {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) messages: Vec<PromptMessage>,
}

/// One message of a prompt.
#[derive(Debug, Deserialize)]
pub(crate) struct PromptMessage {
    pub(crate) role: String,
    pub(crate) content: Box<RawValue>,
}

/// A resource, without its contents.
#[derive(Debug, Deserialize)]
pub(crate) struct Resource {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) uri: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) enabled: bool,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) mime_type: String,
}

/// What is in a resource.
#[derive(Debug, Deserialize)]
pub(crate) struct ResourceRead {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) contents: Vec<Embedded>,
}

/// Contents of a resource, be it read or part of a tool's answer.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Embedded {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) uri: String,
    #[serde(default, rename = "mimeType", deserialize_with = "null_as_default")]
    pub(crate) mime_type: String,
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// Base64.
    #[serde(default)]
    pub(crate) blob: Option<String>,
}

/// A tool group; when asked for alone, or newly made, with its endpoint. Those for
/// SSE are left out: no such transport is served.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Group {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) included_tools: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) included_servers: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) excluded_tools: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) included_prompts: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) excluded_prompts: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) included_resources: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) excluded_resources: Vec<String>,
    /// `None`: every client.
    #[serde(default)]
    pub(crate) allowed_clients: Option<Vec<String>>,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) streamable_http_endpoint: String,
}

/// A group before and after a change.
#[derive(Debug, Deserialize)]
pub(crate) struct GroupUpdate {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) old: Group,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) new: Group,
}

/// The tools that a group comes to.
#[derive(Debug, Deserialize)]
pub(crate) struct EffectiveTools {
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) tools: Vec<String>,
}

/// An MCP client; with its token only when that is new.
#[derive(Debug, Deserialize)]
pub(crate) struct McpClient {
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) description: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) allow_list: Vec<String>,
    #[serde(default)]
    pub(crate) access_token: Option<String>,
}

/// A user; with their token only when that is new.
#[derive(Debug, Deserialize)]
pub(crate) struct User {
    pub(crate) username: String,
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) role: String,
    #[serde(default)]
    pub(crate) access_token: Option<String>,
}

impl User {
    /// Whether they may do everything.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == "admin"
    }
}

/// A gateway that has just been initialised.
#[derive(Debug, Deserialize)]
pub(crate) struct Initialized {
    /// None in development mode, where nobody needs one.
    #[serde(default, deserialize_with = "null_as_default")]
    pub(crate) admin_access_token: String,
}

/// Records of the audit log.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditPage {
    pub(crate) records: Vec<Box<RawValue>>,
    #[serde(default)]
    pub(crate) next: Option<String>,
    pub(crate) latest: String,
}

/// What became of verifying the audit log.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditReport {
    pub(crate) verified: bool,
    pub(crate) writers: u64,
    pub(crate) records: u64,
    pub(crate) checkpoints: u64,
    pub(crate) problems: Vec<AuditProblem>,
    pub(crate) more_problems: u64,
}

/// One thing that is wrong with the audit log.
#[derive(Debug, Deserialize)]
pub(crate) struct AuditProblem {
    pub(crate) writer: Option<String>,
    pub(crate) record: Option<i64>,
    pub(crate) problem: String,
}

/// What the gateway says of itself.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    pub(crate) version: String,
}

fn yes() -> bool {
    true
}

fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}
