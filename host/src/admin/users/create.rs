//! `POST /users`: the answer is the one time that the user's token is shown.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, nullable};
use crate::admin::users::{UserView, UserWithToken, check_username, parse_role};
use crate::admin::{change, identities};
use crate::gateway::Gateway;
use crate::identity::{IdentityKind, Role};
use crate::store::NewIdentity;

/// A user as an administrator describes it.
#[derive(Deserialize)]
pub(in crate::admin) struct UserDescription {
    #[serde(default, deserialize_with = "nullable")]
    username: String,
    role: Option<String>,
    access_token: Option<String>,
}

pub(in crate::admin) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    JsonBody(description): JsonBody<UserDescription>,
) -> Result<(StatusCode, Json<UserWithToken>), ApiError> {
    let UserDescription { username, role, access_token } = description;
    check_username(&username)?;
    let role = role.as_deref().map_or(Ok(Role::User), parse_role)?;
    let token = identities::choose(access_token.as_deref().filter(|text| !text.is_empty()))?;
    let created = change::finish(async move {
        let user = NewIdentity {
            kind: IdentityKind::User(role),
            name: &username,
            description: "",
            allow: &[],
            digest: token.digest(),
        };
        gateway.store.create_identity(&user).await?;
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            user = username,
            role = role.as_str(),
            "created a user"
        );
        let user = UserView { username, role: role.as_str() };
        Ok(UserWithToken { user, access_token: Some(token.expose().to_owned()) })
    });
    Ok((StatusCode::CREATED, Json(created.await?)))
}
