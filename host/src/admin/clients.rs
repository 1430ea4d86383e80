//! MCP clients: the machines that connect to the MCP endpoints, each with a token and an allow-list.

use serde::Serialize;

use crate::admin::error::ApiError;
use crate::admin::record::Head;
use crate::identity::IdentityRecord;

mod allow_list;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod update;

/// A client as it is shown. Of its tokens nothing is.
#[derive(Debug, Serialize)]
pub(super) struct ClientView {
    #[serde(flatten)]
    head: Head,
    name: String,
    description: String,
    allow_list: Vec<String>,
}

impl ClientView {
    fn of(record: &IdentityRecord) -> Self {
        Self {
            head: Head::of_identity(record),
            name: record.name.to_string(),
            description: record.description.clone(),
            allow_list: record.allow.clone(),
        }
    }
}

/// A client, and its token where this is the one time that it is shown: so not with `Debug`.
#[derive(Serialize)]
pub(super) struct ClientWithToken {
    #[serde(flatten)]
    client: ClientView,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

fn check_description(description: &str) -> Result<(), ApiError> {
    // PostgreSQL cannot store it.
    if description.contains('\0') {
        return Err(ApiError::invalid("the description cannot hold a NUL character"));
    }
    Ok(())
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("MCP client {name} not found"))
}
