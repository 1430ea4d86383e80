//! Users: the people who have access to this API, each with a token and a role.

use serde::Serialize;

use crate::admin::error::ApiError;
use crate::identity::{IdentityKind, IdentityRecord, Role, check_name};

pub(super) mod create;
pub(super) mod delete;
pub(super) mod list;
pub(super) mod update;
pub(super) mod whoami;

/// The name that stands in a path for whoever asks.
const WHOAMI: &str = "whoami";

/// A user as it is shown. Of its tokens nothing is.
#[derive(Debug, Serialize)]
pub(super) struct UserView {
    username: String,
    role: &'static str,
}

impl UserView {
    fn of(record: &IdentityRecord) -> Self {
        let role = match record.kind {
            IdentityKind::User(role) => role,
            // No client is found by a user's name; it could do the least.
            IdentityKind::Client => Role::User,
        };
        Self { username: record.name.to_string(), role: role.as_str() }
    }
}

/// A user, and its token where this is the one time that it is shown: so not with `Debug`.
#[derive(Serialize)]
pub(super) struct UserWithToken {
    #[serde(flatten)]
    user: UserView,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

/// The name that a request is about.
fn check_username(name: &str) -> Result<(), ApiError> {
    if name.is_empty() {
        return Err(ApiError::invalid("username is required"));
    }
    if name == WHOAMI {
        return Err(ApiError::invalid("invalid username: 'whoami' is taken by the route of that name"));
    }
    check_name("username", name).map_err(ApiError::invalid)
}

fn parse_role(word: &str) -> Result<Role, ApiError> {
    Role::parse(word)
        .ok_or_else(|| ApiError::invalid(format!("invalid role: '{}' must be 'user' or 'admin'", word.escape_debug())))
}

fn missing(name: &str) -> ApiError {
    ApiError::not_found(format!("user {name} not found"))
}
