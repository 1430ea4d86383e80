//! What MCP methods answer, whatever the era and the transport.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::catalog::ViewScope;
use crate::downstream::session::Session;
use crate::downstream::{Exchange, changes, reply, shows_endpoint};
use crate::gateway::Gateway;
use crate::pipeline::{Endpoint, ItemKind};
use crate::protocol::LogLevel;
use crate::upstream::{ClientDeclaration, UpstreamError};
use crate::walk::{self, Caller, ClientSide, Refusal};
use crate::wire::{Id, Notification, Request, borrowed_text, code, error_response, object_members, result_parts};

/// The most tasks that one answer to `tasks/list` shows.
const MAX_LISTED_TASKS: usize = 100;

/// Whether an upstream must be asked, which can take long and say much on the way.
pub(super) fn is_forwarded(method: &str, session: &Session) -> bool {
    match method {
        "tools/call" | "prompts/get" | "resources/read" => true,
        "resources/subscribe" | "resources/unsubscribe" | "completion/complete" => true,
        "tasks/get" | "tasks/result" | "tasks/cancel" | "tasks/list" => true,
        "logging/setLevel" => session.is_transparent(),
        _ => false,
    }
}

/// Whom a message of this session acts for.
pub(super) fn caller(exchange: &Exchange, session: &Session, method: &str, side: Arc<dyn ClientSide>) -> Caller {
    let undeclared = || ClientDeclaration::plain(crate::protocol::ProtocolVersion::LATEST);
    Caller {
        request: exchange.request(method),
        principal: Arc::clone(&exchange.principal),
        client: session.declared().cloned().unwrap_or_else(undeclared),
        side,
        log_level: session.log_level(),
        reaches_disabled: false,
    }
}

/// The answer to a request that the gateway answers by itself, as parts of one JSON-RPC response.
pub(super) async fn answer(
    gateway: &Arc<Gateway>,
    exchange: &Exchange,
    session: &Session,
    request: &Request,
) -> [Bytes; 3] {
    let id = request.id();
    match request.method() {
        "ping" => result_parts(&id, Bytes::from_static(b"{}")),
        "tools/list" => list(gateway, exchange, session, request, ItemKind::Tool).await,
        "prompts/list" => list(gateway, exchange, session, request, ItemKind::Prompt).await,
        "resources/list" => list(gateway, exchange, session, request, ItemKind::Resource).await,
        "resources/templates/list" => list(gateway, exchange, session, request, ItemKind::ResourceTemplate).await,
        "logging/setLevel" => match read_log_level(request) {
            Ok(level) => {
                session.set_log_level(level);
                result_parts(&id, Bytes::from_static(b"{}"))
            }
            Err(refusal) => whole(reply::refusal(&id, &refusal)),
        },
        unknown => whole(unknown_method(&id, unknown)),
    }
}

/// The answer to a request that an upstream must be asked for; `None` if the
/// client does not want it any more.
pub(super) async fn forward(
    gateway: Arc<Gateway>,
    session: Arc<Session>,
    caller: Caller,
    request: Request,
) -> Option<[Bytes; 3]> {
    let id = request.id();
    let answer = match request.method() {
        "logging/setLevel" => Box::pin(set_log_level(&gateway, &session, caller, request)).await,
        "tasks/list" => return Some(Box::pin(list_tasks(&gateway, &session, &caller, &id)).await),
        "tools/call" => call_tool(&gateway, &session, caller, request).await,
        "resources/subscribe" => subscribe(&gateway, &session, caller, request, true).await,
        "resources/unsubscribe" => subscribe(&gateway, &session, caller, request, false).await,
        "tasks/get" | "tasks/result" | "tasks/cancel" => ask_task(&gateway, &session, caller, request).await,
        _ => walk::perform(&gateway, caller, request).await,
    };
    match answer {
        Ok(response) => Some(response.render(&id)),
        Err(Refusal::Upstream(UpstreamError::Cancelled { .. })) => None,
        Err(refusal) => Some(whole(reply::refusal(&id, &refusal))),
    }
}

/// What a client notifies of.
pub(super) async fn notified(gateway: &Gateway, exchange: &Exchange, session: &Session, notification: Notification) {
    match notification.method() {
        "notifications/cancelled" => session.cancel(notification),
        "notifications/progress" => session.tell_progress(&notification),
        // Each upstream session has begun with its own.
        "notifications/initialized" => {}
        "notifications/roots/list_changed" => gateway.upstreams.notify_paired(&session.id, &notification),
        // Not for who sees nothing of the server any more.
        method if session.is_transparent() => {
            match shows_endpoint(gateway, &exchange.request(method), &exchange.principal).await {
                Ok(true) => gateway.upstreams.notify_paired(&session.id, &notification),
                Ok(false) | Err(_) => tracing::debug!(method, "a notification to a server that is hidden was dropped"),
            }
        }
        other => tracing::debug!(method = other, "a notification that concerns no server went by"),
    }
}

/// Lists come on one page, so there is no cursor that a client could have got from us.
async fn list(
    gateway: &Gateway,
    exchange: &Exchange,
    session: &Session,
    request: &Request,
    kind: ItemKind,
) -> [Bytes; 3] {
    let id = request.id();
    match request.param_members(["cursor"]) {
        Ok([None | Some("null")]) => {}
        Ok([Some(_)]) => return whole(error_response(Some(&id), code::INVALID_PARAMS, "unknown cursor")),
        Err(error) => return whole(error_response(Some(&id), code::INVALID_PARAMS, &error.to_string())),
    }
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let policy_request = exchange.request(request.method());
    let scope = ViewScope {
        snapshot: &snapshot,
        pipeline: &pipeline,
        request: &policy_request,
        principal: &exchange.principal,
    };
    match gateway.views.view(scope, kind).await {
        Ok(view) => {
            changes::note(gateway, session, kind, &view);
            result_parts(&id, view.result.clone())
        }
        Err(denial) => whole(reply::denial(&id, &denial)),
    }
}

/// A call that becomes a task goes on after its answer, and only this session knows it.
async fn call_tool(
    gateway: &Arc<Gateway>,
    session: &Session,
    caller: Caller,
    request: Request,
) -> Result<crate::wire::Response, Refusal> {
    let tool = match request.param_members(["name", "task"]) {
        Ok([Some(name), Some(task)]) if task != "null" => borrowed_text(name).map(|name| name.into_owned()),
        _ => None,
    };
    let response = walk::perform(gateway, caller, request).await?;
    if let (Some(tool), Ok(result)) = (tool, response.outcome())
        && let Some(task) = task_id(result)
        && !session.keep_task(&task, &tool)
    {
        return Err(Refusal::TaskNotKept);
    }
    Ok(response)
}

/// A subscription is noted before the server is asked: it may tell of an update right
/// behind its answer.
async fn subscribe(
    gateway: &Arc<Gateway>,
    session: &Session,
    caller: Caller,
    request: Request,
    is_wanted: bool,
) -> Result<crate::wire::Response, Refusal> {
    let uri = request.param_members(["uri"]).ok().and_then(|[uri]| Some(borrowed_text(uri?)?.into_owned()));
    let uri = uri.unwrap_or_default();
    if is_wanted {
        session.note_subscription(&uri, true);
    }
    let answer = walk::perform(gateway, caller, request).await;
    let is_done = answer.as_ref().is_ok_and(|response| response.outcome().is_ok());
    if is_done != is_wanted {
        session.note_subscription(&uri, false);
    }
    answer
}

/// What a server does not know any more, nobody need ask it for again.
async fn ask_task(
    gateway: &Arc<Gateway>,
    session: &Session,
    caller: Caller,
    request: Request,
) -> Result<crate::wire::Response, Refusal> {
    let task = request.param_members(["taskId"]).ok().and_then(|[task]| Some(borrowed_text(task?)?.into_owned()));
    let response = walk::perform(gateway, caller, request).await?;
    if let (Some(task), Err(error)) = (task, response.outcome())
        && matches!(object_members(error, ["code"]), Ok([Some("-32602")]))
    {
        session.forget_task(&task);
    }
    Ok(response)
}

fn task_id(result: &str) -> Option<String> {
    let [task] = object_members(result, ["task"]).ok()?;
    let [id] = object_members(task?, ["taskId"]).ok()?;
    borrowed_text(id?).map(|id| id.into_owned())
}

/// The tasks that this session began, as far as their servers still know them.
async fn list_tasks(gateway: &Arc<Gateway>, session: &Session, caller: &Caller, id: &Id) -> [Bytes; 3] {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        task_id: &'a str,
    }
    let mut listed: Vec<String> = Vec::new();
    for task in session.tasks().into_iter().take(MAX_LISTED_TASKS) {
        let request = walk::author_call("tasks/get", &Params { task_id: &task }).expect("text serialises");
        let mut caller = caller.clone();
        caller.request.method = "tasks/get".into();
        if let Ok(response) = ask_task(gateway, session, caller, request).await
            && let Ok(found) = response.outcome()
        {
            listed.push(found.to_owned());
        }
    }
    result_parts(id, format!(r#"{{"tasks":[{}]}}"#, listed.join(",")).into())
}

/// On a server's own endpoint the server itself is asked.
async fn set_log_level(
    gateway: &Arc<Gateway>,
    session: &Session,
    caller: Caller,
    request: Request,
) -> Result<crate::wire::Response, Refusal> {
    let Endpoint::Server(server) = caller.request.endpoint.clone() else {
        return Err(Refusal::InvalidParams("no server to set the level of".to_owned()));
    };
    // Not for who sees nothing of the server any more.
    if !shows_endpoint(gateway, &caller.request, &caller.principal).await.map_err(Refusal::Policy)? {
        return Err(Refusal::NotFound { what: "server", name: server.to_string() });
    }
    let level = read_log_level(&request).ok();
    let answer = walk::ask_server(gateway, Caller { log_level: None, ..caller }, &server, request).await?;
    if let (Some(level), Ok(_)) = (level, answer.outcome()) {
        session.set_log_level(level);
    }
    Ok(answer)
}

fn read_log_level(request: &Request) -> Result<LogLevel, Refusal> {
    let [level] = request.param_members(["level"]).map_err(|error| Refusal::InvalidParams(error.to_string()))?;
    level.and_then(borrowed_text).and_then(|level| LogLevel::parse(&level)).ok_or_else(|| {
        let levels = LogLevel::ALL.map(LogLevel::as_str).join(", ");
        Refusal::InvalidParams(format!("`params.level` must be one of {levels}"))
    })
}

fn unknown_method(id: &Id, method: &str) -> Bytes {
    error_response(Some(id), code::METHOD_NOT_FOUND, &format!("method '{method}' is not supported"))
}

fn whole(message: Bytes) -> [Bytes; 3] {
    [message, Bytes::new(), Bytes::new()]
}
