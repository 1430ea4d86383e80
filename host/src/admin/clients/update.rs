//! `PUT /clients/{name}`: replaces what the body holds, and leaves the rest as it is.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::clients::{ClientView, ClientWithToken, allow_list, check_description, missing};
use crate::admin::error::ApiError;
use crate::admin::identities::Replacement;
use crate::admin::input::{JsonBody, NameInPath, nullable};
use crate::gateway::Gateway;
use crate::identity::check_name;
use crate::store::{IdentityRef, IdentityUpdate};

/// What is to be another way. The name in the path counts, one in the body is not looked at.
#[derive(Deserialize)]
pub(in crate::admin) struct ClientChange {
    description: Option<String>,
    allow_list: Option<Vec<String>>,
    access_token: Option<String>,
    #[serde(default, deserialize_with = "nullable")]
    rotate: bool,
    grace_seconds: Option<u64>,
}

pub(in crate::admin) async fn update(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
    JsonBody(change): JsonBody<ClientChange>,
) -> Result<Json<ClientWithToken>, ApiError> {
    check_name("client name", &name).map_err(ApiError::invalid)?;
    let ClientChange { description, allow_list, access_token, rotate, grace_seconds } = change;
    let replaced = Replacement { chosen: access_token, rotate, grace_seconds }.parse()?;
    description.as_deref().map(check_description).transpose()?;
    let allow = allow_list.as_deref().map(allow_list::parse).transpose()?;
    if replaced.is_none() && description.is_none() && allow.is_none() {
        return Err(ApiError::invalid(
            "nothing to update: give at least one of 'access_token', 'rotate', 'description' and 'allow_list'",
        ));
    }
    let (token, generated) = replaced.map(|replaced| (replaced.token, replaced.generated)).unzip();
    let update = IdentityUpdate { description, allow, role: None, token };
    let updated = change::finish(async move {
        if !gateway.store.update_identity(IdentityRef::Client(&name), &update).await? {
            return Err(missing(&name));
        }
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            client = name,
            is_token_new = update.token.is_some(),
            "updated an MCP client"
        );
        let snapshot = gateway.snapshot();
        let record = snapshot.identities.find(IdentityRef::Client(&name)).ok_or_else(|| missing(&name))?;
        let access_token = generated.flatten().map(|token| token.expose().to_owned());
        Ok(ClientWithToken { client: ClientView::of(record), access_token })
    });
    updated.await.map(Json)
}
