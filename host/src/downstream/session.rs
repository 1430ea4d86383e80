//! One downstream session: what its client said in `initialize`, what is under
//! way for it, and the streams towards it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use parking_lot::Mutex;

use crate::downstream::call::CallLink;
use crate::downstream::credentials::Credentials;
use crate::downstream::event_stream::{EventStream, NotResumable};
use crate::downstream::gate::Gate;
use crate::names::ServerName;
use crate::pipeline::{Endpoint, ItemKind, Principal};
use crate::protocol::{LogLevel, ProtocolVersion};
use crate::upstream::{Cancellation, ClientDeclaration, Reply, ServerMessage, ServerRequest};
use crate::wire::{Id, Notification, Response, code};

/// How many requests of upstreams may wait for the client's answer.
const MAX_PENDING_REQUESTS: usize = 256;
/// How many streams of calls can be taken up again; the one that ended first goes.
const MAX_CALL_STREAMS: usize = 64;
/// For how long the stream of a call that has ended can be taken up again.
const RESUMABLE: Duration = Duration::from_secs(60);
/// How many tasks a session can own.
const MAX_TASKS: usize = 1_000;
/// Of more or longer subscriptions than these it is not kept under which URI they were made.
const MAX_SUBSCRIPTIONS: usize = 10_000;
const MAX_SUBSCRIBED_URI_BYTES: usize = 8 << 10;
/// For how long a request waits for the answer of a client that does not read the stream
/// on which it was asked: it may come back.
const ABSENCE: Duration = Duration::from_secs(5 * 60);
/// The stream that belongs to no call.
const GENERAL_STREAM: u64 = 0;

/// How messages get to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Streamable HTTP: each call has a stream of its own, and there is one for all else.
    PerCall,
    /// HTTP+SSE of 2024-11-05: one stream for everything.
    OneStream,
}

/// A principal, as the authenticators saw it.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) principal: Arc<Principal>,
    /// Of the identities, before the authenticators were asked: what they said is of this one or of a later one.
    pub(crate) generation: u64,
}

/// One downstream session.
pub struct Session {
    /// Random, unguessable, visible ASCII.
    pub id: Arc<str>,
    /// Where it was opened; it is unknown anywhere else.
    pub endpoint: Endpoint,
    /// Who opened it, as last seen; it is unknown to anyone else.
    principal: Mutex<Known>,
    /// Whether `principal` is another than when views were last compared for it.
    principal_changed: AtomicBool,
    /// What it was opened with.
    credentials: Mutex<Option<Arc<Credentials>>>,
    delivery: Delivery,
    /// What the client said in `initialize`.
    declared: OnceLock<ClientDeclaration>,
    log_level: Mutex<Option<LogLevel>>,
    /// Carries what belongs to no call.
    general: Arc<EventStream>,
    /// Through it goes what upstreams say outside of calls; without it, nothing does.
    gate: OnceLock<Gate>,
    state: Mutex<State>,
    /// What the client was last given of each kind of list, by digest; 0 is nothing.
    lists_given: [AtomicU64; 4],
    pub(super) last_used_ms: AtomicU64,
}

#[derive(Default)]
struct State {
    closed: bool,
    /// Its client may not use it any more, so nothing is told to it.
    expelled: bool,
    next_stream: u64,
    streams: VecDeque<(u64, Arc<EventStream>)>,
    next_call: u64,
    /// Calls under way, by the client's own id.
    calls: HashMap<Id, (u64, Cancellation)>,
    /// Requests of upstreams that the client has not answered, by their serial.
    pending: HashMap<u64, Pending>,
    /// Which item each task of the session is a call of, by the task's id; the oldest first.
    tasks: VecDeque<(Box<str>, Arc<str>)>,
    /// Resources that the client wants to hear of, as it spelled their URIs.
    subscriptions: HashSet<Box<str>>,
}

/// A request of an upstream that waits for the client's answer.
struct Pending {
    reply: Reply,
    /// The call that it belongs to, if it is one's.
    call: Option<u64>,
    /// What it was sent on.
    stream: Arc<EventStream>,
}

impl Session {
    pub(super) fn new(id: Arc<str>, endpoint: Endpoint, owner: Known, delivery: Delivery) -> Self {
        let name = (delivery == Delivery::PerCall).then_some(GENERAL_STREAM);
        Self {
            id,
            endpoint,
            principal: Mutex::new(owner),
            principal_changed: AtomicBool::new(false),
            credentials: Mutex::default(),
            delivery,
            declared: OnceLock::new(),
            log_level: Mutex::new(None),
            general: Arc::new(EventStream::new(name)),
            gate: OnceLock::new(),
            state: Mutex::default(),
            lists_given: Default::default(),
            last_used_ms: AtomicU64::new(0),
        }
    }

    /// Keeps what the client said in `initialize`; `false` if it has said it before.
    pub(super) fn declare(&self, client: &ClientDeclaration) -> bool {
        self.declared.set(client.clone()).is_ok()
    }

    /// What the client said in `initialize`; `None` before.
    pub(super) fn declared(&self) -> Option<&ClientDeclaration> {
        self.declared.get()
    }

    /// Who opened it, as last seen.
    pub(super) fn principal(&self) -> Arc<Principal> {
        Arc::clone(&self.principal.lock().principal)
    }

    /// Of which generation of the identities, at least, [`Self::principal`] is.
    pub(super) fn generation(&self) -> u64 {
        self.principal.lock().generation
    }

    /// Whether this is who opened it; if so, it is remembered as it is now: what it
    /// may reach can have changed. What was seen earlier than what is known changes nothing.
    pub(super) fn belongs_to(&self, seen: &Known) -> bool {
        let mut known = self.principal.lock();
        let is_same = known.principal.kind == seen.principal.kind && known.principal.name == seen.principal.name;
        if is_same && known.generation <= seen.generation {
            if *known.principal != *seen.principal {
                self.principal_changed.store(true, Ordering::Release);
            }
            *known = seen.clone();
        }
        is_same
    }

    /// Whether who opened it has been seen to be another since this was last asked.
    pub(super) fn take_principal_change(&self) -> bool {
        self.principal_changed.swap(false, Ordering::AcqRel)
    }

    /// Keeps what it was opened with, or listened to with.
    pub(super) fn keep_credentials(&self, credentials: Credentials) {
        *self.credentials.lock() = Some(Arc::new(credentials));
    }

    /// What it was opened with, or last listened to with.
    pub(super) fn credentials(&self) -> Option<Arc<Credentials>> {
        self.credentials.lock().clone()
    }

    /// Whether each server's own words and names are used.
    pub(super) fn is_transparent(&self) -> bool {
        matches!(self.endpoint, Endpoint::Server(_))
    }

    pub(super) fn log_level(&self) -> Option<LogLevel> {
        *self.log_level.lock()
    }

    pub(super) fn set_log_level(&self, level: LogLevel) {
        *self.log_level.lock() = Some(level);
    }

    /// Begins a call, whose request has this id.
    pub(super) fn begin_call(self: &Arc<Self>, id: Id) -> Arc<CallLink> {
        let cancellation = Cancellation::default();
        let mut state = self.state.lock();
        state.next_call += 1;
        let number = state.next_call;
        state.calls.insert(id.clone(), (number, cancellation.clone()));
        drop(state);
        Arc::new(CallLink::new(Arc::clone(self), id, number, cancellation))
    }

    /// Ends a call. What its upstream still wanted to know, nobody waits for any more.
    pub(super) fn end_call(&self, id: &Id, number: u64) {
        let mut state = self.state.lock();
        // A client may have used the id again.
        if state.calls.get(id).is_some_and(|(current, _)| *current == number) {
            state.calls.remove(id);
        }
        if state.pending.is_empty() {
            return;
        }
        let moot: Vec<_> = state.pending.extract_if(|_, pending| pending.call == Some(number)).collect();
        drop(state);
        for (serial, pending) in moot {
            pending.reply.withdraw();
            if let Some(stream) = self.reachable_stream() {
                stream.send(cancelled(serial));
            }
        }
    }

    /// Passes the client's `notifications/cancelled` on to the call it means.
    pub(super) fn cancel(&self, notice: Notification) {
        let id = notice.param_members(["requestId"]).ok().and_then(|[id]| Id::from_json(id?));
        let call = id.and_then(|id| self.state.lock().calls.get(&id).cloned());
        if let Some((_, call)) = call {
            call.cancel(notice);
        }
    }

    /// Asks the client on this stream, for a call or for none.
    pub(super) fn ask(&self, request: ServerRequest, call: Option<u64>, on: &Arc<EventStream>) {
        let ServerRequest { serial, message, reply, .. } = request;
        let mut state = self.state.lock();
        if state.closed || state.pending.len() >= MAX_PENDING_REQUESTS {
            drop(state);
            return reply.refuse(code::OVERLOADED, "the client has gone, or has too many requests to answer");
        }
        state.pending.insert(serial, Pending { reply, call, stream: Arc::clone(on) });
        drop(state);
        on.send(message);
    }

    /// An upstream wants an answer no more.
    pub(super) fn forget_request(&self, notice: &Notification) {
        if let Some(serial) = serial_in(notice, "requestId") {
            let withdrawn = self.state.lock().pending.remove(&serial);
            if let Some(pending) = withdrawn {
                pending.reply.withdraw();
            }
        }
    }

    /// Passes the client's answer on to the upstream that asked; others go by.
    pub(super) fn answer(&self, response: &Response) {
        let reply = response.id().as_u64().and_then(|serial| self.state.lock().pending.remove(&serial));
        match reply {
            Some(pending) => pending.reply.send(response),
            None => tracing::debug!("a client's answer to nothing that was asked went by"),
        }
    }

    /// Passes the client's progress on to the upstream whose request it is about.
    pub(super) fn tell_progress(&self, progress: &Notification) {
        let Some(serial) = serial_in(progress, "progressToken") else { return };
        if let Some(pending) = self.state.lock().pending.get(&serial) {
            pending.reply.tell_progress(progress);
        }
    }

    /// Lets the client hear what upstreams say outside of calls.
    pub(super) fn hear_through(&self, gate: Gate) {
        // A session has one gate, from its beginning.
        let _ = self.gate.set(gate);
    }

    /// Tells the client what an upstream says outside of calls, if it may hear that.
    pub(super) fn tell(&self, server: &ServerName, message: ServerMessage) {
        if let Some(gate) = self.gate.get() {
            gate.take(server.clone(), message);
        }
    }

    /// The stream that belongs to no call.
    pub(super) fn general(&self) -> &Arc<EventStream> {
        &self.general
    }

    /// A stream for one call; over HTTP+SSE that is the one for everything.
    pub(super) fn open_call_stream(&self) -> Arc<EventStream> {
        if self.delivery == Delivery::OneStream {
            return Arc::clone(&self.general);
        }
        let mut state = self.state.lock();
        state.next_stream += 1;
        let name = state.next_stream;
        let stream = Arc::new(EventStream::new(Some(name)));
        if state.expelled {
            stream.shut();
        } else if self.primes_streams() {
            stream.prime();
        }
        if state.streams.len() >= MAX_CALL_STREAMS {
            let ended = state.streams.iter().position(|(_, stream)| stream.ended_for().is_some());
            // All calls under way: the oldest goes on, but cannot be taken up again.
            state.streams.remove(ended.unwrap_or(0));
        }
        state.streams.push_back((name, Arc::clone(&stream)));
        stream
    }

    /// Opens the stream that belongs to no call, for the client's one reader.
    pub(super) fn listen(&self) -> Body {
        if self.delivery == Delivery::PerCall && self.primes_streams() {
            self.general.prime();
        }
        self.general.read()
    }

    /// Since 2025-11-25; clients of older revisions take every event for a message.
    fn primes_streams(&self) -> bool {
        self.declared().is_some_and(|client| client.protocol_version >= ProtocolVersion::V2025_11_25)
    }

    /// Whether the stream of a call can be closed for a while before its response.
    pub(super) fn can_pause_streams(&self) -> bool {
        self.delivery == Delivery::PerCall && self.primes_streams()
    }

    /// How messages get to the client.
    pub(super) fn delivery(&self) -> Delivery {
        self.delivery
    }

    /// Takes up the stream to which this event belongs.
    pub(super) fn resume(&self, last_event_id: &str) -> Result<Body, NotResumable> {
        let event =
            last_event_id.split_once('-').and_then(|(name, number)| Some((name.parse().ok()?, number.parse().ok()?)));
        let (name, number): (u64, u64) = event.ok_or(NotResumable::Forgotten)?;
        if name == GENERAL_STREAM {
            return self.general.resume(number, self.primes_streams());
        }
        let stream = self.state.lock().streams.iter().find(|(found, _)| *found == name).map(|(_, found)| found.clone());
        stream.ok_or(NotResumable::Forgotten)?.resume(number, self.primes_streams())
    }

    /// Where a message that belongs to no call reaches the client: the stream for
    /// such messages if it is read, otherwise one that is.
    pub(super) fn reachable_stream(&self) -> Option<Arc<EventStream>> {
        if self.general.is_attended() {
            return Some(Arc::clone(&self.general));
        }
        let state = self.state.lock();
        let open = |stream: &&Arc<EventStream>| stream.is_attended() && stream.ended_for().is_none();
        state.streams.iter().rev().map(|(_, stream)| stream).find(open).cloned()
    }

    /// Keeps which item a new task is a call of; `false` if another item's has this id.
    /// Of too many, the oldest is forgotten.
    pub(super) fn keep_task(&self, task: &str, item: &str) -> bool {
        let mut state = self.state.lock();
        if let Some((_, known)) = state.tasks.iter().find(|(id, _)| **id == *task) {
            return **known == *item;
        }
        if state.tasks.len() >= MAX_TASKS {
            state.tasks.pop_front();
        }
        state.tasks.push_back((task.into(), item.into()));
        true
    }

    /// The server does not know the task any more.
    pub(super) fn forget_task(&self, task: &str) {
        self.state.lock().tasks.retain(|(id, _)| **id != *task);
    }

    /// The name of the item that a task is a call of, as the client spelled it.
    pub(super) fn task_item(&self, task: &str) -> Option<Arc<str>> {
        self.state.lock().tasks.iter().find(|(id, _)| **id == *task).map(|(_, item)| Arc::clone(item))
    }

    /// The ids of its tasks, the newest first.
    pub(super) fn tasks(&self) -> Vec<Box<str>> {
        self.state.lock().tasks.iter().rev().map(|(task, _)| task.clone()).collect()
    }

    /// Keeps, or forgets, under which URI the client wants to hear of a resource.
    pub(super) fn note_subscription(&self, uri: &str, is_wanted: bool) {
        let mut state = self.state.lock();
        if !is_wanted {
            state.subscriptions.remove(uri);
        } else if state.subscriptions.len() < MAX_SUBSCRIPTIONS && uri.len() <= MAX_SUBSCRIBED_URI_BYTES {
            state.subscriptions.insert(uri.into());
        }
    }

    /// The first of these URIs under which the client wants to hear of a resource.
    pub(super) fn subscribed_as(&self, uris: impl IntoIterator<Item = String>) -> Option<String> {
        let state = self.state.lock();
        uris.into_iter().find(|uri| state.subscriptions.contains(uri.as_str()))
    }

    /// Notes what the client was given of a kind of list.
    pub(super) fn note_list(&self, kind: ItemKind, digest: u64) {
        self.lists_given[place(kind)].store(digest, Ordering::Release);
    }

    /// What the client was last given of a kind of list; `None` if nothing since it
    /// was last told of a change.
    pub(super) fn list_given(&self, kind: ItemKind) -> Option<u64> {
        Some(self.lists_given[place(kind)].load(Ordering::Acquire)).filter(|digest| *digest != 0)
    }

    /// Whether something is under way: a call, or a client that listens.
    pub(super) fn is_busy(&self) -> bool {
        self.general.is_attended() || self.has_calls()
    }

    /// Whether a call is under way.
    pub(super) fn has_calls(&self) -> bool {
        !self.state.lock().calls.is_empty()
    }

    /// Lets go of streams that can no longer be taken up, and of requests that nobody
    /// will answer.
    pub(crate) fn tidy_up(&self) {
        let is_resumable = |stream: &EventStream| stream.ended_for().is_none_or(|ended| ended < RESUMABLE);
        let is_lost = |stream: &EventStream| stream.unattended_for().is_some_and(|absent| absent > ABSENCE);
        let mut state = self.state.lock();
        state.streams.retain(|(_, stream)| is_resumable(stream));
        let lost: Vec<_> = state.pending.extract_if(|_, pending| is_lost(&pending.stream)).collect();
        drop(state);
        // Outside of the lock: it tells the upstream.
        drop(lost);
    }

    /// Ends every stream at once, those of calls that go on too.
    pub(super) fn expel(&self) {
        let streams: Vec<_> = {
            let mut state = self.state.lock();
            state.expelled = true;
            state.streams.iter().map(|(_, stream)| Arc::clone(stream)).collect()
        };
        self.general.shut();
        streams.iter().for_each(|stream| stream.shut());
    }

    /// Ends its streams; upstreams that wait for the client are told that it has gone.
    pub(super) fn close(&self) {
        let (streams, pending) = {
            let mut state = self.state.lock();
            state.closed = true;
            (std::mem::take(&mut state.streams), std::mem::take(&mut state.pending))
        };
        drop(pending);
        self.general.end();
        // A call that goes on ends its own stream.
        drop(streams);
    }
}

/// Tells the client that it need not answer any more.
fn cancelled(serial: u64) -> Bytes {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{serial},"reason":"the call that it was for has ended"}}}}"#
    )
    .into()
}

/// The number under which the gateway asked the client.
fn serial_in(notification: &Notification, member: &str) -> Option<u64> {
    notification.param_members([member]).ok().and_then(|[serial]| serial?.parse().ok())
}

fn place(kind: ItemKind) -> usize {
    match kind {
        ItemKind::Tool => 0,
        ItemKind::Prompt => 1,
        ItemKind::Resource => 2,
        ItemKind::ResourceTemplate => 3,
    }
}

/// Notifications about something that the client was never given tell it nothing.
pub(super) fn list_changed(kind: ItemKind) -> Bytes {
    let of = match kind {
        ItemKind::Tool => "tools",
        ItemKind::Prompt => "prompts",
        ItemKind::Resource | ItemKind::ResourceTemplate => "resources",
    };
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/{of}/list_changed"}}"#).into()
}
