//! `DELETE /tool-groups/{name}`: done, also where there is no such group.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::gateway::Gateway;
use crate::names::GroupName;

pub(in crate::admin) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    let name = GroupName::parse(&name)?;
    change::finish(async move {
        if gateway.store.delete_group(&name).await? {
            gateway.refresh().await?;
            tracing::info!(
                request.id = %admission.request_id,
                principal.name = %admission.principal.name,
                group = %name,
                "deleted a tool group"
            );
        }
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
