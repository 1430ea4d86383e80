//! One call, from a method and its parameters to the upstream's answer: resolve,
//! decide, review, inject, send. The pipeline's endpoints and eras end here.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use thiserror::Error;

use crate::audit::{CallNotes, Captured, Unended, record_call};
use crate::catalog::CatalogServer;
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::{Denial, Endpoint, Item, Observation, Outcome, Pipeline, Principal, Request, UpstreamView};
use crate::protocol::LogLevel;
use crate::server::AuditDetail;
use crate::slow_lane;
use crate::upstream::{Call, Cancellation, ClientDeclaration, Counterpart, NoClient, Pairing, UpstreamError};
use crate::wire::{self, object_members};

mod explain;
mod headers;
mod hearing;
mod read_result;
mod resolve;

pub use explain::{Explanation, explain};
pub use headers::{HeaderError, resolve_headers};
pub(crate) use hearing::may_hear_of;
use resolve::Target;

/// Who calls, and how far they may reach.
#[derive(Clone)]
pub struct Caller {
    /// The request that decisions belong to.
    pub request: Request,
    /// Whom it acts for.
    pub principal: Arc<Principal>,
    /// What upstreams are told of the client.
    pub client: ClientDeclaration,
    /// The client itself, while the call runs.
    pub side: Arc<dyn ClientSide>,
    /// The log level that the client has set.
    pub log_level: Option<LogLevel>,
    /// Whether disabled items can be reached: over the admin API they can.
    pub reaches_disabled: bool,
}

/// The client's side of one call: takes what the upstream sends while it runs.
pub trait ClientSide: Counterpart {
    /// Told once which server takes the call, before anything comes from it.
    fn serve_with(&self, server: &ServerName);

    /// Tells when the client wants the answer no more.
    fn cancellation(&self) -> Cancellation;

    /// The downstream session, for upstream sessions of this server that are to be its
    /// own; `None` if there is no session.
    fn pairing(&self, server: &ServerName) -> Option<Pairing>;

    /// The name, as the client spelled it, of the tool that a task is a call of.
    fn task_item(&self, task: &str) -> Option<Arc<str>>;
}

impl ClientSide for NoClient {
    fn serve_with(&self, _: &ServerName) {}

    fn cancellation(&self) -> Cancellation {
        Cancellation::default()
    }

    fn pairing(&self, _: &ServerName) -> Option<Pairing> {
        None
    }

    fn task_item(&self, _: &str) -> Option<Arc<str>> {
        None
    }
}

/// Why a call got no answer from an upstream.
#[derive(Debug, Error)]
pub enum Refusal {
    /// The parameters do not name anything that could be looked up.
    #[error("{0}")]
    InvalidParams(String),
    /// Unknown, disabled or hidden: the caller cannot tell which.
    #[error("{what} '{name}' not found")]
    NotFound {
        /// `tool`, `prompt` or `resource`.
        what: &'static str,
        /// As the caller spelled it.
        name: String,
    },
    /// A policy ended the walk, and the caller may know.
    #[error(transparent)]
    Policy(Denial),
    /// What the header-injectors yielded cannot be sent.
    #[error(transparent)]
    Headers(#[from] HeaderError),
    /// The upstream gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The task that a call became is unknown to the session, so nobody could ask for it.
    #[error("the server's task could not be kept: its id is in use, or this session has too many tasks")]
    TaskNotKept,
    /// As many calls are in flight as the gateway holds at a time.
    #[error("too many calls are in flight: try again later")]
    Overloaded,
    /// What the gateway does must be recorded, and there is no room to.
    #[error("the audit log has no room, so nothing is done: ask whoever runs this gateway")]
    AuditFull,
    /// The call was made, but what must be recorded before its answer leaves could not be.
    #[error(
        "the call was made, but it could not be recorded, so its answer is withheld: ask whoever runs this gateway"
    )]
    Unrecorded,
    /// A mistake of the gateway's own, which is in the log.
    #[error("the gateway failed to carry out the call: see its log")]
    BrokenDown,
}

/// Each holds its request in memory until its upstream answers, however long that takes.
const MAX_CALLS_IN_FLIGHT: usize = 10_000;

/// Performs a request whose parameters name the item as this endpoint lists it. The answer's id is the upstream
/// connection's: render it under the caller's.
///
/// A call that has begun goes on when nobody waits for it any more: in the
/// revisions with sessions a closed connection does not cancel.
///
/// It begins at once, not when it is first waited for.
pub fn perform(
    gateway: &Arc<Gateway>,
    caller: Caller,
    request: wire::Request,
) -> impl Future<Output = Result<wire::Response, Refusal>> + Send + use<> {
    let admitted = match &gateway.audit {
        _ if gateway.calls.len() >= MAX_CALLS_IN_FLIGHT => Err(Refusal::Overloaded),
        Some(audit) if !audit.has_room() => Err(Refusal::AuditFull),
        _ => Ok(()),
    };
    let running = admitted
        .map(|()| gateway.calls.spawn(slow_lane::wait(perform_to_the_end(Arc::clone(gateway), caller, request))));
    async move {
        running?.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a call broke down");
            Err(Refusal::BrokenDown)
        })
    }
}

/// Sends a request that names no item to a server itself, on the session that is
/// paired with its caller's. Only a server's own endpoint has such requests.
pub async fn ask_server(
    gateway: &Arc<Gateway>,
    caller: Caller,
    server: &ServerName,
    request: wire::Request,
) -> Result<wire::Response, Refusal> {
    if gateway.audit.as_ref().is_some_and(|audit| !audit.has_room()) {
        return Err(Refusal::AuditFull);
    }
    let (arrived_at, mut notes) = (Instant::now(), CallNotes::of(&request));
    notes.server = Some(server.clone());
    let unended = Unended::new(gateway.audit.as_ref(), &caller);
    let answer = ask(gateway, &caller, server, request).await;
    unended.end();
    record_call(gateway.audit.as_ref(), &caller, &mut notes, answer, arrived_at).await
}

async fn ask(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    server: &ServerName,
    request: wire::Request,
) -> Result<wire::Response, Refusal> {
    let snapshot = gateway.snapshot();
    let not_found = || Refusal::NotFound { what: "server", name: server.to_string() };
    let server = snapshot.servers.get(server).filter(|server| server.enabled).ok_or_else(not_found)?;
    let headers = inject_headers(&gateway.pipeline(), caller, server).await?;
    caller.side.serve_with(&server.server.name);
    Ok(gateway.upstreams.call(&server.server, upstream_call(caller, server, request, headers, true)?).await?)
}

/// The request as it goes to its upstream.
fn upstream_call(
    caller: &Caller,
    server: &CatalogServer,
    mut request: wire::Request,
    headers: http::HeaderMap,
    has_own_session: bool,
) -> Result<Call, Refusal> {
    request.find_progress_token().map_err(|error| Refusal::InvalidParams(error.to_string()))?;
    Ok(Call {
        request,
        headers,
        client: caller.client.clone(),
        paired_with: if has_own_session { caller.side.pairing(&server.server.name) } else { None },
        counterpart: Arc::clone(&caller.side) as Arc<dyn Counterpart>,
        cancellation: caller.side.cancellation(),
        log_level: caller.log_level,
    })
}

async fn perform_to_the_end(
    gateway: Arc<Gateway>,
    caller: Caller,
    request: wire::Request,
) -> Result<wire::Response, Refusal> {
    let arrived_at = Instant::now();
    let mut notes = CallNotes::of(&request);
    let unended = Unended::new(gateway.audit.as_ref(), &caller);
    let answer = walk(&gateway, &caller, request, &mut notes).await;
    unended.end();
    if let Err(refusal) = &answer {
        tracing::debug!(request.id = %caller.request.id, request.method = %caller.request.method, ?refusal, "refused");
    }
    gateway.count_call(&caller.request.method, notes.item.as_ref(), &answer, arrived_at);
    gateway.observe(|| observation(&caller, notes.item.clone(), &answer, arrived_at));
    record_call(gateway.audit.as_ref(), &caller, &mut notes, answer, arrived_at).await
}

async fn walk(
    gateway: &Gateway,
    caller: &Caller,
    mut request: wire::Request,
    notes: &mut CallNotes,
) -> Result<wire::Response, Refusal> {
    let pipeline = gateway.pipeline();
    let target = resolve::resolve(gateway, &pipeline, caller, &mut request).await?;
    notes.item = Some(target.item.clone());
    notes.server = Some(target.item.name.server.clone());
    decide(&pipeline, caller, &target, notes).await?;
    notes.deciders = Some(Arc::clone(pipeline.deciders(&caller.request.endpoint)));
    if gateway.audit.is_some()
        && let Some(detail) = &target.server.server.audit
    {
        note_arguments(notes, detail, &request);
    }
    if pipeline.reviews_arguments() && has_arguments(request.method()) {
        Box::pin(review_arguments(&pipeline, caller, &target, &mut request)).await?;
    }
    let headers = inject_headers(&pipeline, caller, &target.server).await?;
    caller.side.serve_with(&target.server.server.name);
    let has_own_session = target.outlives_call || matches!(caller.request.endpoint, Endpoint::Server(_));
    let call = upstream_call(caller, &target.server, request, headers, has_own_session)?;
    let response = gateway.upstreams.call(&target.server.server, call).await?;
    finish_result(&pipeline, caller, &target, response).await
}

/// As the caller gave them: what guards make of them is theirs.
fn note_arguments(notes: &mut CallNotes, detail: &Arc<AuditDetail>, request: &wire::Request) {
    notes.detail = Some(Arc::clone(detail));
    if let (true, Ok([Some(arguments)])) = (detail.arguments, request.param_members(["arguments"])) {
        notes.arguments = Some(Captured::new(arguments, detail));
    }
}

/// What a caller cannot list, it cannot call, and it is not told why.
async fn decide(pipeline: &Pipeline, caller: &Caller, target: &Target, notes: &mut CallNotes) -> Result<(), Refusal> {
    let mut conceal = |denial: Denial| {
        tracing::debug!(request.id = %caller.request.id, ?denial, "denied");
        if let Denial::Hidden { by } = &denial {
            notes.hidden_by = Some(by.clone());
        }
        target.conceal(denial)
    };
    for item in std::iter::once(&target.item).chain(&target.also) {
        hearing::decide(pipeline, &caller.request, &caller.principal, item).await.map_err(&mut conceal)?;
    }
    Ok(())
}

async fn review_arguments(
    pipeline: &Pipeline,
    caller: &Caller,
    target: &Target,
    request: &mut wire::Request,
) -> Result<(), Refusal> {
    let [arguments] =
        request.param_members(["arguments"]).map_err(|error| Refusal::InvalidParams(error.to_string()))?;
    let reviewed = pipeline
        .review_arguments(&caller.request, &caller.principal, &target.item, arguments.unwrap_or("{}"))
        .await
        .map_err(Refusal::Policy)?;
    let Some(rewritten) = reviewed else { return Ok(()) };
    match arguments.map(|arguments| request.range_of(arguments)) {
        Some(range) => request.replace(range, rewritten),
        None => request.insert_param("arguments", &rewritten),
    }
    Ok(())
}

async fn inject_headers(
    pipeline: &Pipeline,
    caller: &Caller,
    catalog_server: &CatalogServer,
) -> Result<http::HeaderMap, Refusal> {
    let view = upstream_view(catalog_server);
    let injected = pipeline.headers(&caller.request, &caller.principal, view).await.map_err(Refusal::Policy)?;
    Ok(resolve_headers(&catalog_server.server, &injected)?)
}

/// What header-injectors are told of a server.
fn upstream_view(server: &CatalogServer) -> UpstreamView<'_> {
    UpstreamView {
        name: &server.server.name,
        transport: server.server.transport.kind(),
        secret_names: &server.secret_names,
    }
}

/// Whether guards review what such a request is given.
fn has_arguments(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// Lets the guards see the result, and gives resources back under the URIs that
/// this endpoint knows. An error of the upstream's own is not ours to touch.
async fn finish_result(
    pipeline: &Pipeline,
    caller: &Caller,
    target: &Target,
    response: wire::Response,
) -> Result<wire::Response, Refusal> {
    let Ok(result) = response.outcome() else { return Ok(response) };
    let reviewed = if pipeline.reviews_results() && brings_result(&caller.request.method) {
        let reviewing = pipeline.review_result(&caller.request, &caller.principal, &target.item, result);
        Box::pin(reviewing).await.map_err(Refusal::Policy)?
    } else {
        None
    };
    let current = match &reviewed {
        Some(reviewed) => {
            std::str::from_utf8(reviewed).expect("a rewrite is checked to be JSON text where it is lifted")
        }
        None => result,
    };
    let renamed = target.asked_uri.as_ref().and_then(|asked| read_result::rename(asked, current));
    Ok(match renamed.or(reviewed) {
        Some(changed) => response.with_result(changed),
        None => response,
    })
}

/// Whether what comes back is the result of an item, and not only word about it.
fn brings_result(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read" | "tasks/result")
}

fn observation(
    caller: &Caller,
    item: Option<Item>,
    answer: &Result<wire::Response, Refusal>,
    arrived_at: Instant,
) -> Observation {
    let (outcome, denied_by) = match answer {
        Ok(response) if is_failure(response) => (Outcome::Error, None),
        Ok(_) => (Outcome::Success, None),
        Err(Refusal::Policy(Denial::Unavailable { decider })) => {
            (Outcome::Unavailable, Some(Arc::clone(&decider.plugin)))
        }
        Err(Refusal::Policy(Denial::Refused { by } | Denial::Hidden { by })) => {
            (Outcome::Denied, Some(Arc::clone(&by.decider.plugin)))
        }
        Err(Refusal::Policy(Denial::Unauthenticated { by })) => {
            (Outcome::Denied, by.as_ref().map(|by| Arc::clone(&by.decider.plugin)))
        }
        Err(Refusal::InvalidParams(_) | Refusal::NotFound { .. }) => (Outcome::Denied, None),
        Err(
            Refusal::Headers(_)
            | Refusal::Upstream(_)
            | Refusal::TaskNotKept
            | Refusal::Overloaded
            | Refusal::AuditFull
            | Refusal::Unrecorded
            | Refusal::BrokenDown,
        ) => (Outcome::Unavailable, None),
    };
    Observation {
        request: caller.request.clone(),
        principal: Some(Arc::clone(&caller.principal)),
        item,
        outcome,
        denied_by,
        duration_us: u64::try_from(arrived_at.elapsed().as_micros()).unwrap_or(u64::MAX),
    }
}

/// Whether the upstream answered with an error, or a tool with one of its own.
pub(crate) fn is_failure(response: &wire::Response) -> bool {
    match response.outcome() {
        Ok(result) => matches!(object_members(result, ["isError"]), Ok([Some("true")])),
        Err(_) => true,
    }
}

/// The body of a call that the gateway itself writes.
pub fn author_call(method: &str, params: &impl serde::Serialize) -> Result<wire::Request, serde_json::Error> {
    wire::Request::author(method, Some(params))
}

/// JSON text of a string.
fn json_text(text: &str) -> Bytes {
    serde_json::to_vec(text).expect("text serialises").into()
}
