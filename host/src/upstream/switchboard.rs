//! Who takes what the server of one session sends on its own. Never a guess: what
//! belongs to nobody for sure is dropped, or refused if it wants an answer.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::names::ServerName;
use crate::upstream::counterpart::{Counterpart, NoClient, ServerMessage, ServerRequest};
use crate::upstream::{ListHints, Pairing};
use crate::wire::{self, Edit, Id, Notification, Request, code};

/// Where a message came from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// The stream that answers the request with this id.
    Call(u64),
    /// What the answers to all calls come on, as from a child process.
    Shared,
    /// A stream for what belongs to no call.
    Aside,
}

/// Knows the calls in flight on one session, and the server's requests that wait for an answer.
pub(super) struct Switchboard {
    server: ServerName,
    /// The downstream session's, where the session is paired with one.
    paired: Option<Arc<dyn Counterpart>>,
    /// Who hears that lists may have changed. Nobody while they are being read: a
    /// server that says so to every new session would have them read for ever.
    hints: Option<Arc<ListHints>>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: HashMap<u64, CallInFlight>,
    /// The server's own requests, by its own ids. An entry goes with its way back,
    /// so whoever bounds those bounds this.
    asked: HashMap<Id, Asked>,
    served: Served,
}

/// Whose calls a session has carried so far.
#[derive(Default)]
enum Served {
    #[default]
    Nobody,
    /// Those of one downstream session.
    One(Arc<str>),
    /// Of several, or of nobody known.
    Several,
}

impl Served {
    fn note(&mut self, client_session: Option<&Arc<str>>) {
        match (&*self, client_session) {
            (Self::Nobody, Some(session)) => *self = Self::One(Arc::clone(session)),
            (Self::One(known), Some(session)) if known == session => {}
            (Self::Nobody | Self::One(_) | Self::Several, _) => *self = Self::Several,
        }
    }
}

struct CallInFlight {
    counterpart: Arc<dyn Counterpart>,
    /// As the client spelled it; `None` where it wants no progress.
    progress_token: Option<Box<str>>,
    /// Until when the server may still be busy with it, though its caller has gone.
    lingers_until: Option<Instant>,
}

/// So long a server may still speak of a call that it was told to cancel.
const LINGER: Duration = Duration::from_secs(5 * 60);

struct Asked {
    serial: u64,
    counterpart: Arc<dyn Counterpart>,
}

/// One call in flight; it has ended when this is dropped.
pub(super) struct Line<'a> {
    switchboard: &'a Switchboard,
    id: u64,
}

/// Goes with the way back for a request of the server's.
struct Forget {
    switchboard: Weak<Switchboard>,
    id: Id,
    serial: u64,
}

impl Switchboard {
    pub(super) fn new(server: &ServerName, pairing: Option<&Pairing>, hints: Option<Arc<ListHints>>) -> Self {
        let paired = pairing.map(|pairing| Arc::clone(&pairing.counterpart));
        Self { server: server.clone(), paired, hints, state: Mutex::default() }
    }

    /// Takes note of a call that is about to be sent under `id`.
    pub(super) fn connect(&self, id: u64, request: &Request, counterpart: &Arc<dyn Counterpart>) -> Line<'_> {
        let progress_token = request.progress_token().map(Into::into);
        let call = CallInFlight { counterpart: Arc::clone(counterpart), progress_token, lingers_until: None };
        let mut state = self.state.lock();
        state.served.note(counterpart.client_session());
        let replaced = state.calls.insert(id, call);
        drop(state);
        debug_assert!(replaced.is_none(), "ids are given once");
        Line { switchboard: self, id }
    }

    /// The call has been answered: nothing that comes after it is for it.
    pub(super) fn disconnect(&self, id: u64) {
        // Dropped after the lock: with its counterpart, ways back to here may go.
        let _ended = self.state.lock().calls.remove(&id);
    }

    /// The caller has gone before the answer, on a connection that all calls share: what
    /// the server still says may be of this call, and is nobody's until it is answered.
    pub(super) fn linger(&self, id: u64) {
        if self.paired.is_some() {
            return;
        }
        let mut state = self.state.lock();
        let ended = state.calls.get_mut(&id).map(|call| {
            call.lingers_until = Some(Instant::now() + LINGER);
            call.progress_token = None;
            std::mem::replace(&mut call.counterpart, Arc::new(NoClient))
        });
        drop(state);
        drop(ended);
    }

    /// The stream of a call was closed before the response, to be taken up again after `retry`.
    pub(super) fn pause(&self, id: u64, retry: Duration) {
        let counterpart = self.state.lock().calls.get(&id).map(|call| Arc::clone(&call.counterpart));
        if let Some(counterpart) = counterpart {
            counterpart.pause(retry);
        }
    }

    /// Takes a notification of the server's.
    pub(super) fn notify(&self, source: Source, notification: Notification) {
        match notification.method() {
            "notifications/progress" => self.take_progress(source, &notification),
            "notifications/cancelled" => self.take_cancellation(&notification),
            "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed" => {
                // Clients are told by the gateway, once what they see has changed.
                if let Some(hints) = &self.hints {
                    hints.tell(&self.server);
                }
            }
            method => match self.counterpart_for(source) {
                Some(counterpart) => counterpart.receive(ServerMessage::Notification(notification)),
                None => {
                    tracing::debug!(upstream.server = %self.server, method, "a notification for nobody was dropped")
                }
            },
        }
    }

    /// Takes a request of the server's; the answer goes to `send`, which must not block.
    pub(super) fn ask(
        self: &Arc<Self>,
        source: Source,
        mut request: Request,
        send: impl Fn(Bytes) + Send + Sync + 'static,
    ) {
        let id = request.id();
        if request.method() == "ping" {
            return send(wire::result_parts(&id, Bytes::from_static(b"{}")).concat().into());
        }
        if let Err(error) = request.find_progress_token() {
            return send(wire::error_response(Some(&id), code::INVALID_PARAMS, &error.to_string()));
        }
        let Some(counterpart) = self.counterpart_for(source) else {
            let problem = "it cannot be told which client this request is for: ask during one of its calls only, \
                           on the stream of that call if there are others";
            return send(wire::error_response(Some(&id), code::METHOD_NOT_FOUND, problem));
        };
        let serial = ServerRequest::next_serial();
        let asked = Asked { serial, counterpart: Arc::clone(&counterpart) };
        let replaced = self.state.lock().asked.insert(id.clone(), asked);
        drop(replaced);
        let forget = Forget { switchboard: Arc::downgrade(self), id, serial };
        let request = ServerRequest::new(request, serial, move |message| {
            let _held = &forget;
            send(message);
        });
        counterpart.receive(ServerMessage::Request(request));
    }

    /// Progress says itself which call it belongs to; on the stream of a call it is that
    /// call's or nobody's, because a server may count tokens of its own.
    fn take_progress(&self, source: Source, notification: &Notification) {
        let Ok([Some(ours)]) = notification.param_members(["progressToken"]) else { return };
        let is_possible = |id: &u64| match source {
            Source::Call(call) => call == *id,
            Source::Shared | Source::Aside => true,
        };
        let found = ours.parse().ok().filter(is_possible).and_then(|id: u64| {
            let state = self.state.lock();
            let call = state.calls.get(&id)?;
            Some((Arc::clone(&call.counterpart), Bytes::copy_from_slice(call.progress_token.as_ref()?.as_bytes())))
        });
        if let Some((counterpart, token)) = found {
            let edit = Edit { range: notification.range_of(ours), replacement: token };
            counterpart.receive(ServerMessage::Notification(notification.edited(vec![edit])));
        }
    }

    /// The server wants no answer any more to a request of its own.
    fn take_cancellation(&self, notification: &Notification) {
        let Ok([Some(theirs)]) = notification.param_members(["requestId"]) else { return };
        let Some(id) = Id::from_json(theirs) else { return };
        let asked = self.state.lock().asked.remove(&id);
        if let Some(Asked { serial, counterpart }) = asked {
            let edit = Edit { range: notification.range_of(theirs), replacement: serial.to_string().into() };
            counterpart.receive(ServerMessage::Notification(notification.edited(vec![edit])));
        }
    }

    fn counterpart_for(&self, source: Source) -> Option<Arc<dyn Counterpart>> {
        let mut state = self.state.lock();
        state.calls.retain(|_, call| call.lingers_until.is_none_or(|until| Instant::now() < until));
        let state = state;
        let counterpart_of = |call: &CallInFlight| Arc::clone(&call.counterpart);
        let paired = || self.paired.clone();
        let only_call = || {
            let mut calls = state.calls.values();
            calls.next().filter(|_| calls.next().is_none()).map(counterpart_of)
        };
        match source {
            Source::Call(id) => state.calls.get(&id).map(counterpart_of).or_else(paired),
            Source::Shared => only_call().or_else(paired),
            // A paired session has one client: for it, what came aside is to stay aside. On
            // others it may be of what was done for another client before.
            Source::Aside => paired().or_else(|| only_call().filter(|_| matches!(state.served, Served::One(_)))),
        }
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let lingers = |state: &State| state.calls.get(&self.id).is_some_and(|call| call.lingers_until.is_some());
        if !lingers(&self.switchboard.state.lock()) {
            self.switchboard.disconnect(self.id);
        }
    }
}

impl Drop for Forget {
    fn drop(&mut self) {
        let Some(switchboard) = self.switchboard.upgrade() else { return };
        let mut state = switchboard.state.lock();
        // A server may give the same id again.
        if state.asked.get(&self.id).is_some_and(|asked| asked.serial == self.serial) {
            let forgotten = state.asked.remove(&self.id);
            drop(state);
            drop(forgotten);
        }
    }
}
