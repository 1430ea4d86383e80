//! `GET /api/v0/openapi.json`: this API, described for programs (OpenAPI 3.1).
//!
//! A route and its description are given in one breath (`routes`), so that there
//! is none without the other. `operation` is what can be said of a route,
//! `schemas` the shapes of bodies; the other files describe the routes of a resource.

use axum::Extension;
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::admin::call::ok;

pub(super) mod audit;
pub(super) mod clients;
pub(super) mod items;
mod operation;
pub(super) mod plugin_secrets;
mod routes;
mod schemas;
pub(super) mod servers;
pub(super) mod system;
pub(super) mod tool_groups;
pub(super) mod users;

pub(super) use operation::Operation;
pub(super) use routes::Routes;

const DESCRIPTION: &str = "Manages an MCP gateway: servers, their tools, prompts and resources, tool groups, and in \
    enterprise mode users and MCP clients. In development mode nobody needs a token; in enterprise mode it is a \
    user's, sent as `Authorization: Bearer <token>`. Every error is `{\"error\": \"what went wrong\"}`; a route \
    that is not described here answers 404, and a method 405.";

/// The document as it is served.
#[derive(Clone)]
pub(super) struct Document(pub(super) Bytes);

pub(super) async fn serve(Extension(Document(text)): Extension<Document>) -> Response {
    ok(text)
}

/// The document, as JSON text.
pub(super) fn document(version: &str, operations: &[routes::Described]) -> Bytes {
    let mut paths = Map::new();
    for described in operations {
        let path = paths.entry(described.path.clone()).or_insert_with(|| json!({}));
        path[described.method] = described.operation.to_json();
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "MCPJungle",
            "version": version,
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags(),
        "paths": Value::Object(paths),
        "components": { "schemas": schemas::all() },
    });
    document.to_string().into()
}

fn tags() -> Value {
    json!([
        { "name": "gateway", "description": "The gateway itself." },
        { "name": "servers", "description": "Registered MCP servers." },
        { "name": "tools", "description": "Tools of all servers." },
        { "name": "prompts", "description": "Prompts of all servers." },
        { "name": "resources", "description": "Resources of all servers." },
        { "name": "tool groups", "description": "Named selections of tools, each with an endpoint of its own." },
        { "name": "clients", "description": "MCP clients and what they may use; in enterprise mode only." },
        { "name": "users", "description": "People with access to this API; in enterprise mode only." },
        { "name": "plugin secrets", "description": "What plugins that are granted it may know." },
        { "name": "audit", "description": "Who did what, and what was refused." },
    ])
}
