//! Routes about the gateway itself, for which nobody needs to be anybody.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::admin::error::ApiError;
use crate::admin::openapi::{self, Routes};
use crate::gateway::Gateway;

mod init;

/// `/metrics` is there only if there is something to tell.
pub(super) fn routes(has_metrics: bool) -> Routes {
    let routes = Routes::default()
        .get("/health", health, openapi::system::health())
        .get("/metadata", metadata, openapi::system::metadata())
        .post("/init", init::init, openapi::system::init());
    if has_metrics { routes.get("/metrics", metrics, openapi::system::metrics()) } else { routes }
}

/// Says that requests are answered; asks neither the database nor upstreams.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn metadata(State(gateway): State<Arc<Gateway>>) -> Json<Value> {
    Json(json!({ "version": shown_version(&gateway.version) }))
}

/// For Prometheus, which says no token.
async fn metrics(State(gateway): State<Arc<Gateway>>) -> Result<impl IntoResponse, ApiError> {
    let metrics = gateway.metrics.as_ref().ok_or_else(|| ApiError::not_found("metrics are not enabled"))?;
    let text = metrics.render(&gateway).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        ApiError::failed("the metrics cannot be written: see the gateway's log")
    })?;
    Ok(([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text))
}

/// A version number gets a `v` before it; anything else stays as it is.
fn shown_version(version: &str) -> String {
    if version.starts_with(|first: char| first.is_ascii_digit()) { format!("v{version}") } else { version.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_get_a_v() {
        assert_eq!(shown_version("0.1.0"), "v0.1.0");
        assert_eq!(shown_version("v0.1.0"), "v0.1.0");
        assert_eq!(shown_version("dev"), "dev");
    }
}
