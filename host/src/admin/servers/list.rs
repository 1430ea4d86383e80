//! `GET /servers`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::admin::servers::ServerView;
use crate::gateway::Gateway;

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<ServerView>> {
    let snapshot = gateway.snapshot();
    Json(snapshot.servers.values().map(|server| ServerView::of(&server.server, server.enabled)).collect())
}
