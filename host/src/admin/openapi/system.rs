//! The routes about the gateway, and those that development mode refuses.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::named;

const TAG: &str = "gateway";

pub(in crate::admin) fn health() -> Operation {
    Operation::new("getHealth", TAG, "Whether requests are answered").answers(
        200,
        "They are. Neither database nor MCP servers are asked.",
        &named("Liveness"),
    )
}

pub(in crate::admin) fn metadata() -> Operation {
    Operation::new("getMetadata", TAG, "The gateway's version")
        .answers(200, "The version.", &named("Metadata"))
        .fails(&[403])
}

pub(in crate::admin) fn metrics() -> Operation {
    Operation::new("getMetrics", TAG, "Metrics for Prometheus")
        .answers_text(200, "Every metric, in the text format of Prometheus.")
        .fails(&[403, 500])
}

pub(in crate::admin) fn init() -> Operation {
    Operation::new("initialize", TAG, "Refused: development mode has nothing to initialise")
        .body("Init", &json!({ "mode": "enterprise" }))
        .fails(&[403])
}

pub(in crate::admin) fn openapi() -> Operation {
    Operation::new("getOpenApi", TAG, "This document").answers(200, "OpenAPI 3.1.", &json!({ "type": "object" }))
}

/// A route that belongs to enterprise mode.
pub(in crate::admin) fn enterprise(id: &'static str) -> Operation {
    Operation::new(id, "enterprise", "Refused: this request is only allowed in enterprise mode").fails(&[403])
}

/// The same for one user or client.
pub(in crate::admin) fn enterprise_named(id: &'static str) -> Operation {
    enterprise(id).name_in_path("The user's or client's name.", &json!({ "type": "string" }))
}
