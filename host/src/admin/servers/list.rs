//! `GET /servers`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};

use crate::admin::admission::Admission;
use crate::admin::servers::{Audience, HealthView, ServerView};
use crate::catalog::CatalogServer;
use crate::gateway::Gateway;

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
) -> Json<Vec<ServerView>> {
    let snapshot = gateway.snapshot();
    let shown_to = Audience::of(admission.may_administer(gateway.mode));
    let view = |server: &Arc<CatalogServer>| {
        let health = HealthView::of(&gateway, &admission, &server.server);
        ServerView::of(&server.server, server.enabled, health, shown_to)
    };
    Json(snapshot.servers.values().map(view).collect())
}
