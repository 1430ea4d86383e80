//! `POST /servers[?force=true]`: nothing is stored unless the server answered with what it offers.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, Parameters, flag};
use crate::admin::servers::description::ServerDescription;
use crate::admin::servers::{Audience, HealthView, ServerView, find};
use crate::gateway::Gateway;
use crate::server::Server;
use crate::store::StoreError;
use crate::sync::headers_of_gateway;
use crate::upstream::Offer;

/// The server on its own and once more as a member: clients of either form can read it.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Registered {
    server: ServerView,
    #[serde(flatten)]
    flat: ServerView,
}

pub(in crate::admin) async fn register(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
    JsonBody(description): JsonBody<ServerDescription>,
) -> Result<(StatusCode, Json<Registered>), ApiError> {
    let replace = flag(&parameters, "force")?;
    let registered = put(gateway, admission, description.parse()?, replace).await?;
    Ok((StatusCode::CREATED, Json(registered)))
}

/// Connects to the server, and stores it with what it offers.
pub(in crate::admin) async fn put(
    gateway: Arc<Gateway>,
    admission: Admission,
    server: Server,
    replace: bool,
) -> Result<Registered, ApiError> {
    let is_taken = gateway.snapshot().servers.contains_key(&server.name);
    if is_taken && !replace {
        // Before connecting: a mistake in a name must not start a process.
        return Err(StoreError::AlreadyExists { kind: "MCP server", name: server.name.to_string() }.into());
    }
    // Registration connects as the gateway itself, whoever asked for it.
    let headers = headers_of_gateway(&gateway, Arc::clone(&admission.request_id), &server).await?;
    let offer = gateway.upstreams.fetch_offer(&server, headers).await?;
    change::finish(async move {
        store(&gateway, &admission, &server, &offer, replace).await?;
        let snapshot = gateway.snapshot();
        // A deregistration may have come right behind.
        let enabled = find(&snapshot, &server.name).map_or(true, |stored| stored.enabled);
        let server = Arc::new(server);
        let health = HealthView::of(&gateway, &admission, &server);
        let view = || ServerView::of(&server, enabled, health.clone(), Audience::Administrators);
        Ok(Registered { server: view(), flat: view() })
    })
    .await
}

async fn store(
    gateway: &Gateway,
    admission: &Admission,
    server: &Server,
    offer: &Offer,
    replace: bool,
) -> Result<(), ApiError> {
    gateway.store.put_server(server, offer, replace).await?;
    gateway.refresh().await?;
    // After the new one is served: a call in between would open a session for the old one.
    if let Some(current) = gateway.snapshot().servers.get(&server.name) {
        gateway.upstreams.supersede(&current.server);
    }
    tracing::info!(
        request.id = %admission.request_id,
        principal.name = %admission.principal.name,
        upstream.server = %server.name,
        upstream.transport = server.transport.kind(),
        tools = offer.tools.len(),
        prompts = offer.prompts.len(),
        resources = offer.resources.len(),
        replace,
        "registered an MCP server"
    );
    Ok(())
}
