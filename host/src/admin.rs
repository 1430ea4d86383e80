//! The HTTP API under `/api/v0`, for administrators and the command line; `docs/http-api.md` describes it.
//!
//! A folder per resource, a file per thing that can be done to it. Answers are
//! served from the snapshot; a change goes to the store, and is answered once
//! the gateway serves it. What every route shares:
//!
//! - `admission`: who is calling, and what the caller may do.
//! - `input`, `strict_body`: bodies and query parameters.
//! - `error`: every failure as a status and `{"error": "…"}`.
//! - `openapi`: each route with its description, for programs to read.
//! - `change`: finishing what was begun.
//! - `identities`: where tokens of clients and users come from.
//! - `entries`: servers and groups that come from elsewhere than a request.
//! - `call`, `record`, `switch`: calling an item, describing it, enabling it.

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use axum::{Extension, Router};

use crate::gateway::Gateway;
use crate::pipeline::Mode;

mod admission;
mod audit;
mod call;
mod change;
mod clients;
mod entries;
mod error;
mod explain;
mod identities;
mod input;
mod openapi;
mod plugin_secrets;
mod plugins;
mod prompts;
mod record;
mod resources;
mod servers;
mod strict_body;
mod switch;
mod system;
mod tool_groups;
mod tools;
mod users;

pub(crate) use entries::make_change;
pub use entries::{describe_server, holds_secrets, read_group, read_server};
use error::ApiError;
pub(crate) use error::with_sources;
use openapi::Routes;
pub(crate) use record::rfc3339;
pub use servers::description::ServerDescription;
pub use tool_groups::GroupDescription;

/// Where the API is.
const PREFIX: &str = "/api/v0";
/// A tool's arguments may be as long as over MCP; beyond it 413.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The routes, to be merged with those of `downstream`.
pub fn router(gateway: Arc<Gateway>) -> Router {
    let users = open_to_users()
        .map_router(|router| router.route_layer(from_fn_with_state(gateway.mode, admission::require_user)));
    let admins = open_to_admins()
        .map_router(|router| router.route_layer(from_fn_with_state(gateway.mode, admission::require_admin)));
    let api = users.merge(admins).merge(of_enterprise_mode(gateway.mode)).all_fail(&[401, 403, 503]).under(PREFIX);
    let (api, mut operations) = api.into_parts();
    let api = api
        .fallback(unknown_route)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(Arc::clone(&gateway), admission::admit))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    let (system, of_system) = system::routes(gateway.metrics.is_some()).into_parts();
    operations.extend(of_system);
    let document = openapi::document(&gateway.version, &operations);
    system
        .layer(from_fn_with_state(Arc::clone(&gateway), admission::record_init))
        .method_not_allowed_fallback(wrong_method)
        .nest(PREFIX, api)
        // The path with nothing after its slash is none that nesting covers.
        .route("/api/v0/", any(unknown_route))
        // Merged with the routes of `downstream`, it answers for whatever none of them is.
        .fallback(unknown_route)
        .layer(Extension(openapi::Document(document)))
        .with_state(gateway)
}

/// What any user may do.
fn open_to_users() -> Routes {
    use openapi::{items, servers as of_servers, system as of_system};
    Routes::default()
        .get("/openapi.json", openapi::serve, of_system::openapi())
        .get("/servers", servers::list::list, of_servers::list())
        .get("/tools", tools::list::list, items::list_tools())
        .get("/tool", tools::list::find, items::find_tool())
        .post("/tools/invoke", tools::invoke::invoke, items::invoke_tool())
        .get("/prompts", prompts::list::list, items::list_prompts())
        .get("/prompt", prompts::list::find, items::find_prompt())
        .post("/prompts/render", prompts::render::render, items::render_prompt())
        .get("/resources", resources::list::list, items::list_resources())
        .post("/resources/get", resources::list::find, items::find_resource())
        .post("/resources/read", resources::read::read, items::read_resource())
}

/// What only administrators may do. In development mode nobody in particular is
/// one, too; what an authenticator calls a client or a user is not.
fn open_to_admins() -> Routes {
    use openapi::{
        audit as of_audit, items, plugin_secrets as of_secrets, plugins as of_plugins, servers as of_servers,
        tool_groups as of_groups,
    };
    Routes::default()
        .get("/audit", audit::list, of_audit::list())
        .post("/audit/verify", audit::verify, of_audit::verify())
        .get("/plugin-secrets", plugin_secrets::list::list, of_secrets::list())
        .put("/plugin-secrets/{name}", plugin_secrets::set::set, of_secrets::set())
        .delete("/plugin-secrets/{name}", plugin_secrets::delete::delete, of_secrets::delete())
        .post("/servers", servers::register::register, of_servers::register())
        .delete("/servers/{name}", servers::deregister::deregister, of_servers::deregister())
        .post("/servers/{name}/enable", servers::switch::enable, of_servers::enable())
        .post("/servers/{name}/disable", servers::switch::disable, of_servers::disable())
        .get("/server_configs", servers::configs::list, of_servers::configs())
        .post("/explain", explain::explain, items::explain())
        .post("/tools/enable", tools::switch::enable, items::enable_tools())
        .post("/tools/disable", tools::switch::disable, items::disable_tools())
        .post("/prompts/enable", prompts::switch::enable, items::enable_prompts())
        .post("/prompts/disable", prompts::switch::disable, items::disable_prompts())
        .get("/tool-groups", tool_groups::read::list, of_groups::list())
        .post("/tool-groups", tool_groups::create::create, of_groups::create())
        .get("/tool-groups/{name}", tool_groups::read::find, of_groups::find())
        .put("/tool-groups/{name}", tool_groups::update::update, of_groups::update())
        .delete("/tool-groups/{name}", tool_groups::delete::delete, of_groups::delete())
        .get("/tool-groups/{name}/effective-tools", tool_groups::effective::list, of_groups::effective_tools())
        .get("/plugins", plugins::list::list, of_plugins::list())
        .post("/plugins", plugins::change::add, of_plugins::add())
        .post("/plugins/components", plugins::upload::upload, of_plugins::upload())
        .get("/plugins/history", plugins::history::list, of_plugins::history())
        .post("/plugins/order", plugins::change::order, of_plugins::order())
        .post("/plugins/plan", plugins::plan::plan, of_plugins::plan())
        .post("/plugins/rollback", plugins::change::roll_back, of_plugins::roll_back())
        .get("/plugins/{name}", plugins::list::find, of_plugins::find())
        .patch("/plugins/{name}", plugins::change::update, of_plugins::update())
        .delete("/plugins/{name}", plugins::change::remove, of_plugins::remove())
        .post("/plugins/{name}/enable", plugins::change::enable, of_plugins::enable())
        .post("/plugins/{name}/disable", plugins::change::disable, of_plugins::disable())
        .post("/plugins/{name}/rollback", plugins::change::roll_back_one, of_plugins::roll_back_one())
}

/// Clients and users, which development mode does not have. That is said before anything else.
fn of_enterprise_mode(mode: Mode) -> Routes {
    use openapi::{clients as of_clients, users as of_users};
    let for_users = Routes::default()
        .get("/users/whoami", users::whoami::whoami, of_users::whoami())
        .map_router(|router| router.route_layer(from_fn_with_state(mode, admission::require_user)));
    let for_admins = Routes::default()
        .get("/users", users::list::list, of_users::list())
        .post("/users", users::create::create, of_users::create())
        .put("/users/{name}", users::update::update, of_users::update())
        .delete("/users/{name}", users::delete::delete, of_users::delete())
        .get("/clients", clients::list::list, of_clients::list())
        .post("/clients", clients::create::create, of_clients::create())
        .put("/clients/{name}", clients::update::update, of_clients::update())
        .delete("/clients/{name}", clients::delete::delete, of_clients::delete())
        .map_router(|router| router.route_layer(from_fn_with_state(mode, admission::require_admin)));
    for_users
        .merge(for_admins)
        .map_router(|router| router.route_layer(from_fn_with_state(mode, admission::require_enterprise)))
}

async fn unknown_route() -> ApiError {
    ApiError::not_found("there is no such route")
}

async fn wrong_method() -> ApiError {
    ApiError::wrong_method()
}
