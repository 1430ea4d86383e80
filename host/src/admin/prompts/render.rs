//! `POST /prompts/render`: the messages that a prompt makes of its arguments.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::admin::admission::Admission;
use crate::admin::call::{call, ok};
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, nullable};
use crate::admin::{record, servers};
use crate::gateway::Gateway;
use crate::names::CanonicalName;

#[derive(Deserialize)]
pub(in crate::admin) struct RenderRequest {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    /// Handed on as it stands: the upstream knows what it takes.
    arguments: Option<Box<RawValue>>,
}

/// The parameters of a `prompts/get`.
#[derive(Serialize)]
struct Params<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Rendered<'a> {
    #[serde(default, deserialize_with = "nullable")]
    description: String,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Answer<'a> {
    description: String,
    messages: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

pub(in crate::admin) async fn render(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    JsonBody(request): JsonBody<RenderRequest>,
) -> Result<Response, ApiError> {
    let name = CanonicalName::parse(&request.name)?;
    // Asked for all the same: what was asked for in vain is noted there.
    let known = servers::find(&gateway.snapshot(), &name.server).map(drop);
    let params = Params { name: &request.name, arguments: request.arguments.as_deref() };
    let result = call(&gateway, &admission, "prompts/get", &params).await;
    known?;
    let result = result?;
    let rendered: Rendered<'_> = serde_json::from_slice(&result)
        .map_err(|error| ApiError::failed(format!("the MCP server's prompt is malformed: {error}")))?;
    let Rendered { description, messages, meta } = rendered;
    Ok(ok(record::write(&Answer { description, messages, meta })))
}
