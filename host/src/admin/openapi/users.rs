//! The routes of users.

use serde_json::json;

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{list_of, named};

const TAG: &str = "users";

pub(in crate::admin) fn whoami() -> Operation {
    Operation::new("whoAmI", TAG, "Whose token the request has").answers(200, "The user.", &named("User"))
}

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listUsers", TAG, "List all users").answers(
        200,
        "All users, sorted by name, without their tokens.",
        &list_of("User"),
    )
}

pub(in crate::admin) fn create() -> Operation {
    Operation::new("createUser", TAG, "Create a user")
        .body("UserDescription", &json!({ "username": "alice" }))
        .answers(201, "The user, and its token, which is shown here only.", &named("UserWithToken"))
        .fails(&[409, 500])
}

pub(in crate::admin) fn update() -> Operation {
    of_one("updateUser", "Change a user: what is given is replaced")
        .body("UserChange", &json!({ "rotate": true, "grace_seconds": 600 }))
        .answers(200, "The user, and its token where the gateway made a new one.", &named("ChangedUser"))
        .fails(&[404, 409, 500])
}

pub(in crate::admin) fn delete() -> Operation {
    of_one("deleteUser", "Delete a user who is no admin")
        .answers_nothing(204, "They are gone; their token is good for nothing from now on.")
        .fails(&[404, 500])
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The user's name.", &json!({ "type": "string" }))
}
