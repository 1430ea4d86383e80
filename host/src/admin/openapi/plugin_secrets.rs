//! The routes of secrets for plugins.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{list_of, named, plugin_secret_name};

const TAG: &str = "plugin secrets";

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listPluginSecrets", TAG, "List the names of all secrets").answers(
        200,
        "All secrets, sorted by name; never their values.",
        &list_of("PluginSecret"),
    )
}

pub(in crate::admin) fn set() -> Operation {
    of_one("setPluginSecret", "Set a secret")
        .body("PluginSecretDescription", &json!({ "value": "what plugins are to know" }))
        .answers(200, "The secret as it is listed.", &named("PluginSecret"))
        .fails(&[409, 500])
}

pub(in crate::admin) fn delete() -> Operation {
    of_one("deletePluginSecret", "Delete a secret")
        .answers_nothing(204, "It is gone, also if it never was there.")
        .fails(&[500])
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The secret's name.", &plugin_secret_name())
}
