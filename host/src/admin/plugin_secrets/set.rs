//! `PUT /plugin-secrets/{name}`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Deserialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, NameInPath, nullable};
use crate::admin::plugin_secrets::{LONGEST_VALUE, SecretView, check_name};
use crate::gateway::Gateway;
use crate::secret::Secret;

/// What a secret is to be. Without `Debug`, so that it is in no log.
#[derive(Deserialize)]
pub(in crate::admin) struct SecretDescription {
    #[serde(default, deserialize_with = "nullable")]
    value: String,
}

pub(in crate::admin) async fn set(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
    JsonBody(description): JsonBody<SecretDescription>,
) -> Result<Json<SecretView>, ApiError> {
    check_name(&name)?;
    let value = Secret::new(description.value);
    match value.expose().len() {
        0 => return Err(ApiError::invalid("the value of a secret must not be empty")),
        length if length > LONGEST_VALUE => {
            return Err(ApiError::invalid("the value of a secret must not be longer than 64 KiB"));
        }
        _ => {}
    }
    change::finish(async move {
        gateway.store.put_plugin_secret(&name, &value).await?;
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            secret = %name,
            "set a secret for plugins"
        );
        let snapshot = gateway.snapshot();
        let set = snapshot.plugin_secrets.get(&name).map(SecretView::of);
        set.map(Json).ok_or_else(|| ApiError::conflict(format!("secret {name} was deleted at the same time")))
    })
    .await
}
