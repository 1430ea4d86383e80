//! `GET /resources[?server=]` and `POST /resources/get`: disabled resources too.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admin::call::ok;
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, Parameters, nullable};
use crate::admin::record::{self, Head, members, text};
use crate::admin::resources::parse_uri;
use crate::catalog::{CatalogItem, CatalogServer, resource_uri};
use crate::gateway::Gateway;
use crate::pipeline::ItemKind;

/// A resource as the API describes it.
#[derive(Debug, Serialize)]
struct ResourceRecord<'a> {
    #[serde(flatten)]
    head: Head,
    uri: String,
    name: String,
    enabled: bool,
    description: String,
    mime_type: String,
    annotations: Option<&'a RawValue>,
    meta: Option<&'a RawValue>,
}

impl<'a> ResourceRecord<'a> {
    fn of(server: &CatalogServer, item: &'a CatalogItem) -> Self {
        let [description, mime_type, annotations, meta] =
            members(item, ["description", "mimeType", "annotations", "_meta"]);
        Self {
            head: Head::of(server, item),
            uri: resource_uri(&server.server.name, &item.key),
            name: item.item.name.to_string(),
            enabled: item.enabled,
            description: text(description),
            mime_type: text(mime_type),
            annotations,
            meta,
        }
    }
}

/// The body of the routes that take a resource.
#[derive(Deserialize)]
pub(in crate::admin) struct ResourceRequest {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) uri: String,
}

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let snapshot = gateway.snapshot();
    let resources = record::items(&snapshot, &parameters, ItemKind::Resource)?;
    let records: Vec<_> = resources.iter().map(|(server, item)| ResourceRecord::of(server, item)).collect();
    Ok(ok(record::write(&records)))
}

pub(in crate::admin) async fn find(
    State(gateway): State<Arc<Gateway>>,
    JsonBody(request): JsonBody<ResourceRequest>,
) -> Result<Response, ApiError> {
    let (server, original) = parse_uri(&request.uri)?;
    let snapshot = gateway.snapshot();
    let server = snapshot.servers.get(&server);
    let found = server.and_then(|server| Some((server, server.find(ItemKind::Resource, &original.into())?)));
    let (server, item) = found.ok_or_else(|| ApiError::not_found(format!("resource {} not found", request.uri)))?;
    Ok(ok(record::write(&ResourceRecord::of(server, item))))
}
