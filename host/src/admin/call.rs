//! Calling an item: the same walk as over MCP, with the answer as a plain body.

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::downstream::json;
use crate::gateway::Gateway;
use crate::walk;
use crate::wire::{borrowed_text, object_members};

/// The result of an MCP request, JSON text as the upstream sent it.
pub(super) async fn call(
    gateway: &Arc<Gateway>,
    admission: &Admission,
    method: &str,
    params: &impl Serialize,
) -> Result<Bytes, ApiError> {
    let request = walk::author_call(method, params).map_err(|error| ApiError::invalid(error.to_string()))?;
    let response = walk::perform(gateway, admission.caller(method), request).await;
    let response = response.map_err(|refusal| ApiError::of_refusal(refusal, admission.may_administer(gateway.mode)))?;
    match response.outcome() {
        Ok(result) => Ok(Bytes::copy_from_slice(result.as_bytes())),
        Err(error) => Err(ApiError::failed(error_message(error))),
    }
}

/// A body of JSON text.
pub(super) fn ok(body: impl Into<Bytes>) -> Response {
    json(StatusCode::OK, [body.into()])
}

/// What an upstream says in a JSON-RPC error.
fn error_message(error: &str) -> String {
    match object_members(error, ["message"]) {
        Ok([Some(message)]) => borrowed_text(message).map_or_else(|| error.to_owned(), |text| text.into_owned()),
        _ => error.to_owned(),
    }
}
