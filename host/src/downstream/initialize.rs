//! `initialize`: agrees on a revision and says what is here.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde_json::{Map, Value, json};

use crate::catalog::{CatalogServer, ViewScope};
use crate::downstream::{Exchange, reply};
use crate::gateway::Gateway;
use crate::pipeline::{Denial, Endpoint, ItemKind};
use crate::protocol::ProtocolVersion;
use crate::upstream::ClientDeclaration;
use crate::wire::{Edit, Id, Request, borrowed_text, code, error_response, object_members, splice};

/// What a client declares is kept for each session, and told to each of its upstreams.
const MAX_CAPABILITIES_BYTES: usize = 64 << 10;

/// As the existing clients of this endpoint know it.
const MAIN_NAME: &str = "MCPJungle Proxy MCP Server";
const GROUP_NAME: &str = "MCPJungle proxy MCP server for tool group";

/// What was agreed on in `initialize`.
pub(super) struct Introduction {
    pub(super) client: ClientDeclaration,
    /// The result, JSON text.
    pub(super) result: Bytes,
}

/// Why nothing was agreed on.
pub(super) enum NotIntroduced {
    /// What is wrong with the parameters.
    InvalidParams(String),
    /// A policy could not decide what to show.
    Denied(Denial),
}

impl From<Denial> for NotIntroduced {
    fn from(denial: Denial) -> Self {
        Self::Denied(denial)
    }
}

impl NotIntroduced {
    /// As an answer over Streamable HTTP.
    pub(super) fn response(&self, id: &Id) -> Response {
        match self {
            Self::InvalidParams(_) => reply::json(StatusCode::BAD_REQUEST, [self.message(id)]),
            Self::Denied(_) => reply::json(StatusCode::OK, [self.message(id)]),
        }
    }

    /// As a JSON-RPC message.
    pub(super) fn message(&self, id: &Id) -> Bytes {
        match self {
            Self::InvalidParams(problem) => error_response(Some(id), code::INVALID_PARAMS, problem),
            Self::Denied(denial) => reply::denial(id, denial),
        }
    }
}

/// Answers `initialize`; the session that it belongs to is the caller's to open.
pub(super) async fn introduce(
    gateway: &Gateway,
    exchange: &Exchange,
    request: &Request,
) -> Result<Introduction, NotIntroduced> {
    let client = read_declaration(request).map_err(NotIntroduced::InvalidParams)?;
    let result = describe(gateway, exchange, client.protocol_version).await?;
    Ok(Introduction { client, result })
}

/// What upstreams are told of the client: its revision where we speak it, otherwise
/// our newest (the client may then leave), and its capabilities, word for word.
fn read_declaration(request: &Request) -> Result<ClientDeclaration, String> {
    let problem = str::to_owned;
    let [version, capabilities] =
        request.param_members(["protocolVersion", "capabilities"]).map_err(|error| problem(&error.to_string()))?;
    let version = version.ok_or_else(|| problem("`params.protocolVersion` is missing"))?;
    let version = borrowed_text(version).ok_or_else(|| problem("`params.protocolVersion` must be a string"))?;
    let capabilities = capabilities.filter(|capabilities| *capabilities != "null").unwrap_or("{}");
    if !capabilities.starts_with('{') {
        return Err(problem("`params.capabilities` must be an object"));
    }
    if capabilities.len() > MAX_CAPABILITIES_BYTES {
        return Err(problem("`params.capabilities` is too long"));
    }
    Ok(ClientDeclaration {
        protocol_version: ProtocolVersion::parse(&version).unwrap_or(ProtocolVersion::LATEST),
        capabilities: Bytes::copy_from_slice(capabilities.as_bytes()),
    })
}

async fn describe(gateway: &Gateway, exchange: &Exchange, version: ProtocolVersion) -> Result<Bytes, Denial> {
    if let Endpoint::Server(server) = &exchange.endpoint
        && let Some(server) = gateway.snapshot().servers.get(server)
    {
        return Ok(describe_server(&server.initialize, version));
    }
    let name = match &exchange.endpoint {
        Endpoint::Group(group) => format!("{GROUP_NAME}: {group}"),
        Endpoint::Main | Endpoint::Server(_) | Endpoint::Api => MAIN_NAME.to_owned(),
    };
    let result = serde_json::json!({
        "protocolVersion": version.as_str(),
        "capabilities": capabilities(gateway, exchange).await?,
        "serverInfo": { "name": name, "version": gateway.version },
    });
    Ok(result.to_string().into())
}

/// What the servers that the principal sees something of offer together. Lists can
/// always change: servers come and go. A group always has tools; prompts and
/// resources only where policies let some in.
async fn capabilities(gateway: &Gateway, exchange: &Exchange) -> Result<Value, Denial> {
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let request = exchange.request("initialize");
    let scope =
        ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &exchange.principal };
    let mut offered = Map::new();
    let mut servers: Vec<Arc<CatalogServer>> = Vec::new();
    for (kind, capability) in [
        (ItemKind::Tool, "tools"),
        (ItemKind::Prompt, "prompts"),
        (ItemKind::Resource, "resources"),
        (ItemKind::ResourceTemplate, "resources"),
    ] {
        let view = gateway.views.view(scope, kind).await?;
        let is_always_there = kind == ItemKind::Tool || !matches!(exchange.endpoint, Endpoint::Group(_));
        if is_always_there || !view.items.is_empty() {
            offered.entry(capability).or_insert_with(|| json!({ "listChanged": true }));
        }
        for (server, _) in &view.items {
            if !servers.iter().any(|known| Arc::ptr_eq(known, server)) {
                servers.push(Arc::clone(server));
            }
        }
    }
    for server in servers {
        let Ok(Value::Object(declared)) = declared(&server.initialize) else { continue };
        if declared.get("resources").is_some_and(|resources| resources["subscribe"] == true)
            && let Some(Value::Object(resources)) = offered.get_mut("resources")
        {
            resources.insert("subscribe".to_owned(), true.into());
        }
        for capability in ["logging", "completions"] {
            if declared.contains_key(capability) {
                offered.entry(capability).or_insert_with(|| json!({}));
            }
        }
        if let Some(tasks) = declared.get("tasks") {
            merge(offered.entry("tasks").or_insert_with(|| json!({})), tasks);
        }
    }
    Ok(Value::Object(offered))
}

/// The `capabilities` of a result of `initialize`.
fn declared(initialize: &Bytes) -> Result<Value, serde_json::Error> {
    #[derive(serde::Deserialize)]
    struct Result {
        #[serde(default)]
        capabilities: Value,
    }
    serde_json::from_slice::<Result>(initialize).map(|result| result.capabilities)
}

/// Adds what `more` has; what is there stays.
fn merge(capabilities: &mut Value, more: &Value) {
    if let (Value::Object(capabilities), Value::Object(more)) = (capabilities, more) {
        for (name, value) in more {
            merge(capabilities.entry(name).or_insert_with(|| json!({})), value);
        }
    }
}

/// On a server's own endpoint its own words, but for the revision that was agreed
/// on, and that its lists can change: an administrator can disable what is on them.
fn describe_server(initialize: &Bytes, version: ProtocolVersion) -> Bytes {
    let text = std::str::from_utf8(initialize).unwrap_or("{}");
    let Ok([Some(stored_version), Some(capabilities)]) = object_members(text, ["protocolVersion", "capabilities"])
    else {
        // Not what a server could have been registered with.
        return format!(
            r#"{{"protocolVersion":"{version}","capabilities":{{}},"serverInfo":{{"name":"","version":""}}}}"#
        )
        .into();
    };
    let range = |part: &str| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        start..start + part.len()
    };
    let mut edits = vec![Edit { range: range(stored_version), replacement: format!("\"{version}\"").into() }];
    let lists = object_members(capabilities, ["tools", "prompts", "resources"]).unwrap_or_default();
    for list in lists.into_iter().flatten().filter(|list| list.starts_with('{')) {
        edits.push(match object_members(list, ["listChanged"]) {
            Ok([Some(listed)]) => Edit { range: range(listed), replacement: "true".into() },
            _ => {
                let after_brace = range(list).start + 1;
                let is_empty = list[1..].trim_start().starts_with('}');
                let member = if is_empty { r#""listChanged":true"# } else { r#""listChanged":true,"# };
                Edit { range: after_brace..after_brace, replacement: member.into() }
            }
        });
    }
    splice(text.as_bytes(), edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_speaks_for_itself_on_its_own_endpoint() {
        let stored = r#"{"serverInfo":{"name":"x","x-1":1.0},"capabilities":{"logging":{},"tools":{"listChanged":false},"prompts":{ },"resources":{"subscribe":true},"x":{}},"protocolVersion":"2025-03-26","_meta":{"a":1e2},"instructions":"Hi"}"#;
        let described = describe_server(&Bytes::from_static(stored.as_bytes()), ProtocolVersion::LATEST);
        let expected = stored
            .replace("2025-03-26", "2025-11-25")
            .replace("false", "true")
            .replace(r#""prompts":{"#, r#""prompts":{"listChanged":true"#)
            .replace(r#"{"subscribe""#, r#"{"listChanged":true,"subscribe""#);
        assert_eq!(described, expected);
    }
}
