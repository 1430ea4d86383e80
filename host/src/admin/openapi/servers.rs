//! The routes of servers.

use serde_json::{Value, json};

use crate::admin::openapi::Operation;
use crate::admin::openapi::schemas::{list_of, named, server_name};

const TAG: &str = "servers";

/// All spellings that [`crate::admin::input::flag`] reads.
pub(super) fn flag() -> Value {
    json!({
        "type": "string", "pattern": "^([Tt]([Rr][Uu][Ee])?|[Ff]([Aa][Ll][Ss][Ee])?|[01])?$", "default": "false",
        "examples": ["true"],
    })
}

pub(in crate::admin) fn list() -> Operation {
    Operation::new("listServers", TAG, "List all servers").answers(
        200,
        "All servers, sorted by name.",
        &list_of("Server"),
    )
}

pub(in crate::admin) fn register() -> Operation {
    let example = json!({ "name": "calculator", "transport": "streamable_http", "url": "http://127.0.0.1:8000/mcp" });
    Operation::new("registerServer", TAG, "Register a server, after connecting to it")
        .query("force", false, "Whether a server of that name is replaced.", &flag())
        .body("ServerDescription", &example)
        .answers(201, "The server, and once more under `server`.", &named("RegisteredServer"))
        .fails(&[409, 500])
}

pub(in crate::admin) fn deregister() -> Operation {
    of_one("deregisterServer", "Deregister a server").answers_nothing(204, "It is gone.")
}

pub(in crate::admin) fn enable() -> Operation {
    switch("enableServer", "Enable a server and all it offers")
}

pub(in crate::admin) fn disable() -> Operation {
    switch("disableServer", "Disable a server and all it offers")
}

pub(in crate::admin) fn configs() -> Operation {
    Operation::new("listServerConfigs", TAG, "List servers as they are registered")
        .query("reveal", false, "Whether secrets are shown; otherwise they read `[redacted]`.", &flag())
        .answers(200, "All servers, sorted by name.", &list_of("ServerConfig"))
}

fn switch(id: &'static str, summary: &'static str) -> Operation {
    of_one(id, summary).answers(200, "What changed.", &named("ServerSwitched"))
}

fn of_one(id: &'static str, summary: &'static str) -> Operation {
    Operation::new(id, TAG, summary).name_in_path("The server's name.", &server_name()).fails(&[404, 500])
}
