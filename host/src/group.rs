//! A tool group: a named selection of tools, prompts and resources with its own endpoint.

use serde::{Deserialize, Serialize};

use crate::names::GroupName;

/// As an administrator wrote it. Names in it may refer to what is not registered (yet).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolGroup {
    /// Unique among groups.
    pub name: GroupName,
    /// For people; may be empty.
    #[serde(default)]
    pub description: String,
    /// Canonical names of single tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_tools: Vec<String>,
    /// Servers all of whose tools belong to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_servers: Vec<String>,
    /// Removed last, even if also included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_tools: Vec<String>,
    /// Canonical names of single prompts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_prompts: Vec<String>,
    /// Removed last, even if also included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_prompts: Vec<String>,
    /// Resources and templates by canonical name, or resources by their server's name, the
    /// separator and their own URI, or by the gateway's URI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub included_resources: Vec<String>,
    /// Removed last, even if also included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded_resources: Vec<String>,
    /// Names of the clients that may use it; `None` for every client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_clients: Option<Vec<String>>,
}

impl ToolGroup {
    /// A group with nothing in it, which every client may use.
    pub fn new(name: GroupName) -> Self {
        Self {
            name,
            description: String::new(),
            included_tools: Vec::new(),
            included_servers: Vec::new(),
            excluded_tools: Vec::new(),
            included_prompts: Vec::new(),
            excluded_prompts: Vec::new(),
            included_resources: Vec::new(),
            excluded_resources: Vec::new(),
            allowed_clients: None,
        }
    }
}
