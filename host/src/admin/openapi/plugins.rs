//! The routes of plugins.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{list_of, named};

const TAG: &str = "plugins";
/// Any component's digest.
const DIGEST: &str = "sha256:0ba904eae8773b70c75333db4de2f3ac45a8ad4ddba1b242f0b3cfc199391dd8";

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listPlugins", TAG, "The policies as they run, stage by stage, and the plugins that are installed")
        .answers(200, "Both; what is disabled is among them.", &named("Policies"))
        .fails(&[500])
}

pub(in crate::admin) fn upload() -> Operation {
    Operation::new("uploadComponent", TAG, "Upload a component, to be installed within the hour")
        .binary_body("application/octet-stream")
        .answers(201, "What it is, and what must be granted for it.", &named("Component"))
        .fails(&[409, 422, 500])
}

pub(in crate::admin) fn add() -> Operation {
    Operation::new("addPlugin", TAG, "Install a plugin")
        .body("PluginAddition", &json!({ "name": "corp-acl", "component": DIGEST, "replace": "builtin-acl" }))
        .answers(201, "The change that was made.", &named("PluginChange"))
        .fails(&[404, 409, 422, 500])
}

pub(in crate::admin) fn find() -> Operation {
    of_one("getPlugin", "One plugin").answers(200, "The plugin.", &named("Plugin")).fails(&[404, 500])
}

pub(in crate::admin) fn update() -> Operation {
    changes(
        of_one("updatePlugin", "Give a plugin another version: what is given is different")
            .body("PluginVersionChanges", &json!({ "component": DIGEST, "grant": ["kv"] })),
    )
}

pub(in crate::admin) fn remove() -> Operation {
    changes(of_one("removePlugin", "Take a plugin out"))
}

pub(in crate::admin) fn enable() -> Operation {
    changes(of_one("enablePlugin", "Have a plugin asked again"))
}

pub(in crate::admin) fn disable() -> Operation {
    changes(of_one("disablePlugin", "Have a plugin not asked; it keeps its place"))
}

pub(in crate::admin) fn roll_back_one() -> Operation {
    changes(of_one("rollBackPlugin", "Go back to the version that a plugin had before"))
}

pub(in crate::admin) fn order() -> Operation {
    let operation = Operation::new("orderPlugins", TAG, "Put plugins in another order");
    changes(operation.body("PluginOrder", &json!({ "names": ["builtin-acl", "corp-acl"] })))
}

pub(in crate::admin) fn roll_back() -> Operation {
    let operation = Operation::new("rollBack", TAG, "Undo the last change of the plugins");
    let last = "The change that is taken to be the last one, by its id: 409 where another one is.";
    changes(operation.query("change", false, last, &json!({ "type": "integer" })))
}

pub(in crate::admin) fn history() -> Operation {
    Operation::new("listPluginChanges", TAG, "The changes that were made, the last one first")
        .answers(200, "The last 100.", &list_of("PluginHistoryEntry"))
        .fails(&[500])
}

pub(in crate::admin) fn plan() -> Operation {
    Operation::new("planPluginChange", TAG, "What clients would see after a change, which is not made")
        .body("PluginPlan", &json!({ "remove": { "name": "corp-acl" } }))
        .answers(200, "Who would see what else, and where.", &named("PlannedPolicies"))
        .fails(&[404, 409, 422, 500])
}

fn changes(operation: Operation) -> Operation {
    operation.answers(200, "The change that was made.", &named("PluginChange")).fails(&[404, 409, 422, 500])
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The plugin's name.", &json!({ "type": "string" }))
}
