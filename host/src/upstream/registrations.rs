//! Whose sessions are kept: those of each server as it is registered now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::names::ServerName;
use crate::server::Server;
use crate::upstream::sessions::ServerSessions;

/// A call asks for its sessions within this time after it has found its server.
/// No longer: what other gateways on the same store register is not told here.
const MEMORY: Duration = Duration::from_secs(60);

/// The sessions of all servers, and which registrations ended lately.
#[derive(Default)]
pub(super) struct Registrations {
    sessions: HashMap<ServerName, Arc<ServerSessions>>,
    /// So that a call which found its server before cannot bring it back.
    changes: HashMap<ServerName, Change>,
}

/// What lately became of the registration under a name.
struct Change {
    at: Instant,
    /// `None` after a deregistration.
    current: Option<Arc<Server>>,
}

impl Registrations {
    /// The sessions of this very registration.
    pub(super) fn find(&self, server: &Arc<Server>) -> Option<Arc<ServerSessions>> {
        self.sessions.get(&server.name).filter(|sessions| is_same(&sessions.server, server)).map(Arc::clone)
    }

    /// Whether this registration has ended, as far as is remembered.
    pub(super) fn is_outdated(&self, server: &Arc<Server>) -> bool {
        self.changes.get(&server.name).is_some_and(|change| {
            change.at.elapsed() < MEMORY && !change.current.as_ref().is_some_and(|current| is_same(current, server))
        })
    }

    /// Keeps sessions; those of another registration under the same name are let go.
    pub(super) fn keep(&mut self, sessions: &Arc<ServerSessions>) {
        self.sessions.insert(sessions.server.name.clone(), Arc::clone(sessions));
    }

    /// Takes out what is kept of a registration that has ended.
    pub(super) fn forget(&mut self, server: &Arc<Server>) -> Option<Arc<ServerSessions>> {
        let known = self.changes.get(&server.name).and_then(|change| change.current.as_ref());
        // Registered anew meanwhile: that one has not ended.
        if known.is_none_or(|current| is_same(current, server)) {
            self.remember(&server.name, None);
        }
        self.find(server)?;
        self.sessions.remove(&server.name)
    }

    /// Lets go of what is kept of an earlier registration under this server's name.
    pub(super) fn supersede(&mut self, server: &Arc<Server>) {
        self.remember(&server.name, Some(Arc::clone(server)));
        if self.find(server).is_none() {
            self.sessions.remove(&server.name);
        }
    }

    pub(super) fn all(&self) -> Vec<Arc<ServerSessions>> {
        self.sessions.values().cloned().collect()
    }

    pub(super) fn take_all(&mut self) -> Vec<Arc<ServerSessions>> {
        self.sessions.drain().map(|(_, sessions)| sessions).collect()
    }

    fn remember(&mut self, name: &ServerName, current: Option<Arc<Server>>) {
        self.changes.retain(|_, change| change.at.elapsed() < MEMORY);
        self.changes.insert(name.clone(), Change { at: Instant::now(), current });
    }
}

/// Whether these are one registration, read once or twice.
pub(super) fn is_same(one: &Arc<Server>, other: &Arc<Server>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}
