//! The routes about the gateway.

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
    Operation::new("initialize", TAG, "Make a gateway in enterprise mode its administrator's, once")
        .body("Init", &json!({ "mode": "enterprise" }))
        .answers(200, "It is; the administrator's token is shown here only.", &named("Initialized"))
        .fails(&[401, 403, 500, 503])
}

pub(in crate::admin) fn openapi() -> Operation {
    Operation::new("getOpenApi", TAG, "This document").answers(200, "OpenAPI 3.1.", &json!({ "type": "object" }))
}
