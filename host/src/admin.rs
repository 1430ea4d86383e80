//! The HTTP API under `/api/v0`, for administrators and the command line.

use std::sync::Arc;

use axum::Router;

use crate::gateway::Gateway;

/// The routes, to be merged with those of `downstream`.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new().with_state(gateway)
}
