//! `DELETE /plugin-secrets/{name}`: done, also where there is no such secret.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::plugin_secrets::check_name;
use crate::gateway::Gateway;

pub(in crate::admin) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<StatusCode, ApiError> {
    check_name(&name)?;
    change::finish(async move {
        if gateway.store.delete_plugin_secret(&name).await? {
            gateway.refresh().await?;
            tracing::info!(
                request.id = %admission.request_id,
                principal.name = %admission.principal.name,
                secret = %name,
                "deleted a secret for plugins"
            );
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
