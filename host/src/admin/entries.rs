//! Servers and groups that come from elsewhere than a request: read and put in
//! place on the same ways.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::servers::configs::ServerConfig;
use crate::admin::servers::description::ServerDescription;
use crate::admin::tool_groups::GroupDescription;
use crate::admin::{servers, tool_groups};
use crate::audit::{NamedInBody, record_folder_change};
use crate::configuration::Change;
use crate::gateway::Gateway;
use crate::group::ToolGroup;
use crate::names::GroupName;
use crate::pipeline::Principal;
use crate::server::Server;

/// Checks a server as `POST /servers` does; the error is what that answers.
pub fn read_server(description: ServerDescription) -> Result<Server, String> {
    description.parse().map_err(|error| error.message().to_owned())
}

/// Checks a group as `POST /tool-groups` does, as far as that needs no registry.
pub fn read_group(description: GroupDescription) -> Result<ToolGroup, String> {
    let name = GroupName::parse(description.name()).map_err(|error| error.to_string())?;
    let group = description.into_group(name);
    tool_groups::check_names(&group).map_err(|error| error.message().to_owned())?;
    Ok(group)
}

/// The body that registers this server, secrets included.
pub fn describe_server(server: &Server) -> Map<String, Value> {
    describe(server, true)
}

/// Whether that body has secrets in it.
pub fn holds_secrets(server: &Server) -> bool {
    describe(server, true) != describe(server, false)
}

fn describe(server: &Server, reveal: bool) -> Map<String, Value> {
    match serde_json::to_value(ServerConfig::of(server, reveal)) {
        Ok(Value::Object(fields)) => fields,
        // It is names and text, which serialise into an object.
        _ => Map::new(),
    }
}

/// Makes a change as the gateway itself; the error is what a request for it would be answered.
pub(crate) async fn make_change(gateway: &Arc<Gateway>, change: &Change) -> Result<(), String> {
    let request_id = gateway.next_request_id();
    let principal = Arc::new(Principal::gateway());
    let admission = Admission { request_id: Arc::clone(&request_id), principal, named: NamedInBody::default() };
    let audit = gateway.audit.clone();
    let gateway = Arc::clone(gateway);
    let made: Result<(), ApiError> = match change {
        Change::PutServer { old, new } => {
            servers::register::put(gateway, admission, new.clone(), old.is_some()).await.map(drop)
        }
        Change::PutGroup { old: None, new } => tool_groups::create::put(gateway, admission, new.clone()).await,
        Change::PutGroup { old: Some(_), new } => {
            tool_groups::update::put(gateway, admission, new.clone()).await.map(drop)
        }
        Change::RemoveGroup(name) => tool_groups::delete::remove(gateway, admission, name.clone()).await,
        Change::RemoveServer(name) => servers::deregister::remove(gateway, admission, name.clone()).await,
    };
    record_folder_change(audit.as_ref(), &request_id, describe_change(change), made.is_ok());
    made.map_err(|error| error.message().to_owned())
}

/// What is done, to what kind of thing, and its name.
fn describe_change(change: &Change) -> (&'static str, &'static str, &str) {
    match change {
        Change::PutServer { new, .. } => ("put", "server", new.name.as_str()),
        Change::PutGroup { new, .. } => ("put", "tool group", new.name.as_str()),
        Change::RemoveServer(name) => ("remove", "server", name.as_str()),
        Change::RemoveGroup(name) => ("remove", "tool group", name.as_str()),
    }
}
