//! `POST /resources/read`: the contents, under the gateway's own URIs.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::call::{call, ok};
use crate::admin::error::ApiError;
use crate::admin::input::JsonBody;
use crate::admin::resources::list::ResourceRequest;
use crate::admin::resources::parse_uri;
use crate::admin::servers;
use crate::gateway::Gateway;

/// The parameters of a `resources/read`.
#[derive(Serialize)]
struct Params<'a> {
    uri: &'a str,
}

pub(in crate::admin) async fn read(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    JsonBody(request): JsonBody<ResourceRequest>,
) -> Result<Response, ApiError> {
    let (server, _) = parse_uri(&request.uri)?;
    servers::find(&gateway.snapshot(), &server)?;
    let result = call(&gateway, &admission, "resources/read", &Params { uri: &request.uri }).await?;
    Ok(ok(result))
}
