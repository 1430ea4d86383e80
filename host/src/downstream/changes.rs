//! Telling clients that a list has changed: those whose own view of it has, and nobody else.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::catalog::{View, ViewScope};
use crate::downstream::session::{Session, list_changed};
use crate::gateway::Gateway;
use crate::pipeline::{Endpoint, ItemKind, Principal, Request};
use crate::slow_lane;

/// Notes what a client is given now. If it is outdated already, the client will be told.
pub(super) fn note(gateway: &Gateway, session: &Session, kind: ItemKind, view: &View) {
    session.note_list(kind, view.digest);
    // Between the making of the view and the note, who tells of changes may have passed by.
    let has_snapshot = gateway.snapshot().revision == view.snapshot_revision();
    if !has_snapshot || gateway.pipeline().revision() != view.pipeline_revision() {
        gateway.views_changed();
    }
}

/// Tells of changes until the gateway ends.
pub(crate) async fn tell(gateway: Weak<Gateway>, mut changed: tokio::sync::watch::Receiver<()>) {
    while changed.changed().await.is_ok() {
        let Some(gateway) = gateway.upgrade() else { return };
        slow_lane::wait(tell_all(gateway)).await;
    }
}

async fn tell_all(gateway: Arc<Gateway>) {
    // Sessions of the same principal at the same endpoint see the same.
    let mut digests = HashMap::new();
    for session in gateway.sessions.all() {
        tell_session(&gateway, &session, &mut digests).await;
    }
}

type Digests = HashMap<(Arc<Principal>, Endpoint, ItemKind), Option<u64>>;

async fn tell_session(gateway: &Gateway, session: &Session, digests: &mut Digests) {
    let mut told: Vec<bytes::Bytes> = Vec::new();
    for kind in ItemKind::ALL {
        let Some(given) = session.list_given(kind) else { continue };
        let key = (session.principal(), session.endpoint.clone(), kind);
        let current = match digests.get(&key) {
            Some(current) => *current,
            None => {
                let current = digest(gateway, session, kind).await;
                digests.insert(key, current);
                current
            }
        };
        // A policy that cannot decide changes nothing that could be told.
        if current.is_none_or(|current| current == given) {
            continue;
        }
        // Until it lists again there is nothing new to tell it.
        session.note_list(kind, 0);
        let notification = list_changed(kind);
        if !told.contains(&notification) {
            session.general().send(notification.clone());
            told.push(notification);
        }
    }
}

async fn digest(gateway: &Gateway, session: &Session, kind: ItemKind) -> Option<u64> {
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    let method = kind.list_method();
    let request = Request { id: gateway.next_request_id(), endpoint: session.endpoint.clone(), method: method.into() };
    let principal = session.principal();
    let scope = ViewScope { snapshot: &snapshot, pipeline: &pipeline, request: &request, principal: &principal };
    gateway.views.view(scope, kind).await.ok().map(|view| view.digest)
}
