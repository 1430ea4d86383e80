//! Registered MCP servers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use url::Url;

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

/// Who looks at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Administrators,
    /// People put keys into URLs and arguments, whatever they are told: these are for who put them there.
    Users,
}

impl Audience {
    pub(super) fn of(may_administer: bool) -> Self {
        if may_administer { Self::Administrators } else { Self::Users }
    }

    fn url(self, url: &Url) -> String {
        match self {
            // Some services have the key in the path.
            Self::Users if url.path() != "/" || url.query().is_some() => {
                format!("{}/{REDACTED}", url.origin().ascii_serialization())
            }
            Self::Users | Self::Administrators => url.to_string(),
        }
    }

    fn args(self, args: &[String]) -> Vec<String> {
        match self {
            Self::Administrators => args.to_vec(),
            Self::Users => args.iter().map(|_| REDACTED.to_owned()).collect(),
        }
    }
}

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
    pub(super) fn of(server: &Server, enabled: bool, health: HealthView, shown_to: Audience) -> Self {
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
            Transport::StreamableHttp { url, .. } | Transport::Sse { url, .. } => view.url = shown_to.url(url),
            Transport::Stdio { command, args, env } => {
                view.command = command.clone();
                view.args = (!args.is_empty()).then(|| shown_to.args(args));
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
        let view = |shown_to| serde_json::to_value(ServerView::of(&server, false, health.clone(), shown_to)).unwrap();
        let expected = json!({
            "name": "s", "transport": "stdio", "enabled": false, "description": "", "url": "", "command": "uvx",
            "args": ["mcp-server-time"], "env": { "TOKEN": "[redacted]" }, "session_mode": "stateful",
            "tool_sync_interval_seconds": 300,
            "health": { "state": "unknown", "last_error": null, "last_error_at": null }
        });
        assert_eq!(view(Audience::Administrators), expected);
        let shown = view(Audience::Users);
        assert_eq!((&shown["command"], &shown["args"]), (&json!("uvx"), &json!(["[redacted]"])));
    }

    #[test]
    fn of_a_url_users_see_where_it_leads_and_no_part_that_may_be_a_key() {
        for (url, shown) in [
            ("https://h:8443/mcp?key=s3cret&x=1", "https://h:8443/[redacted]"),
            ("https://h/s/s3cret/mcp", "https://h/[redacted]"),
            ("https://h/?s3cret", "https://h/[redacted]"),
            ("https://h/", "https://h/"),
        ] {
            let parsed: Url = url.parse().unwrap();
            assert_eq!(Audience::Users.url(&parsed), shown);
            assert_eq!(Audience::Administrators.url(&parsed), url);
        }
    }
}
