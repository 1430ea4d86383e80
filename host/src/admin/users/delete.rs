//! `DELETE /users/{name}`: of anybody but an administrator.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use http::StatusCode;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::users::{check_username, missing};
use crate::gateway::Gateway;
use crate::store::IdentityRef;

pub(in crate::admin) async fn delete(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<StatusCode, ApiError> {
    check_username(&name)?;
    change::finish(async move {
        if !gateway.store.delete_identity(IdentityRef::User(&name)).await? {
            return Err(missing(&name));
        }
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            user = name,
            "deleted a user"
        );
        Ok(StatusCode::NO_CONTENT)
    })
    .await
}
