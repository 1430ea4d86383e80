//! What MCP methods answer, whatever the era and the transport.

use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::ViewScope;
use crate::downstream::reply;
use crate::gateway::Gateway;
use crate::pipeline::ItemKind;
use crate::walk::{self, Caller};
use crate::wire::{Id, Request, code, error_response, result_parts};

/// The answer to a request other than those that open and close a session, as
/// parts of one JSON-RPC response.
pub(super) async fn answer(gateway: &Arc<Gateway>, caller: Caller, request: Request) -> [Bytes; 3] {
    let id = request.id();
    match request.method() {
        "ping" => result_parts(&id, Bytes::from_static(b"{}")),
        "tools/list" => list(gateway, &caller, &request, ItemKind::Tool).await,
        "prompts/list" => list(gateway, &caller, &request, ItemKind::Prompt).await,
        "resources/list" => list(gateway, &caller, &request, ItemKind::Resource).await,
        "resources/templates/list" => list(gateway, &caller, &request, ItemKind::ResourceTemplate).await,
        "tools/call" | "prompts/get" | "resources/read" => match walk::perform(gateway, caller, request).await {
            Ok(response) => response.render(&id),
            Err(refusal) => whole(reply::refusal(&id, &refusal)),
        },
        unknown => whole(unknown_method(&id, unknown)),
    }
}

/// Lists come on one page, so there is no cursor that a client could have got from us.
async fn list(gateway: &Gateway, caller: &Caller, request: &Request, kind: ItemKind) -> [Bytes; 3] {
    let id = request.id();
    match request.param_members(["cursor"]) {
        Ok([None | Some("null")]) => {}
        Ok([Some(_)]) => return whole(error_response(Some(&id), code::INVALID_PARAMS, "unknown cursor")),
        Err(error) => return whole(error_response(Some(&id), code::INVALID_PARAMS, &error.to_string())),
    }
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let scope =
        ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &caller.request, principal: &caller.principal };
    match gateway.views.view(scope, kind).await {
        Ok(view) => result_parts(&id, view.result.clone()),
        Err(denial) => whole(reply::denial(&id, &denial)),
    }
}

fn unknown_method(id: &Id, method: &str) -> Bytes {
    error_response(Some(id), code::METHOD_NOT_FOUND, &format!("method '{method}' is not supported"))
}

fn whole(message: Bytes) -> [Bytes; 3] {
    [message, Bytes::new(), Bytes::new()]
}
