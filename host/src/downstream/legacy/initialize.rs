//! `initialize`: agrees on a revision, opens the session, and says what is here.

use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, StatusCode};

use crate::catalog::ViewScope;
use crate::downstream::legacy::{Refused, SESSION_ID, invalid_params, policy_request};
use crate::downstream::{Exchange, reply};
use crate::gateway::Gateway;
use crate::pipeline::{Denial, Endpoint, ItemKind};
use crate::protocol::ProtocolVersion;
use crate::wire::{Edit, Request, borrowed_text, code, object_members, result_parts, splice};

/// As the existing clients of this endpoint know it.
const MAIN_NAME: &str = "MCPJungle Proxy MCP Server";
const GROUP_NAME: &str = "MCPJungle proxy MCP server for tool group";

pub(super) async fn initialize(gateway: &Gateway, exchange: &Exchange, request: &Request) -> Result<Response, Refused> {
    let version = agree(request)?;
    let denied = |denial: Denial| Box::new(reply::json(StatusCode::OK, [reply::denial(&request.id(), &denial)]));
    if let Endpoint::Server(server) = &exchange.endpoint
        && !shows_anything(gateway, exchange).await.map_err(denied)?
    {
        return Err(Box::new(reply::plain_error(StatusCode::NOT_FOUND, &format!("MCP server not found: {server}"))));
    }
    let result = describe(gateway, exchange, version).await.map_err(denied)?;
    let opened = gateway.sessions.open(exchange.endpoint.clone(), std::sync::Arc::clone(&exchange.principal), version);
    let (session, ended) = opened.map_err(|error| {
        tracing::error!(%error, "no session could be opened");
        let message = "no session could be opened: see the gateway's log";
        Box::new(reply::rpc_error(StatusCode::SERVICE_UNAVAILABLE, Some(&request.id()), code::INTERNAL_ERROR, message))
    })?;
    for session in ended {
        gateway.upstreams.end_paired(&session).await;
    }
    let mut response = reply::json(StatusCode::OK, result_parts(&request.id(), result));
    let session_id = HeaderValue::from_str(&session.id).expect("a session id is visible ASCII");
    response.headers_mut().insert(SESSION_ID, session_id);
    Ok(response)
}

/// The client's revision where we speak it, otherwise our newest; the client may then leave.
fn agree(request: &Request) -> Result<ProtocolVersion, Refused> {
    let problem = |message: &str| invalid_params(request, message);
    let [version] = request.param_members(["protocolVersion"]).map_err(|error| problem(&error.to_string()))?;
    let version = version.ok_or_else(|| problem("`params.protocolVersion` is missing"))?;
    let version = borrowed_text(version).ok_or_else(|| problem("`params.protocolVersion` must be a string"))?;
    Ok(ProtocolVersion::parse(&version).unwrap_or(ProtocolVersion::LATEST))
}

async fn describe(gateway: &Gateway, exchange: &Exchange, version: ProtocolVersion) -> Result<Bytes, Denial> {
    let (name, capabilities) = match &exchange.endpoint {
        Endpoint::Server(server) => {
            let snapshot = gateway.snapshot();
            if let Some(server) = snapshot.servers.get(server) {
                return Ok(describe_server(&server.initialize, version));
            }
            (MAIN_NAME.to_owned(), vec!["tools"])
        }
        Endpoint::Group(group) => (format!("{GROUP_NAME}: {group}"), group_capabilities(gateway, exchange).await?),
        Endpoint::Main | Endpoint::Api => (MAIN_NAME.to_owned(), vec!["tools", "prompts", "resources"]),
    };
    let capabilities: serde_json::Map<String, serde_json::Value> =
        capabilities.into_iter().map(|capability| (capability.to_owned(), serde_json::json!({}))).collect();
    let result = serde_json::json!({
        "protocolVersion": version.as_str(),
        "capabilities": capabilities,
        "serverInfo": { "name": name, "version": gateway.version },
    });
    Ok(result.to_string().into())
}

/// Whether the principal sees anything of the server whose endpoint this is; if
/// policies hide all that it has, they hide the server. One that has nothing hides nothing.
async fn shows_anything(gateway: &Gateway, exchange: &Exchange) -> Result<bool, Denial> {
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let request = policy_request(exchange, "initialize");
    let scope =
        ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &exchange.principal };
    for kind in [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
        if !gateway.views.view(scope, kind).await?.items.is_empty() {
            return Ok(true);
        }
    }
    let Endpoint::Server(server) = &exchange.endpoint else { return Ok(true) };
    Ok(snapshot.servers.get(server).is_some_and(|server| server.items.iter().all(|item| !item.enabled)))
}

/// A group always has tools; prompts and resources only where policies let some in.
async fn group_capabilities(gateway: &Gateway, exchange: &Exchange) -> Result<Vec<&'static str>, Denial> {
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let request = policy_request(exchange, "initialize");
    let scope =
        ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &exchange.principal };
    let mut capabilities = vec!["tools"];
    for (capability, kinds) in
        [("prompts", &[ItemKind::Prompt][..]), ("resources", &[ItemKind::Resource, ItemKind::ResourceTemplate])]
    {
        for kind in kinds {
            if !capabilities.contains(&capability) && !gateway.views.view(scope, *kind).await?.items.is_empty() {
                capabilities.push(capability);
            }
        }
    }
    Ok(capabilities)
}

/// On a server's own endpoint its own words, but for the revision that was agreed
/// on and for capabilities that the gateway does not relay.
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
    let declared = object_members(capabilities, ["tools", "prompts", "resources"]).unwrap_or_default();
    let relayed: Vec<String> = ["tools", "prompts", "resources"]
        .iter()
        .zip(declared)
        .filter_map(|(name, declared)| declared.map(|_| format!(r#""{name}":{{}}"#)))
        .collect();
    let edit = |part: &str, replacement: String| {
        let start = part.as_ptr() as usize - text.as_ptr() as usize;
        Edit { range: start..start + part.len(), replacement: replacement.into() }
    };
    let edits =
        vec![edit(stored_version, format!("\"{version}\"")), edit(capabilities, format!("{{{}}}", relayed.join(",")))];
    splice(text.as_bytes(), edits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_speaks_for_itself_on_its_own_endpoint() {
        let stored = r#"{"serverInfo":{"name":"x","x-1":1.0},"capabilities":{"logging":{},"tools":{"listChanged":true}},"protocolVersion":"2025-03-26","_meta":{"a":1e2},"instructions":"Hi"}"#;
        let described = describe_server(&Bytes::from_static(stored.as_bytes()), ProtocolVersion::LATEST);
        let expected = stored
            .replace(r#"{"logging":{},"tools":{"listChanged":true}}"#, r#"{"tools":{}}"#)
            .replace("2025-03-26", "2025-11-25");
        assert_eq!(described, expected);
    }
}
