//! `GET /plugins/history`: the changes that were made, the last one first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use crate::admin::error::ApiError;
use crate::admin::rfc3339;
use crate::gateway::Gateway;

/// As many as are kept.
const MOST: i64 = 100;

/// One change.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct ChangeView {
    id: i64,
    change: String,
    /// Empty where nobody has a name.
    author: String,
    at: String,
}

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Result<Json<Vec<ChangeView>>, ApiError> {
    let changes = gateway.store.installation_changes(MOST).await?;
    let view = |change: crate::store::InstallationChange| ChangeView {
        id: change.id,
        change: change.summary,
        author: change.author,
        at: rfc3339(change.created_at_ms),
    };
    Ok(Json(changes.into_iter().map(view).collect()))
}
