//! `GET /clients`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::admin::clients::ClientView;
use crate::gateway::Gateway;

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<ClientView>> {
    Json(gateway.snapshot().identities.clients().into_iter().map(|record| ClientView::of(record)).collect())
}
