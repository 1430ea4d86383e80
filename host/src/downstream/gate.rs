//! What upstreams say outside of calls, on its way to one session: what its principal may
//! not hear of any more is dropped, and the rest goes through in order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use crate::catalog::ViewScope;
use crate::downstream::session::Session;
use crate::downstream::{call, credentials};
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::{Denial, Request};
use crate::slow_lane;
use crate::upstream::ServerMessage;
use crate::walk;
use crate::wire::{Notification, borrowed_text};

/// So much may wait for policies to decide; what comes beyond it is dropped.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// The notification that names what it is about.
pub(super) const RESOURCE_UPDATED: &str = "notifications/resources/updated";

/// The way to one session.
pub(super) struct Gate {
    arrived: mpsc::UnboundedSender<(ServerName, ServerMessage)>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Gate {
    /// Lets messages through as long as the session lasts.
    pub(super) fn open(gateway: Weak<Gateway>, session: Weak<Session>) -> Self {
        let (arrived, arriving) = mpsc::unbounded_channel();
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        tokio::spawn(let_through(gateway, session, arriving, Arc::clone(&waiting_bytes)));
        Self { arrived, waiting_bytes }
    }

    /// Takes a message of this server's. A request that is dropped is thereby refused.
    pub(super) fn take(&self, server: ServerName, message: ServerMessage) {
        let size = size_of(&message);
        if self.waiting_bytes.fetch_add(size, Ordering::AcqRel) + size > MAX_WAITING_BYTES {
            self.waiting_bytes.fetch_sub(size, Ordering::AcqRel);
            tracing::warn!(upstream.server = %server, "a client was not told what its server says: too much at a time");
            return;
        }
        // Refused only when the session has ended, and nobody is left to tell.
        let _ended = self.arrived.send((server, message));
    }
}

async fn let_through(
    gateway: Weak<Gateway>,
    session: Weak<Session>,
    mut arriving: mpsc::UnboundedReceiver<(ServerName, ServerMessage)>,
    waiting_bytes: Arc<AtomicUsize>,
) {
    while let Some((server, message)) = arriving.recv().await {
        let size = size_of(&message);
        let (Some(gateway), Some(session)) = (gateway.upgrade(), session.upgrade()) else { return };
        slow_lane::wait(let_one_through(gateway, session, server, message)).await;
        waiting_bytes.fetch_sub(size, Ordering::AcqRel);
    }
}

async fn let_one_through(gateway: Arc<Gateway>, session: Arc<Session>, server: ServerName, message: ServerMessage) {
    match may_hear(&gateway, &session, &server, &message).await {
        Ok(true) => call::deliver_aside(&session, &server, message),
        // A policy that cannot decide is in the log by now.
        Ok(false) | Err(_) => {
            tracing::debug!(upstream.server = %server, "a client was not told what its server says: hidden");
        }
    }
}

/// An update is about one resource; everything else is about its server.
async fn may_hear(
    gateway: &Gateway,
    session: &Session,
    server: &ServerName,
    message: &ServerMessage,
) -> Result<bool, Denial> {
    // A change of its client may just have been made, and the session still be about to notice.
    if !credentials::is_up_to_date(gateway, session).await {
        return Ok(false);
    }
    let principal = session.principal();
    let method: Arc<str> = match message {
        ServerMessage::Notification(notification) => notification.method().into(),
        ServerMessage::Request(request) => (*request.method).into(),
    };
    let request = Request { id: gateway.next_request_id(), endpoint: session.endpoint.clone(), method };
    if let ServerMessage::Notification(notification) = message
        && let Some(uri) = updated_resource(notification)
    {
        return walk::may_hear_of(gateway, &request, &principal, server, &uri).await;
    }
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let scope = ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &principal };
    gateway.views.shows_server(scope, server).await
}

/// The server's own URI of the resource that was updated.
fn updated_resource(notification: &Notification) -> Option<String> {
    if notification.method() != RESOURCE_UPDATED {
        return None;
    }
    let [uri] = notification.param_members(["uri"]).ok()?;
    Some(borrowed_text(uri?)?.into_owned())
}

fn size_of(message: &ServerMessage) -> usize {
    match message {
        ServerMessage::Notification(notification) => notification.bytes().len(),
        ServerMessage::Request(request) => request.message.len(),
    }
}
