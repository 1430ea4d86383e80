//! Registered MCP servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::record::rfc3339;
use crate::catalog::{CatalogServer, Snapshot};
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::server::{Server, Transport};
use crate::upstream::Failure;

pub(super) mod configs;
pub(super) mod deregister;
pub(super) mod description;
pub(super) mod list;
pub(super) mod register;
pub(super) mod switch;

/// Stands where a secret is not shown.
pub(super) const REDACTED: &str = "[redacted]";

/// A server in a listing. All members are always there; bearer token and headers never are.
#[derive(Debug, Serialize)]
pub(super) struct ServerView {
    name: ServerName,
    transport: &'static str,
    enabled: bool,
    description: String,
    url: String,
    command: String,
    args: Option<Vec<String>>,
    /// The names, with what stands in place of the values.
    env: Option<BTreeMap<String, &'static str>>,
    session_mode: &'static str,
    /// What holds, be it the default.
    tool_sync_interval_seconds: u64,
    health: HealthView,
}

/// Whether a server is up, as far as this gateway has seen.
#[derive(Debug, Clone, Serialize)]
pub(super) struct HealthView {
    state: &'static str,
    /// What went wrong last, also where all is well again.
    last_error: Option<String>,
    last_error_at: Option<String>,
}

impl HealthView {
    /// What a server's process said is shown to administrators only.
    pub(super) fn of(gateway: &Gateway, admission: &Admission, server: &Arc<Server>) -> Self {
        let health = gateway.upstreams.health(server);
        let in_words = match admission.may_administer(gateway.mode) {
            true => Failure::for_administrators,
            false => Failure::for_clients,
        };
        Self {
            state: health.state.as_str(),
            last_error: health.last_failure.as_ref().map(in_words),
            last_error_at: health.last_failure.as_ref().map(|failure| rfc3339(ms_since_1970(failure.at))),
        }
    }
}

fn ms_since_1970(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
}

impl ServerView {
    pub(super) fn of(server: &Server, enabled: bool, health: HealthView) -> Self {
        let mut view = Self {
            name: server.name.clone(),
            transport: server.transport.kind(),
            enabled,
            description: server.description.clone(),
            url: String::new(),
            command: String::new(),
            args: None,
            env: None,
            session_mode: server.session_mode.as_str(),
            tool_sync_interval_seconds: server.tool_sync_interval().as_secs(),
            health,
        };
        match &server.transport {
            Transport::StreamableHttp { url, .. } | Transport::Sse { url, .. } => view.url = url.to_string(),
            Transport::Stdio { command, args, env } => {
                view.command = command.clone();
                view.args = (!args.is_empty()).then(|| args.clone());
                view.env = (!env.is_empty()).then(|| env.keys().map(|name| (name.clone(), REDACTED)).collect());
            }
        }
        view
    }
}

/// The server that a request is about.
pub(super) fn find<'s>(snapshot: &'s Snapshot, name: &ServerName) -> Result<&'s CatalogServer, ApiError> {
    snapshot.servers.get(name).map(AsRef::as_ref).ok_or_else(|| missing(name))
}

pub(super) fn missing(name: &ServerName) -> ApiError {
    ApiError::not_found(format!("MCP server {name} not found"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::secret::Secret;
    use crate::server::SessionMode;

    #[test]
    fn a_listed_stdio_server_shows_the_names_of_its_variables_and_no_value() {
        let server = Server {
            name: ServerName::parse("s").unwrap(),
            description: String::new(),
            transport: Transport::Stdio {
                command: "uvx".into(),
                args: vec!["mcp-server-time".into()],
                env: BTreeMap::from([("TOKEN".to_owned(), Secret::new("s3cret"))]),
            },
            session_mode: SessionMode::Stateful,
            tool_sync_interval_seconds: None,
            audit: None,
        };
        let health = HealthView { state: "unknown", last_error: None, last_error_at: None };
        let shown = serde_json::to_value(ServerView::of(&server, false, health)).unwrap();
        let expected = json!({
            "name": "s", "transport": "stdio", "enabled": false, "description": "", "url": "", "command": "uvx",
            "args": ["mcp-server-time"], "env": { "TOKEN": "[redacted]" }, "session_mode": "stateful",
            "tool_sync_interval_seconds": 300,
            "health": { "state": "unknown", "last_error": null, "last_error_at": null }
        });
        assert_eq!(shown, expected);
    }
}
