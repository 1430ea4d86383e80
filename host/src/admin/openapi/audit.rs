//! The routes of the audit log.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::named;
use crate::admin::openapi::servers::flag;

const TAG: &str = "audit";

pub(in crate::admin) fn list() -> Operation {
    let text = json!({ "type": "string" });
    let time = json!({ "type": "string", "format": "date-time" });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": 1000, "default": 100 });
    let order = json!({ "enum": ["newest", "oldest"], "default": "newest" });
    let kind = json!({ "enum": ["call", "read", "denial", "admin", "plugin-failure"] });
    Operation::new("listAuditRecords", TAG, "Read the audit log")
        .query("client", false, "Only what this MCP client asked for.", &text)
        .query("user", false, "Only what this user asked for.", &text)
        .query("server", false, "Only what was about this MCP server.", &text)
        .query("kind", false, "Only records of this kind.", &kind)
        .query("since", false, "Not before this time.", &time)
        .query("until", false, "Before this time.", &time)
        .query("denied", false, "Only where somebody was refused something.", &flag())
        .query("order", false, "Which records come first.", &order)
        .query("limit", false, "How many records at most.", &limit)
        .query(
            "cursor",
            false,
            "Where an earlier answer ended.",
            &json!({ "type": "string", "pattern": "^[0-9]{1,18}$" }),
        )
        .answers(200, "A page of records.", &named("AuditPage"))
        .fails(&[404, 500])
}

pub(in crate::admin) fn verify() -> Operation {
    Operation::new("verifyAuditLog", TAG, "Look for records that were changed or removed")
        .answers(200, "What was looked at, and what is wrong.", &named("AuditReport"))
        .fails(&[404, 500])
}
