//! `DELETE /clients/{name}`: done, also where there is no such client.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::gateway::Gateway;
use crate::identity::check_name;
use crate::store::IdentityRef;

pub(in crate::admin) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<StatusCode, ApiError> {
    check_name("client name", &name).map_err(ApiError::invalid)?;
    change::finish(async move {
        if gateway.store.delete_identity(IdentityRef::Client(&name)).await? {
            gateway.refresh().await?;
            tracing::info!(
                request.id = %admission.request_id,
                principal.name = %admission.principal.name,
                client = name,
                "deleted an MCP client"
            );
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
