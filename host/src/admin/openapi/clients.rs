//! The routes of MCP clients.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{list_of, named};

const TAG: &str = "clients";

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listClients", TAG, "List all clients").answers(
        200,
        "All clients, sorted by name, without their tokens.",
        &list_of("Client"),
    )
}

pub(in crate::admin) fn create() -> Operation {
    Operation::new("createClient", TAG, "Create a client")
        .body("ClientDescription", &json!({ "name": "cursor-local", "allow_list": ["calculator", "github"] }))
        .answers(201, "The client, and its token, which is shown here only.", &named("ClientWithToken"))
        .fails(&[404, 409, 500])
}

pub(in crate::admin) fn update() -> Operation {
    of_one("updateClient", "Change a client: what is given is replaced")
        .body("ClientChange", &json!({ "allow_list": ["calculator"], "rotate": true, "grace_seconds": 600 }))
        .answers(200, "The client, and its token where the gateway made a new one.", &named("ChangedClient"))
        .fails(&[404, 409, 500])
}

pub(in crate::admin) fn delete() -> Operation {
    of_one("deleteClient", "Delete a client, whose token is good for nothing from then on")
        .answers_nothing(204, "It is gone, also if it never was there.")
        .fails(&[500])
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The client's name.", &json!({ "type": "string" }))
}
