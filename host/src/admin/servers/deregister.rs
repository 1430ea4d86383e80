//! `DELETE /servers/{name}`

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::servers::missing;
use crate::gateway::Gateway;
use crate::names::ServerName;

pub(in crate::admin) async fn deregister(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<StatusCode, ApiError> {
    remove(gateway, admission, ServerName::parse(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::admin) async fn remove(
    gateway: Arc<Gateway>,
    admission: Admission,
    name: ServerName,
) -> Result<(), ApiError> {
    change::finish(async move {
        let deregistered = gateway.snapshot().servers.get(&name).map(|server| Arc::clone(&server.server));
        if !gateway.store.delete_server(&name).await? {
            return Err(missing(&name));
        }
        gateway.refresh().await?;
        // Registered again meanwhile, and just as before: then its sessions are the new one's.
        if let Some(server) = deregistered.filter(|_| !gateway.snapshot().servers.contains_key(&name)) {
            gateway.upstreams.forget(&server).await;
        }
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            upstream.server = %name,
            "deregistered an MCP server"
        );
        Ok(())
    })
    .await
}
