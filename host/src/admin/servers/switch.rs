//! `POST /servers/{name}/enable` and `/disable`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::servers::missing;
use crate::admin::switch::canonical_names;
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::ItemKind;

/// Which tools and prompts changed their state; `null` where none did.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct ServerSwitched {
    name: ServerName,
    tools_affected: Option<Vec<String>>,
    prompts_affected: Option<Vec<String>>,
}

pub(in crate::admin) async fn enable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<ServerSwitched>, ApiError> {
    switch(gateway, admission, &name, true).await
}

pub(in crate::admin) async fn disable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<ServerSwitched>, ApiError> {
    switch(gateway, admission, &name, false).await
}

async fn switch(
    gateway: Arc<Gateway>,
    admission: Admission,
    name: &str,
    enabled: bool,
) -> Result<Json<ServerSwitched>, ApiError> {
    let name = ServerName::parse(name)?;
    change::finish(async move {
        let changed = gateway.store.set_server_enabled(&name, enabled).await?.ok_or_else(|| missing(&name))?;
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            upstream.server = %name,
            enabled,
            changed = changed.len(),
            "switched an MCP server"
        );
        let affected = |kind: ItemKind| {
            let keys = changed.iter().filter(|(of, _)| *of == kind).map(|(_, key)| key.clone()).collect();
            canonical_names(&name, keys)
        };
        let (tools_affected, prompts_affected) = (affected(ItemKind::Tool), affected(ItemKind::Prompt));
        Ok(Json(ServerSwitched { name, tools_affected, prompts_affected }))
    })
    .await
}
