//! The routes of tool groups.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{group_name, list_of, named};

const TAG: &str = "tool groups";

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listToolGroups", TAG, "List all groups").answers(
        200,
        "All groups, sorted by name.",
        &list_of("ToolGroup"),
    )
}

pub(in crate::admin) fn create() -> Operation {
    Operation::new("createToolGroup", TAG, "Create a group")
        .body("ToolGroupDescription", &json!({ "name": "support", "included_servers": ["tickets"] }))
        .answers(201, "Where it is served.", &named("GroupEndpoints"))
        .fails(&[404, 409, 500])
}

pub(in crate::admin) fn find() -> Operation {
    of_one("getToolGroup", "One group")
        .answers(200, "The group and its endpoints.", &named("ToolGroupWithEndpoints"))
        .fails(&[404])
}

pub(in crate::admin) fn update() -> Operation {
    of_one("updateToolGroup", "Replace a group as a whole")
        .body("ToolGroupUpdate", &json!({ "included_servers": ["tickets", "crm"] }))
        .answers(200, "The group before and after.", &named("UpdatedToolGroup"))
        .fails(&[404, 500])
}

pub(in crate::admin) fn delete() -> Operation {
    of_one("deleteToolGroup", "Delete a group")
        .answers_nothing(204, "It is gone, also if it never was there.")
        .fails(&[500])
}

pub(in crate::admin) fn effective_tools() -> Operation {
    of_one("listEffectiveTools", "The registered tools that are in a group")
        .answers(200, "Their canonical names, sorted; disabled tools too.", &named("EffectiveTools"))
        .fails(&[404])
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The group's name.", &group_name())
}
