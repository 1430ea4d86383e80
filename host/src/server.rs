//! A registered server, as the administrator described it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::names::ServerName;
use crate::secret::Secret;

/// The name under which a server's bearer token is found by header-injectors.
pub const BEARER_TOKEN_SECRET: &str = "bearer-token";
/// Stands before a custom header's name in the name of its secret.
pub const HEADER_SECRET_PREFIX: &str = "header:";
/// How often a server is asked what it offers, in seconds, where its registration
/// does not say.
pub const DEFAULT_TOOL_SYNC_INTERVAL_SECONDS: u32 = 300;

/// Whether a header belongs to the connection, to the body or to the protocol itself,
/// so that neither an administrator nor a policy can set it.
pub fn is_reserved_header(name: &HeaderName) -> bool {
    const RESERVED: [&str; 11] = [
        "host",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ];
    let name = name.as_str();
    RESERVED.contains(&name) || name.starts_with("content-") || name.starts_with("mcp-")
}

/// What is registered under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Unique among servers.
    pub name: ServerName,
    /// For people; may be empty.
    pub description: String,
    /// How it is reached.
    pub transport: Transport,
    /// Whether calls share an upstream session.
    pub session_mode: SessionMode,
    /// How often it is asked what it offers; `None` for [`DEFAULT_TOOL_SYNC_INTERVAL_SECONDS`].
    pub tool_sync_interval_seconds: Option<NonZeroU32>,
    /// What the audit log keeps of its calls besides that they happened; `None` for nothing.
    pub audit: Option<Arc<AuditDetail>>,
}

/// What the audit log keeps of a server's calls besides that they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditDetail {
    /// Whether arguments are recorded.
    pub arguments: bool,
    /// Whether results are recorded.
    pub results: bool,
    /// Values are left out whose key has one of these in it, besides those that look like secrets anyway.
    pub redact: Vec<String>,
    /// How much is recorded of each, in bytes.
    pub max_bytes: u32,
}

impl Default for AuditDetail {
    fn default() -> Self {
        Self { arguments: false, results: false, redact: Vec::new(), max_bytes: 4096 }
    }
}

/// How a server is reached, with what that needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// MCP over Streamable HTTP.
    StreamableHttp {
        /// The endpoint, `http` or `https`.
        url: Url,
        /// Sent as `Authorization: Bearer …` by the stock header-injector.
        bearer_token: Option<Secret>,
        /// Custom headers by name, as given. An `Authorization` here beats the bearer token.
        headers: BTreeMap<String, Secret>,
    },
    /// MCP over HTTP with server-sent events, as in protocol revision 2024-11-05.
    Sse {
        /// Where the stream of events is, `http` or `https`.
        url: Url,
        /// As over Streamable HTTP.
        bearer_token: Option<Secret>,
        /// As over Streamable HTTP.
        headers: BTreeMap<String, Secret>,
    },
    /// A child process that speaks MCP on its standard input and output.
    Stdio {
        /// The program, looked up on the gateway's `PATH`.
        command: String,
        /// Its arguments, verbatim: no shell is involved.
        args: Vec<String>,
        /// Set in the child, on top of a minimal environment.
        env: BTreeMap<String, Secret>,
    },
}

impl Transport {
    /// The word for it in configuration files and the API.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::StreamableHttp { .. } => "streamable_http",
            Self::Sse { .. } => "sse",
            Self::Stdio { .. } => "stdio",
        }
    }
}

/// Whether calls to a server share an upstream session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionMode {
    /// No state is shared between calls.
    #[default]
    Stateless,
    /// One session per session key, kept until it has idled too long.
    Stateful,
}

impl SessionMode {
    /// The word for it in configuration files and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stateless => "stateless",
            Self::Stateful => "stateful",
        }
    }

    /// Reads the word; an empty one is the default.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "stateless" => Some(Self::Stateless),
            "stateful" => Some(Self::Stateful),
            _ => None,
        }
    }
}

impl Server {
    /// How often it is asked what it offers.
    pub fn tool_sync_interval(&self) -> Duration {
        let seconds = self.tool_sync_interval_seconds.map_or(DEFAULT_TOOL_SYNC_INTERVAL_SECONDS, NonZeroU32::get);
        Duration::from_secs(seconds.into())
    }

    /// The names of the secrets that a header-injector may refer to, sorted.
    pub fn header_secret_names(&self) -> Vec<String> {
        match &self.transport {
            Transport::StreamableHttp { bearer_token, headers, .. } | Transport::Sse { bearer_token, headers, .. } => {
                let bearer = bearer_token.iter().map(|_| BEARER_TOKEN_SECRET.to_owned());
                let custom = headers.keys().map(|name| format!("{HEADER_SECRET_PREFIX}{name}"));
                bearer.chain(custom).collect()
            }
            Transport::Stdio { .. } => Vec::new(),
        }
    }

    /// The secret that a header-injector refers to.
    pub fn find_header_secret(&self, secret_name: &str) -> Option<&Secret> {
        let (bearer_token, headers) = match &self.transport {
            Transport::StreamableHttp { bearer_token, headers, .. } | Transport::Sse { bearer_token, headers, .. } => {
                (bearer_token, headers)
            }
            Transport::Stdio { .. } => return None,
        };
        match secret_name.strip_prefix(HEADER_SECRET_PREFIX) {
            Some(header) => headers.get(header),
            None if secret_name == BEARER_TOKEN_SECRET => bearer_token.as_ref(),
            None => None,
        }
    }
}
