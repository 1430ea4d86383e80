//! The health of all servers, each as it is registered now.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;

use crate::names::ServerName;
use crate::server::Server;
use crate::upstream::ListHints;
use crate::upstream::health::{HealthState, ServerHealth};
use crate::upstream::registrations::is_same;

/// Who is up and who is not.
pub(in crate::upstream) struct HealthBook {
    attempt_limit: Duration,
    hints: Arc<ListHints>,
    servers: RwLock<HashMap<ServerName, Arc<ServerHealth>>>,
}

impl HealthBook {
    pub(in crate::upstream) fn new(attempt_limit: Duration, hints: Arc<ListHints>) -> Self {
        Self { attempt_limit, hints, servers: RwLock::default() }
    }

    /// The health of this very registration, if anything was asked of it.
    pub(in crate::upstream) fn find(&self, server: &Arc<Server>) -> Option<Arc<ServerHealth>> {
        let servers = self.servers.read();
        servers.get(&server.name).filter(|health| is_same(&health.server, server)).map(Arc::clone)
    }

    /// The health of this very registration.
    pub(in crate::upstream) fn of(&self, server: &Arc<Server>) -> Arc<ServerHealth> {
        self.find(server).unwrap_or_else(|| self.begin(server, HealthState::Unknown))
    }

    /// Starts anew for a registration, unless somebody else just has.
    pub(in crate::upstream) fn begin(&self, server: &Arc<Server>, state: HealthState) -> Arc<ServerHealth> {
        let mut servers = self.servers.write();
        if let Some(health) = servers.get(&server.name).filter(|health| is_same(&health.server, server)) {
            if state == HealthState::Healthy {
                health.note_call(None);
            }
            return Arc::clone(health);
        }
        let health = self.apart(server, state);
        servers.insert(server.name.clone(), Arc::clone(&health));
        health
    }

    /// Health that nobody else sees, of a registration that may have ended.
    pub(in crate::upstream) fn apart(&self, server: &Arc<Server>, state: HealthState) -> Arc<ServerHealth> {
        let hints = Arc::clone(&self.hints);
        Arc::new(ServerHealth::new(Arc::clone(server), self.attempt_limit, hints, state))
    }

    /// Lets go of a registration that has ended.
    pub(in crate::upstream) fn forget(&self, server: &Arc<Server>) {
        let mut servers = self.servers.write();
        if servers.get(&server.name).is_some_and(|health| is_same(&health.server, server)) {
            servers.remove(&server.name);
        }
    }
}
