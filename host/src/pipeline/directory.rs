//! Read-only look-ups that the host offers to policies.

use std::fmt;

use crate::pipeline::model::{Item, PrincipalKind};

/// How the gateway is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No authentication: whoever reaches the gateway may use it.
    Development,
    /// Every request names a principal by its token.
    Enterprise,
}

impl Mode {
    /// The word for it in settings, in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Enterprise => "enterprise",
        }
    }

    /// The mode of this word, in any case; `production` is the old name of enterprise mode.
    pub fn parse(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "development" => Some(Self::Development),
            "enterprise" | "production" => Some(Self::Enterprise),
            _ => None,
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A stored client or user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// `Client`, `User` or `Admin`.
    pub kind: PrincipalKind,
    /// Unique within its kind.
    pub name: String,
    /// A client's allow-list; empty for users.
    pub allow: Vec<String>,
}

/// A stored tool group, as policies see it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupDefinition {
    /// As in its endpoint.
    pub name: String,
    /// Canonical names of single tools.
    pub included_tools: Vec<String>,
    /// Servers all of whose tools belong to it.
    pub included_servers: Vec<String>,
    /// Removed last, even if also included.
    pub excluded_tools: Vec<String>,
    /// Canonical names of prompts.
    pub included_prompts: Vec<String>,
    /// Removed last, even if also included.
    pub excluded_prompts: Vec<String>,
    /// Resources and templates: canonical names, or `server__` and the resource's own URI.
    pub included_resources: Vec<String>,
    /// Removed last, even if also included.
    pub excluded_resources: Vec<String>,
    /// Who may use it; `None` for every client.
    pub allowed_clients: Option<Vec<String>>,
}

/// What a stored tool group says of one item.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GroupEntry {
    /// The item's server is one of the included servers.
    pub is_server_included: bool,
    /// The item is included by its name, or a resource by its URI.
    pub is_included: bool,
    /// The item is excluded in one of these ways.
    pub is_excluded: bool,
}

/// What the gateway has stored, as policies may see it: never a list, never a token.
pub trait Directory: Send + Sync {
    /// How the gateway is run.
    fn mode(&self) -> Mode;
    /// The identity that this token belongs to.
    fn find_by_token(&self, token: &str) -> Option<Identity>;
    /// The client of this name.
    fn find_client(&self, name: &str) -> Option<Identity>;
    /// The user of this name.
    fn find_user(&self, name: &str) -> Option<Identity>;
    /// The tool group of this name, whole.
    fn find_group(&self, name: &str) -> Option<GroupDefinition>;
    /// What a group says of each of these items, in the same order; `None` if there is no such group.
    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>>;
    /// Whether a group is open to a client; `None` if there is no such group.
    fn group_admits(&self, group: &str, client: &str) -> Option<bool>;
}
