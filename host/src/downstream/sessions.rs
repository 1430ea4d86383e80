//! Downstream sessions: what a client said in `initialize`, under an id that
//! nobody can guess.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;

use crate::pipeline::{Endpoint, Principal};
use crate::protocol::ProtocolVersion;

/// A session that has carried nothing for this long ends; its client is told so
/// by 404 and starts anew.
const IDLE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond this many, the one that has idled longest ends.
const MAX_SESSIONS: usize = 10_000;

/// All downstream sessions of one gateway.
pub struct Sessions {
    open: RwLock<HashMap<Arc<str>, Arc<Session>>>,
    /// Times in sessions count from here.
    epoch: Instant,
}

/// One downstream session.
pub struct Session {
    /// Random, unguessable, visible ASCII.
    pub id: Arc<str>,
    /// Where it was opened; it is unknown anywhere else.
    pub endpoint: Endpoint,
    /// Who opened it; it is unknown to anyone else.
    pub principal: Arc<Principal>,
    /// What was agreed on in `initialize`.
    pub protocol_version: ProtocolVersion,
    last_used_ms: AtomicU64,
}

/// The system gave no random bytes, so no session can be opened safely.
#[derive(Debug, thiserror::Error)]
#[error("no random bytes for a session id: {0}")]
pub struct NoRandomness(getrandom::Error);

impl Default for Sessions {
    fn default() -> Self {
        Self { open: RwLock::default(), epoch: Instant::now() }
    }
}

impl Sessions {
    /// Opens a session. Returns the ids of sessions that ended to make room.
    pub fn open(
        &self,
        endpoint: Endpoint,
        principal: Arc<Principal>,
        protocol_version: ProtocolVersion,
    ) -> Result<(Arc<Session>, Vec<Arc<str>>), NoRandomness> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(NoRandomness)?;
        let id: Arc<str> = URL_SAFE_NO_PAD.encode(random).into();
        let last_used_ms = AtomicU64::new(self.now_ms());
        let session = Arc::new(Session { id: Arc::clone(&id), endpoint, principal, protocol_version, last_used_ms });
        let mut open = self.open.write();
        let ended = if open.len() >= MAX_SESSIONS { self.make_room(&mut open) } else { Vec::new() };
        open.insert(id, Arc::clone(&session));
        Ok((session, ended))
    }

    /// The session of this id, if it was opened at this endpoint by this principal.
    pub fn find(&self, id: &str, endpoint: &Endpoint, principal: &Principal) -> Option<Arc<Session>> {
        let session = Arc::clone(self.open.read().get(id)?);
        let is_theirs = session.endpoint == *endpoint
            && session.principal.kind == principal.kind
            && session.principal.name == principal.name;
        is_theirs.then(|| {
            session.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
            session
        })
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.read().len()
    }

    /// Whether none is open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends a session.
    pub fn close(&self, session: &Session) {
        self.open.write().remove(&session.id);
    }

    /// Ends every session that has idled too long, and returns their ids.
    pub fn end_idle(&self) -> Vec<Arc<str>> {
        let mut open = self.open.write();
        let ended = self.idle_sessions(&open);
        for id in &ended {
            open.remove(id);
        }
        ended
    }

    /// Ends what has idled too long, or at least the one that has idled longest.
    fn make_room(&self, open: &mut HashMap<Arc<str>, Arc<Session>>) -> Vec<Arc<str>> {
        let mut ended = self.idle_sessions(open);
        if ended.is_empty() {
            let longest = open.values().max_by_key(|session| self.idle_time(session));
            ended.extend(longest.map(|session| Arc::clone(&session.id)));
        }
        for id in &ended {
            open.remove(id);
        }
        ended
    }

    fn idle_sessions(&self, open: &HashMap<Arc<str>, Arc<Session>>) -> Vec<Arc<str>> {
        let idle = open.values().filter(|session| self.idle_time(session) > IDLE_LIMIT);
        idle.map(|session| Arc::clone(&session.id)).collect()
    }

    fn idle_time(&self, session: &Session) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(session.last_used_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::PrincipalKind;

    fn principal(name: &str) -> Arc<Principal> {
        Arc::new(Principal {
            kind: PrincipalKind::Client,
            name: name.into(),
            allow: Vec::new(),
            attributes: Vec::new(),
        })
    }

    #[test]
    fn a_session_is_known_only_to_who_opened_it_and_where() {
        let sessions = Sessions::default();
        let alice = principal("alice");
        let (session, _) = sessions.open(Endpoint::Main, Arc::clone(&alice), ProtocolVersion::LATEST).unwrap();
        assert!(sessions.find(&session.id, &Endpoint::Main, &alice).is_some());
        assert!(sessions.find(&session.id, &Endpoint::Main, &principal("bob")).is_none());
        assert!(sessions.find(&session.id, &Endpoint::Api, &alice).is_none());
        assert!(sessions.find("guess", &Endpoint::Main, &alice).is_none());
        sessions.close(&session);
        assert!(sessions.find(&session.id, &Endpoint::Main, &alice).is_none());
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let sessions = Sessions::default();
        let alice = principal("alice");
        let open = || sessions.open(Endpoint::Main, Arc::clone(&alice), ProtocolVersion::LATEST).unwrap();
        for _ in 0..MAX_SESSIONS {
            assert!(open().1.is_empty());
        }
        assert_eq!(open().1.len(), 1);
        assert_eq!(sessions.open.read().len(), MAX_SESSIONS);
    }
}
