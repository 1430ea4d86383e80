//! The client's side of one call: what an upstream sends before its response goes
//! to the stream of that call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::catalog::{resource_uri, template_uri};
use crate::downstream::event_stream::EventStream;
use crate::downstream::gate::RESOURCE_UPDATED;
use crate::downstream::session::Session;
use crate::names::ServerName;
use crate::upstream::{Cancellation, Counterpart, Pairing, ServerMessage};
use crate::walk::ClientSide;
use crate::wire::{Edit, Id, Notification};

/// The client's side of one call. Dropped when the call has ended.
pub(super) struct CallLink {
    session: Arc<Session>,
    id: Id,
    /// Tells it from other calls of the session.
    number: u64,
    cancellation: Cancellation,
    server: OnceLock<ServerName>,
    stream: OnceLock<Arc<EventStream>>,
    /// Its client has gone before there was a stream that it could come back to.
    is_abandoned: AtomicBool,
    /// Tells whoever waits for the answer that there is a stream now.
    opened: Notify,
}

impl CallLink {
    pub(super) fn new(session: Arc<Session>, id: Id, number: u64, cancellation: Cancellation) -> Self {
        Self {
            session,
            id,
            number,
            cancellation,
            server: OnceLock::new(),
            stream: OnceLock::new(),
            is_abandoned: AtomicBool::new(false),
            opened: Notify::new(),
        }
    }

    /// The client has gone. The call goes on, but there is nobody to tell or to ask.
    pub(super) fn abandon(&self) {
        self.is_abandoned.store(true, Ordering::Release);
    }

    /// The stream of this call, if it has one by now.
    pub(super) fn stream(&self) -> Option<&Arc<EventStream>> {
        self.stream.get()
    }

    /// The stream of this call, opened now if it has none.
    pub(super) fn open_stream(&self) -> &Arc<EventStream> {
        self.stream.get_or_init(|| {
            self.opened.notify_one();
            self.session.open_call_stream()
        })
    }

    /// Resolves once there is a stream.
    pub(super) async fn stream_opened(&self) {
        self.opened.notified().await;
    }
}

impl Counterpart for CallLink {
    fn receive(&self, message: ServerMessage) {
        // Dropped: a request is thereby refused.
        if self.is_abandoned.load(Ordering::Acquire) && self.stream().is_none() {
            return;
        }
        match (self.server.get(), message) {
            // About a subscription, not about this call.
            (Some(server), ServerMessage::Notification(update)) if update.method() == RESOURCE_UPDATED => {
                self.session.tell(server, ServerMessage::Notification(update));
            }
            (server, message) => {
                deliver(&self.session, server, message, Some(self.number), self.open_stream());
            }
        }
    }

    fn client_session(&self) -> Option<&Arc<str>> {
        Some(&self.session.id)
    }

    fn pause(&self, retry: Duration) {
        // As the upstream does it, where the client knows how to come back.
        if self.session.can_pause_streams() {
            self.open_stream().pause(retry);
        }
    }
}

impl ClientSide for CallLink {
    fn serve_with(&self, server: &ServerName) {
        // One call has one server, so it is set once.
        let _ = self.server.set(server.clone());
    }

    fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    fn pairing(&self, server: &ServerName) -> Option<Pairing> {
        let counterpart = SessionLink { session: Arc::clone(&self.session), server: server.clone() };
        Some(Pairing { id: Arc::clone(&self.session.id), counterpart: Arc::new(counterpart) })
    }

    fn task_item(&self, task: &str) -> Option<Arc<str>> {
        self.session.task_item(task)
    }
}

impl Drop for CallLink {
    fn drop(&mut self) {
        self.session.end_call(&self.id, self.number);
    }
}

/// The client's side of a session of one upstream, outside of any call.
struct SessionLink {
    session: Arc<Session>,
    server: ServerName,
}

impl Counterpart for SessionLink {
    fn receive(&self, message: ServerMessage) {
        self.session.tell(&self.server, message);
    }

    fn is_listening(&self) -> bool {
        self.session.general().is_attended()
    }
}

/// Delivers what belongs to no call.
pub(super) fn deliver_aside(session: &Session, server: &ServerName, message: ServerMessage) {
    match (&message, session.reachable_stream()) {
        (_, Some(stream)) => deliver(session, Some(server), message, None, &stream),
        // They wait for a client that connects again.
        (ServerMessage::Notification(_), None) => {
            deliver(session, Some(server), message, None, session.general());
        }
        // Dropped: nobody could answer it, and its upstream is told so.
        (ServerMessage::Request(_), None) => {}
    }
}

fn deliver(
    session: &Session,
    server: Option<&ServerName>,
    message: ServerMessage,
    call: Option<u64>,
    stream: &Arc<EventStream>,
) {
    match message {
        ServerMessage::Request(request) => session.ask(request, call, stream),
        ServerMessage::Notification(notification) => {
            if notification.method() == "notifications/cancelled" {
                session.forget_request(&notification);
            }
            let renamed = match server {
                Some(server) if !session.is_transparent() => rename_resource(session, server, &notification),
                _ => None,
            };
            stream.send(renamed.unwrap_or_else(|| notification.bytes().clone()));
        }
    }
}

/// An update of a resource under the URI that the client subscribed to, or else the
/// one that the gateway lists it by.
fn rename_resource(session: &Session, server: &ServerName, notification: &Notification) -> Option<bytes::Bytes> {
    if notification.method() != RESOURCE_UPDATED {
        return None;
    }
    let Ok([Some(uri)]) = notification.param_members(["uri"]) else { return None };
    let original = crate::wire::borrowed_text(uri)?;
    let listed = resource_uri(server, &original);
    let known = [listed.clone(), template_uri(server, &original), original.into_owned()];
    let renamed = session.subscribed_as(known).unwrap_or(listed);
    let renamed = serde_json::to_vec(&renamed).expect("text serialises");
    Some(notification.with_edits(vec![Edit { range: notification.range_of(uri), replacement: renamed.into() }]))
}
