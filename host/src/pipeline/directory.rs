//! Read-only look-ups that the host offers to policies.

use std::fmt;

use crate::pipeline::model::PrincipalKind;

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
    /// The tool group of this name.
    fn find_group(&self, name: &str) -> Option<GroupDefinition>;
}
