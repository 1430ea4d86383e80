//! The HTTP API under `/api/v0`, for administrators and the command line; `docs/http-api.md` describes it.
//!
//! A folder per resource, a file per thing that can be done to it. Answers are
//! served from the snapshot; a change goes to the store, and is answered once
//! the gateway serves it. What every route shares:
//!
//! - `admission`: who is calling, and what the caller may do.
//! - `input`: bodies and query parameters.
//! - `error`: every failure as a status and `{"error": "…"}`.
//! - `change`: finishing what was begun.
//! - `call`, `record`, `switch`: calling an item, describing it, enabling it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{any, delete, get, post};

use crate::gateway::Gateway;
use crate::pipeline::Mode;

mod admission;
mod call;
mod change;
mod error;
mod input;
mod prompts;
mod record;
mod resources;
mod servers;
mod switch;
mod system;
mod tool_groups;
mod tools;

use error::ApiError;

/// A tool's arguments may be as long as over MCP; beyond it 413.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The routes, to be merged with those of `downstream`.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let users = open_to_users().route_layer(from_fn_with_state(gateway.mode, admission::require_user));
    let admins = open_to_admins().route_layer(from_fn_with_state(gateway.mode, admission::require_admin));
    let api = users
        .merge(admins)
        .merge(of_enterprise_mode())
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&gateway), admission::admit))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    // The path with nothing after its slash is none that nesting covers.
    let routes = system::routes(gateway.metrics.is_some()).nest("/api/v0", api).route("/api/v0/", any(unknown_route));
    // Merged with the routes of `downstream`, it answers for whatever none of them is.
    routes.fallback(unknown_route).with_state(gateway)
}

/// What any user may do.
fn open_to_users() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/servers", get(servers::list::list))
        .route("/tools", get(tools::list::list))
        .route("/tool", get(tools::list::find))
        .route("/tools/invoke", post(tools::invoke::invoke))
        .route("/prompts", get(prompts::list::list))
        .route("/prompt", get(prompts::list::find))
        .route("/prompts/render", post(prompts::render::render))
        .route("/resources", get(resources::list::list))
        .route("/resources/get", post(resources::list::find))
        .route("/resources/read", post(resources::read::read))
}

/// What only administrators may do. In development mode nobody in particular is
/// one, too; what an authenticator calls a client or a user is not.
fn open_to_admins() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/servers", post(servers::register::register))
        .route("/servers/{name}", delete(servers::deregister::deregister))
        .route("/servers/{name}/enable", post(servers::switch::enable))
        .route("/servers/{name}/disable", post(servers::switch::disable))
        .route("/server_configs", get(servers::configs::list))
        .route("/tools/enable", post(tools::switch::enable))
        .route("/tools/disable", post(tools::switch::disable))
        .route("/prompts/enable", post(prompts::switch::enable))
        .route("/prompts/disable", post(prompts::switch::disable))
        .route("/tool-groups", get(tool_groups::read::list).post(tool_groups::create::create))
        .route(
            "/tool-groups/{name}",
            get(tool_groups::read::find).put(tool_groups::update::update).delete(tool_groups::delete::delete),
        )
        .route("/tool-groups/{name}/effective-tools", get(tool_groups::effective::list))
}

/// Clients and users, which development mode does not have.
fn of_enterprise_mode() -> Router<Arc<Gateway>> {
    Router::new()
        .route("/users", any(enterprise_only))
        .route("/users/{name}", any(enterprise_only))
        .route("/clients", any(enterprise_only))
        .route("/clients/{name}", any(enterprise_only))
}

async fn enterprise_only(State(gateway): State<Arc<Gateway>>) -> ApiError {
    match gateway.mode {
        Mode::Development => ApiError::forbidden("this request is only allowed in enterprise mode"),
        Mode::Enterprise => unknown_route().await,
    }
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("there is no such route")
}

async fn wrong_method() -> ApiError {
    ApiError::wrong_method()
}
