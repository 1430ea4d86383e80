//! `POST /clients`: the answer is the one time that the client's token is shown.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Deserialize;

use crate::admin::admission::Admission;
use crate::admin::clients::{ClientView, ClientWithToken, allow_list, check_description, missing};
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, nullable};
use crate::admin::{change, identities};
use crate::gateway::Gateway;
use crate::identity::{IdentityKind, check_name};
use crate::store::{IdentityRef, NewIdentity};

/// A client as an administrator describes it.
#[derive(Deserialize)]
pub(in crate::admin) struct ClientDescription {
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    description: String,
    #[serde(default, deserialize_with = "nullable")]
    allow_list: Vec<String>,
    access_token: Option<String>,
    /// Older command lines say by this, and not by leaving the token out, whether it was chosen.
    #[serde(default, deserialize_with = "nullable")]
    is_custom_access_token: bool,
}

pub(in crate::admin) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    JsonBody(description): JsonBody<ClientDescription>,
) -> Result<(StatusCode, Json<ClientWithToken>), ApiError> {
    let ClientDescription { name, description, allow_list, access_token, is_custom_access_token } = description;
    if name.is_empty() {
        return Err(ApiError::invalid("name is required"));
    }
    check_name("client name", &name).map_err(ApiError::invalid)?;
    check_description(&description)?;
    let allow = allow_list::parse(&allow_list)?;
    let chosen = access_token.filter(|text| is_custom_access_token || !text.is_empty());
    let token = identities::choose(chosen.as_deref())?;
    let created = change::finish(async move {
        let client = NewIdentity {
            kind: IdentityKind::Client,
            name: &name,
            description: &description,
            allow: &allow,
            digest: token.digest(),
        };
        gateway.store.create_identity(&client).await?;
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            client = name,
            "created an MCP client"
        );
        let snapshot = gateway.snapshot();
        // Gone again already, where somebody else deletes it at this moment.
        let record = snapshot.identities.find(IdentityRef::Client(&name)).ok_or_else(|| missing(&name))?;
        Ok(ClientWithToken { client: ClientView::of(record), access_token: Some(token.expose().to_owned()) })
    });
    Ok((StatusCode::CREATED, Json(created.await?)))
}
