//! A tool group: a named selection of tools with its own endpoint.

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
}
