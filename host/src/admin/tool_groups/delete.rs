//! `DELETE /tool-groups/{name}`: done, also where there is no such group.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::gateway::Gateway;
use crate::names::GroupName;

pub(in crate::admin) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<StatusCode, ApiError> {
    remove(gateway, admission, GroupName::parse(&name)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(in crate::admin) async fn remove(
    gateway: Arc<Gateway>,
    admission: Admission,
    name: GroupName,
) -> Result<(), ApiError> {
    change::finish(async move {
        let _turn = gateway.group_changes.lock().await;
        if gateway.store.delete_group(&name).await? {
            gateway.refresh().await?;
            tracing::info!(
                request.id = %admission.request_id,
                principal.name = %admission.principal.name,
                group = %name,
                "deleted a tool group"
            );
        }
        Ok(())
    })
    .await
}
