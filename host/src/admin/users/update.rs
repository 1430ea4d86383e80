//! `PUT /users/{name}`: replaces what the body holds, and leaves the rest as it is.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::identities::Replacement;
use crate::admin::input::{JsonBody, NameInPath, nullable};
use crate::admin::users::{UserView, UserWithToken, check_username, missing, parse_role};
use crate::gateway::Gateway;
use crate::store::{IdentityRef, IdentityUpdate};

/// What is to be another way. The name in the path counts, one in the body is not looked at.
#[derive(Deserialize)]
pub(in crate::admin) struct UserChange {
    role: Option<String>,
    access_token: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    rotate: bool,
    grace_seconds: Option<u64>,
}

pub(in crate::admin) async fn update(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
    JsonBody(change): JsonBody<UserChange>,
) -> Result<Json<UserWithToken>, ApiError> {
    check_username(&name)?;
    let UserChange { role, access_token, rotate, grace_seconds } = change;
    let replaced = Replacement { chosen: access_token, rotate, grace_seconds }.parse()?;
    let role = role.as_deref().map(parse_role).transpose()?;
    if replaced.is_none() && role.is_none() {
        return Err(ApiError::invalid("nothing to update: give at least one of 'access_token', 'rotate' and 'role'"));
    }
    let (token, generated) = replaced.map(|replaced| (replaced.token, replaced.generated)).unzip();
    let update = IdentityUpdate { role, token, ..IdentityUpdate::default() };
    let updated = change::finish(async move {
        if !gateway.store.update_identity(IdentityRef::User(&name), &update).await? {
            return Err(missing(&name));
        }
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            user = name,
            is_token_new = update.token.is_some(),
            "updated a user"
        );
        let snapshot = gateway.snapshot();
        let record = snapshot.identities.find(IdentityRef::User(&name)).ok_or_else(|| missing(&name))?;
        let access_token = generated.flatten().map(|token| token.expose().to_owned());
        Ok(UserWithToken { user: UserView::of(record), access_token })
    });
    updated.await.map(Json)
}
