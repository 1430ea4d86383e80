//! Events out of what calls and requests have at hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use http::{Method, StatusCode, Uri};

use crate::audit::Audit;
use crate::audit::event::{Decision, Event, Kind, NamedPlugin, Target, cut};
use crate::audit::redact::{Captured, without_secrets};
use crate::clock::now_ms;
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{CallError, Decider, Denial, DeniedBy, Endpoint, Failure, Item, Principal, Stage};
use crate::server::AuditDetail;
use crate::upstream::UpstreamError;
use crate::walk::{Caller, Refusal, is_failure};
use crate::wire::{self, borrowed_text, object_members};

/// What becomes known of a call on its way.
#[derive(Default)]
pub(crate) struct CallNotes {
    /// What it is about.
    pub(crate) item: Option<Item>,
    /// The server that takes it.
    pub(crate) server: Option<ServerName>,
    /// What is to be recorded besides.
    pub(crate) detail: Option<Arc<AuditDetail>>,
    /// Who agreed to it.
    pub(crate) deciders: Option<Arc<[Decider]>>,
    /// Who hid the item, which the caller is not told.
    pub(crate) hidden_by: Option<DeniedBy>,
    /// The arguments, if they are to be recorded.
    pub(crate) arguments: Option<Captured>,
    request_bytes: usize,
}

impl CallNotes {
    pub(crate) fn of(request: &wire::Request) -> Self {
        Self { request_bytes: request.size(), ..Self::default() }
    }
}

/// Records a call that has ended. Returns the answer, or where answers wait for their records and
/// this one's cannot be written, that there is none.
pub(crate) async fn record_call(
    audit: Option<&Arc<Audit>>,
    caller: &Caller,
    notes: &mut CallNotes,
    answer: Result<wire::Response, Refusal>,
    arrived_at: Instant,
) -> Result<wire::Response, Refusal> {
    let Some(audit) = audit else { return answer };
    let ticket = audit.record(call_event(caller, notes, &answer, arrived_at));
    if audit.settle(ticket).await { answer } else { Err(Refusal::Unrecorded) }
}

/// A call that has not ended. Dropped before it has, because it broke down or the gateway ends, it is
/// recorded as such.
pub(crate) struct Unended<'a> {
    audit: Option<&'a Arc<Audit>>,
    caller: &'a Caller,
}

impl<'a> Unended<'a> {
    pub(crate) fn new(audit: Option<&'a Arc<Audit>>, caller: &'a Caller) -> Self {
        Self { audit, caller }
    }

    /// It has ended.
    pub(crate) fn end(mut self) {
        self.audit = None;
    }
}

impl Drop for Unended<'_> {
    fn drop(&mut self) {
        let (Some(audit), caller) = (self.audit, self.caller) else { return };
        audit.record(Event {
            request: Some(Arc::clone(&caller.request.id)),
            principal: Some(Arc::clone(&caller.principal)),
            endpoint: Some(caller.request.endpoint.clone()),
            ..Event::new(Kind::Call, Arc::clone(&caller.request.method), "broken-off")
        });
    }
}

fn call_event(
    caller: &Caller,
    notes: &mut CallNotes,
    answer: &Result<wire::Response, Refusal>,
    arrived_at: Instant,
) -> Event {
    let allowed = || notes.deciders.clone().map_or(Decision::None, Decision::Allowed);
    let (decision, outcome) = match answer {
        Ok(response) if is_failure(response) => (allowed(), "error"),
        Ok(_) => (allowed(), "success"),
        Err(Refusal::Policy(denial)) => decision_of(denial),
        Err(Refusal::NotFound { .. }) => match notes.hidden_by.take() {
            Some(by) => (denied(Some(by)), "denied"),
            None => (Decision::None, "not-found"),
        },
        Err(Refusal::InvalidParams(_)) => (allowed(), "invalid"),
        Err(Refusal::Upstream(UpstreamError::Cancelled { .. })) => (allowed(), "cancelled"),
        Err(Refusal::Upstream(_) | Refusal::Headers(_)) => (allowed(), "unavailable"),
        Err(Refusal::TaskNotKept | Refusal::BrokenDown) => (allowed(), "error"),
        Err(Refusal::Overloaded | Refusal::AuditFull | Refusal::Unrecorded) => (Decision::None, "refused"),
    };
    let kind = match (&decision, &*caller.request.method) {
        (Decision::Denied { .. } | Decision::Unavailable(_), _) => Kind::Denial,
        (_, "resources/read") => Kind::Read,
        _ => Kind::Call,
    };
    let target = match (notes.item.take(), answer) {
        (Some(item), _) => Target::Item(shortened(item)),
        (None, Err(Refusal::NotFound { name, .. })) => Target::Asked(short(name)),
        (None, _) => Target::None,
    };
    let response_bytes = answer.as_ref().ok().map(wire::Response::size);
    let result = match (answer, notes.detail.as_ref().filter(|detail| detail.results)) {
        (Ok(response), Some(detail)) => Some(Captured::new(response.outcome().unwrap_or_else(|error| error), detail)),
        _ => None,
    };
    let duration = arrived_at.elapsed();
    Event {
        at_ms: now_ms().saturating_sub_unsigned(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        request: Some(Arc::clone(&caller.request.id)),
        principal: Some(Arc::clone(&caller.principal)),
        endpoint: Some(caller.request.endpoint.clone()),
        server: notes.server.take(),
        target,
        decision,
        duration: Some(duration),
        request_bytes: Some(notes.request_bytes),
        response_bytes,
        arguments: notes.arguments.take(),
        result,
        ..Event::new(kind, Arc::clone(&caller.request.method), outcome)
    }
}

/// As much of a caller's words as is recorded: many events wait, and no word may take what a request may.
fn short(words: &str) -> String {
    cut(&without_secrets(words)).to_owned()
}

/// An item whose name is a caller's own, as that of a resource that nothing lists, may be as long.
fn shortened(item: Item) -> Item {
    let is_short = |words: &str| cut(words).len() == words.len();
    if is_short(&item.name.name) && item.uri.as_deref().is_none_or(is_short) {
        return item;
    }
    let name = CanonicalName { server: item.name.server, name: short(&item.name.name).into() };
    Item { kind: item.kind, name, uri: item.uri.as_deref().map(|uri| short(uri).into()) }
}

fn denied(by: Option<DeniedBy>) -> Decision {
    let (by, code) = by.map(|by| (by.decider, by.reason.code)).unzip();
    Decision::Denied { by, code: code.unwrap_or_else(|| "unauthenticated".to_owned()) }
}

fn decision_of(denial: &Denial) -> (Decision, &'static str) {
    match denial {
        Denial::Unauthenticated { by } => (denied(by.clone()), "denied"),
        Denial::Hidden { by } | Denial::Refused { by } => (denied(Some(by.clone())), "denied"),
        Denial::Unavailable { decider } => (Decision::Unavailable(decider.clone()), "unavailable"),
    }
}

/// Who was refused before anybody knew who it was. Nothing that they say is looked at.
pub(crate) struct Stranger<'a> {
    pub(crate) request: Option<&'a Arc<str>>,
    pub(crate) endpoint: Option<&'a Endpoint>,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) peer: Option<SocketAddr>,
}

/// Records that a stranger was refused by the authenticators, or at the edge.
pub(crate) fn record_stranger(audit: Option<&Arc<Audit>>, stranger: &Stranger<'_>, denial: Option<&Denial>) {
    let Some(audit) = audit else { return };
    let at_the_edge = || (Decision::Denied { by: None, code: "host-or-origin".to_owned() }, "denied");
    let (decision, outcome) = denial.map_or_else(at_the_edge, decision_of);
    audit.record_stranger(Event {
        request: stranger.request.cloned(),
        endpoint: stranger.endpoint.cloned(),
        path: Some(cut(stranger.path).to_owned()),
        peer: stranger.peer.map(|peer| peer.ip().to_string()),
        decision,
        ..Event::new(Kind::Denial, cut(stranger.method.as_str()), outcome)
    });
}

/// Records that somebody asked for an endpoint that is hidden from them.
pub(crate) fn record_hidden_endpoint(
    audit: Option<&Arc<Audit>>,
    (request, principal): (&Arc<str>, &Arc<Principal>),
    endpoint: &Endpoint,
    head: &http::request::Parts,
) {
    let Some(audit) = audit else { return };
    audit.record(Event {
        request: Some(Arc::clone(request)),
        principal: Some(Arc::clone(principal)),
        endpoint: Some(endpoint.clone()),
        path: Some(cut(head.uri.path()).to_owned()),
        server: if let Endpoint::Server(server) = endpoint { Some(server.clone()) } else { None },
        decision: Decision::Denied { by: None, code: "hidden".to_owned() },
        ..Event::new(Kind::Denial, cut(head.method.as_str()), "denied")
    });
}

/// Records that a policy gave no usable answer.
pub(crate) fn policy_failed(audit: &Audit, failure: Failure<'_>) {
    let problem = match failure.error {
        CallError::Trapped { .. } => "trapped",
        CallError::DeadlineExceeded { .. } => "deadline-exceeded",
        CallError::MemoryExceeded { .. } => "memory-exceeded",
        CallError::HostCallsExceeded { .. } => "host-calls-exceeded",
        CallError::MalformedAnswer { .. } => "malformed-answer",
        CallError::Saturated { .. } => "saturated",
    };
    let decider = failure.decider.clone();
    let stage = decider.stage.as_str();
    let is_strangers = failure.decider.stage == Stage::Authenticator;
    let event = Event {
        request: failure.request.map(Arc::from),
        decision: if failure.fail_open { Decision::Passed(decider) } else { Decision::Unavailable(decider) },
        ..Event::new(Kind::PluginFailure, stage, problem)
    };
    if is_strangers {
        // Anybody can ask it anything.
        audit.record_stranger(event);
    } else {
        audit.record(event);
    }
}

/// What the body of a request names, noted where it is read.
#[derive(Debug, Clone, Default)]
pub(crate) struct NamedInBody {
    /// A name, and how long the body is.
    named: Arc<OnceLock<(Option<String>, usize)>>,
    plugin: Arc<OnceLock<NamedPlugin>>,
}

impl NamedInBody {
    /// Looks at a body.
    pub(crate) fn note(&self, body: &[u8]) {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let name = object_members(text, ["name"]).ok().and_then(|[name]| Some(short(&borrowed_text(name?)?)));
        // A body is read once.
        let _noted = self.named.set((name, body.len()));
    }

    /// The plugin that a change is about, or a plan of one.
    pub(crate) fn note_plugin(&self, plugin: NamedPlugin) {
        // A request is one change.
        let _noted = self.plugin.set(plugin);
    }
}

/// Marks an answer that was refused because of the caller's role.
#[derive(Clone)]
pub(crate) struct RefusedByRole;

/// A request of the API that is recorded when it has been answered: one that changes something, or shows secrets.
pub(crate) struct Change {
    audit: Arc<Audit>,
    /// `None` once it is recorded.
    event: Option<Event>,
    is_change: bool,
    body: NamedInBody,
    arrived_at: Instant,
}

impl Change {
    /// Notes who asks for what.
    pub(crate) fn begin(
        audit: &Arc<Audit>,
        request: &Arc<str>,
        principal: &Arc<Principal>,
        method: &Method,
        uri: &Uri,
        body: NamedInBody,
    ) -> Self {
        let (path, query) = (uri.path(), uri.query().unwrap_or_default());
        let entity = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "entity");
        let segments: Vec<&str> = path.trim_start_matches("/api/v0").split('/').skip(1).collect();
        let named = entity.map(|(_, entity)| short(&entity)).or_else(|| Some(short(segments.get(1)?)));
        let event = Event {
            request: Some(Arc::clone(request)),
            principal: Some(Arc::clone(principal)),
            endpoint: Some(Endpoint::Api),
            path: Some(cut(path).to_owned()),
            target: named.map_or(Target::None, Target::Named),
            // Where the caller goes away before the answer; what was begun is finished.
            ..Event::new(Kind::Admin, cut(method.as_str()), "not-waited-for")
        };
        let is_change = is_change(method, &segments, query);
        Self { audit: Arc::clone(audit), event: Some(event), is_change, body, arrived_at: Instant::now() }
    }

    /// Whether it may be answered only if it can be recorded.
    pub(crate) fn must_be_recorded(&self) -> bool {
        self.is_change
    }

    /// It is not carried out, for want of room to record it.
    pub(crate) fn forget(mut self) {
        self.event = None;
    }

    /// Records how it was answered, where anybody may ask: of what was refused only a part one by one.
    pub(crate) async fn end_for_anybody(mut self, status: StatusCode, response_bytes: Option<u64>) {
        if status.is_success() {
            // Once in a gateway's life: its answer, with the token in it, is not withheld.
            let _recorded = self.end(status, false, response_bytes).await;
        } else if let Some(mut event) = self.event.take() {
            (event.outcome, event.status) = ("error", Some(status.as_u16()));
            self.audit.record_stranger(self.finished(event));
        }
    }

    /// Records how it was answered, if that is to be; `false` if it should have been and cannot.
    pub(crate) async fn end(mut self, status: StatusCode, refused_by_role: bool, response_bytes: Option<u64>) -> bool {
        let Some(mut event) = self.event.take() else { return true };
        if !self.is_change && !refused_by_role {
            return true;
        }
        if refused_by_role {
            event.kind = Kind::Denial;
            event.decision = Decision::Denied { by: None, code: "role".to_owned() };
        }
        event.outcome = match status {
            _ if refused_by_role => "denied",
            status if status.is_success() => "success",
            _ => "error",
        };
        event.status = Some(status.as_u16());
        event.response_bytes = response_bytes.and_then(|bytes| usize::try_from(bytes).ok());
        let ticket = self.audit.record(self.finished(event));
        self.audit.settle(ticket).await
    }

    /// With what is known now.
    fn finished(&self, mut event: Event) -> Event {
        event.duration = Some(self.arrived_at.elapsed());
        if let Some((name, bytes)) = self.body.named.get() {
            event.request_bytes = Some(*bytes);
            if let (Target::None, Some(name)) = (&event.target, name) {
                event.target = Target::Named(name.clone());
            }
        }
        event.plugins = self.body.plugin.get().cloned().into_iter().collect();
        if let Target::Named(name) = &event.target {
            event.server = server_named(event.path.as_deref().unwrap_or_default(), name);
        }
        event
    }
}

impl Drop for Change {
    fn drop(&mut self) {
        if let Some(event) = self.event.take().filter(|_| self.is_change) {
            let event = self.finished(event);
            self.audit.record(event);
        }
    }
}

fn is_change(method: &Method, segments: &[&str], query: &str) -> bool {
    match (method, segments) {
        // They are recorded as the calls that they are; and the last only looks something up.
        (_, ["tools", "invoke"] | ["prompts", "render"] | ["resources", "read" | "get"] | ["audit", "verify"]) => false,
        (&Method::GET | &Method::HEAD, ["server_configs"]) => {
            // As the route reads it, which sees through what is encoded.
            url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "reveal")
        }
        (&Method::GET | &Method::HEAD, _) => false,
        _ => true,
    }
}

/// The server that a change is about, if it is about one.
fn server_named(path: &str, name: &str) -> Option<ServerName> {
    let server = match path.trim_start_matches("/api/v0").split('/').nth(1)? {
        "servers" => name,
        "tools" | "prompts" => name.split("__").next()?,
        _ => return None,
    };
    ServerName::parse(server).ok()
}

/// Records a change that a watched folder brought about.
pub(crate) fn record_folder_change(
    audit: Option<&Arc<Audit>>,
    request: &Arc<str>,
    (verb, kind, name): (&'static str, &'static str, &str),
    is_made: bool,
) {
    let Some(audit) = audit else { return };
    audit.record(Event {
        request: Some(Arc::clone(request)),
        principal: Some(Arc::new(Principal::gateway())),
        path: Some("config-dir".to_owned()),
        target: Target::Named(name.to_owned()),
        server: if kind == "server" { ServerName::parse(name).ok() } else { None },
        ..Event::new(Kind::Admin, format!("{verb} {kind}"), if is_made { "success" } else { "error" })
    });
}

/// Records that a watched policies file has changed, with its plugins: whether they run now, or are refused.
pub(crate) fn record_policies_file(
    audit: Option<&Arc<Audit>>,
    request: Arc<str>,
    file: &Path,
    plugins: Vec<NamedPlugin>,
    is_made: bool,
) {
    let Some(audit) = audit else { return };
    audit.record(Event {
        request: Some(request),
        principal: Some(Arc::new(Principal::gateway())),
        path: Some("policies-file".to_owned()),
        target: Target::Named(cut(&file.display().to_string()).to_owned()),
        plugins,
        ..Event::new(Kind::Admin, "put policies", if is_made { "success" } else { "error" })
    });
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::audit::{AuditKey, AuditSettings, Retention, WhenFull};
    use crate::pipeline;
    use crate::protocol::ProtocolVersion;
    use crate::upstream::{ClientDeclaration, NoClient};

    #[test]
    fn what_changes_something_or_shows_secrets_is_recorded_and_calls_are_not_recorded_twice() {
        for (method, path, expected) in [
            (Method::POST, "/api/v0/servers", true),
            (Method::DELETE, "/api/v0/servers/a", true),
            (Method::PUT, "/api/v0/tool-groups/g", true),
            (Method::POST, "/api/v0/tools/disable?entity=a__b", true),
            (Method::GET, "/api/v0/server_configs?reveal=true", true),
            (Method::GET, "/api/v0/server_configs?rev%65al=1", true),
            (Method::GET, "/api/v0/server_configs", false),
            (Method::GET, "/api/v0/servers", false),
            // It runs the component with what it is granted.
            (Method::POST, "/api/v0/plugins/plan", true),
            (Method::POST, "/api/v0/tools/invoke", false),
            (Method::POST, "/api/v0/resources/read", false),
        ] {
            let uri: Uri = path.parse().unwrap();
            let segments: Vec<&str> = uri.path().trim_start_matches("/api/v0").split('/').skip(1).collect();
            assert_eq!(is_change(&method, &segments, uri.query().unwrap_or_default()), expected, "{method} {path}");
        }
    }

    #[test]
    fn the_server_that_a_change_is_about_is_read_from_its_path_and_name() {
        for (path, name, server) in [
            ("/api/v0/servers", "a", Some("a")),
            ("/api/v0/servers/a/enable", "a", Some("a")),
            ("/api/v0/tools/disable", "a__b", Some("a")),
            ("/api/v0/prompts/enable", "a", Some("a")),
            ("/api/v0/tool-groups/g", "g", None),
            ("/api/v0/servers/%20", "%20", None),
        ] {
            assert_eq!(server_named(path, name).as_ref().map(ServerName::as_str), server, "{path}");
        }
    }

    fn audit(folder: &TempDir) -> Arc<Audit> {
        let settings = AuditSettings {
            folder: folder.path().join("journal"),
            max_journal_bytes: 1 << 20,
            when_full: WhenFull::Drop,
            sync: false,
            retention: Retention { max_age_ms: None, max_bytes: None },
        };
        Arc::new(Audit::start(settings, AuditKey::generate().unwrap()).unwrap())
    }

    #[test]
    fn what_strangers_bring_about_is_recorded_up_to_a_bound() {
        let folder = TempDir::new().unwrap();
        let audit = audit(&folder);
        let (id, nobody) = ("r-1".into(), Arc::new(Principal::anonymous()));
        let decider = Decider { stage: Stage::Authenticator, plugin: "corp".into(), digest: "ab".into() };
        let error = CallError::Saturated { plugin: "corp".into(), stage: Stage::Authenticator };
        let uri = Uri::from_static("/init");
        for _ in 0..1_000 {
            policy_failed(&audit, Failure { decider: &decider, fail_open: false, error: &error, request: None });
            let begun = Change::begin(&audit, &id, &nobody, &Method::POST, &uri, NamedInBody::default());
            let ended = begun.end_for_anybody(StatusCode::FORBIDDEN, None);
            futures_util::FutureExt::now_or_never(ended).unwrap();
        }
        // Where the second turns meanwhile, some more.
        assert!((200..1_000).contains(&written(&audit)));
    }

    #[test]
    fn a_callers_words_take_little_memory_however_long_they_are() {
        let long = "x".repeat(1_000_000);
        let name = CanonicalName { server: ServerName::parse("s").unwrap(), name: long.as_str().into() };
        let item = Item { kind: pipeline::ItemKind::Resource, name, uri: Some(long.as_str().into()) };
        let kept = shortened(item);
        assert_eq!((kept.name.name.len(), kept.uri.unwrap().len(), short(&long).len()), (256, 256, 256));
    }

    /// How many records there are once none is waiting.
    fn written(audit: &Audit) -> u64 {
        while audit.figures().waiting > 0 {
            std::thread::yield_now();
        }
        audit.figures().written
    }

    #[test]
    fn a_change_whose_caller_leaves_is_recorded_and_one_that_is_not_carried_out_is_not() {
        let folder = TempDir::new().unwrap();
        let audit = audit(&folder);
        let begin = |method: &Method| {
            let (id, principal) = ("r-1".into(), Arc::new(Principal::anonymous()));
            let uri = Uri::from_static("/api/v0/servers/a");
            Change::begin(&audit, &id, &principal, method, &uri, NamedInBody::default())
        };
        begin(&Method::DELETE).forget();
        drop(begin(&Method::GET));
        assert_eq!(written(&audit), 0);
        drop(begin(&Method::DELETE));
        assert_eq!(written(&audit), 1);
    }

    #[test]
    fn a_call_that_breaks_off_is_recorded_as_such() {
        let folder = TempDir::new().unwrap();
        let audit = audit(&folder);
        let caller = Caller {
            request: pipeline::Request { id: "r-1".into(), endpoint: Endpoint::Main, method: "tools/call".into() },
            principal: Arc::new(Principal::anonymous()),
            client: ClientDeclaration::plain(ProtocolVersion::LATEST),
            side: Arc::new(NoClient),
            log_level: None,
            reaches_disabled: false,
        };
        Unended::new(Some(&audit), &caller).end();
        assert_eq!(written(&audit), 0);
        drop(Unended::new(Some(&audit), &caller));
        assert_eq!(written(&audit), 1);
    }
}
