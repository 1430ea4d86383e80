//! `GET /plugin-secrets`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::admin::plugin_secrets::SecretView;
use crate::gateway::Gateway;

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<SecretView>> {
    Json(gateway.snapshot().plugin_secrets.values().map(SecretView::of).collect())
}
