//! `GET /users`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::admin::users::UserView;
use crate::gateway::Gateway;

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<UserView>> {
    Json(gateway.snapshot().identities.users().into_iter().map(|record| UserView::of(record)).collect())
}
