//! `GET /server_configs[?reveal=true]`: servers in the form in which they are registered.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::input::{Parameters, flag};
use crate::admin::servers::REDACTED;
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::secret::Secret;
use crate::server::{AuditDetail, Server, Transport};

/// What `POST /servers` takes; members that do not apply are left out.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct ServerConfig {
    name: ServerName,
    transport: &'static str,
    description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bearer_token: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: BTreeMap<String, String>,
    session_mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_sync_interval_seconds: Option<NonZeroU32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<Arc<AuditDetail>>,
}

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
) -> Result<Json<Vec<ServerConfig>>, ApiError> {
    let reveal = flag(&parameters, "reveal")?;
    if reveal {
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            "revealed the secrets of all MCP servers"
        );
    }
    let snapshot = gateway.snapshot();
    Ok(Json(snapshot.servers.values().map(|server| ServerConfig::of(&server.server, reveal)).collect()))
}

impl ServerConfig {
    pub(in crate::admin) fn of(server: &Server, reveal: bool) -> Self {
        let shown = |secret: &Secret| if reveal { secret.expose().to_owned() } else { REDACTED.to_owned() };
        let shown_all = |secrets: &BTreeMap<String, Secret>| {
            secrets.iter().map(|(name, secret)| (name.clone(), shown(secret))).collect()
        };
        let mut config = Self {
            name: server.name.clone(),
            transport: server.transport.kind(),
            description: server.description.clone(),
            url: None,
            bearer_token: None,
            headers: BTreeMap::new(),
            command: None,
            args: Vec::new(),
            env: BTreeMap::new(),
            session_mode: server.session_mode.as_str(),
            tool_sync_interval_seconds: server.tool_sync_interval_seconds,
            audit: server.audit.clone(),
        };
        match &server.transport {
            Transport::StreamableHttp { url, bearer_token, headers }
            | Transport::Sse { url, bearer_token, headers } => {
                config.url = Some(url.to_string());
                config.bearer_token = bearer_token.as_ref().map(shown);
                config.headers = shown_all(headers);
            }
            Transport::Stdio { command, args, env } => {
                config.command = Some(command.clone());
                config.args = args.clone();
                config.env = shown_all(env);
            }
        }
        config
    }
}
