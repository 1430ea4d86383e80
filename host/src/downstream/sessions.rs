//! All downstream sessions, each under an id that nobody can guess.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;

use crate::downstream::gate::Gate;
use crate::downstream::session::{Delivery, Known, Session};
use crate::downstream::{Exchange, credentials};
use crate::gateway::Gateway;
use crate::pipeline::Endpoint;

/// A session that has carried nothing for this long ends; its client is told so
/// by 404 and starts anew.
const IDLE_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// Beyond this many, one of whoever has most ends.
const MAX_SESSIONS: usize = 10_000;

/// How often it is looked whether the last answer has been written, while stopping.
const ANSWER_CHECK: Duration = Duration::from_millis(10);

/// All downstream sessions of one gateway.
pub struct Sessions {
    open: RwLock<HashMap<Arc<str>, Arc<Session>>>,
    /// Times in sessions count from here.
    epoch: Instant,
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
    /// Opens a session. Returns the sessions that ended to make room.
    pub(super) fn open(
        &self,
        endpoint: Endpoint,
        owner: Known,
        delivery: Delivery,
    ) -> Result<(Arc<Session>, Vec<Arc<Session>>), NoRandomness> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).map_err(NoRandomness)?;
        let id: Arc<str> = URL_SAFE_NO_PAD.encode(random).into();
        let session = Arc::new(Session::new(Arc::clone(&id), endpoint, owner, delivery));
        session.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
        let mut open = self.open.write();
        let ended = if open.len() >= MAX_SESSIONS { self.make_room(&mut open) } else { Vec::new() };
        open.insert(id, Arc::clone(&session));
        drop(open);
        close_all(&ended);
        Ok((session, ended))
    }

    /// The session of this id, if it was opened at this endpoint by this principal.
    pub(super) fn find(
        &self,
        id: &str,
        endpoint: &Endpoint,
        caller: &Known,
        delivery: Delivery,
    ) -> Option<Arc<Session>> {
        let session = Arc::clone(self.open.read().get(id)?);
        let is_theirs = session.endpoint == *endpoint && session.delivery() == delivery && session.belongs_to(caller);
        is_theirs.then(|| {
            session.last_used_ms.store(self.now_ms(), Ordering::Relaxed);
            session
        })
    }

    /// Ends a session; `false` if it has ended before.
    pub fn close(&self, session: &Session) -> bool {
        let was_open = self.open.write().remove(&session.id).is_some();
        session.close();
        was_open
    }

    /// All that are open.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.open.read().values().cloned().collect()
    }

    /// How many are open.
    pub fn count(&self) -> usize {
        self.open.read().len()
    }

    /// Ends the streams on which clients only listen.
    pub fn stop_listening(&self) {
        for session in self.all() {
            if session.delivery() == Delivery::PerCall {
                session.general().end();
            }
        }
    }

    /// Ends the streams that also carry answers, each after the last of its answers.
    pub async fn end_streams(&self) {
        for session in self.all() {
            while session.has_calls() {
                tokio::time::sleep(ANSWER_CHECK).await;
            }
            session.general().end();
        }
    }

    /// Ends every session that has idled too long, and returns them.
    pub fn end_idle(&self) -> Vec<Arc<Session>> {
        self.end_idle_at(self.now_ms())
    }

    fn end_idle_at(&self, now_ms: u64) -> Vec<Arc<Session>> {
        let mut open = self.open.write();
        let ended = idle_sessions(&open, now_ms);
        remove(&mut open, &ended);
        drop(open);
        close_all(&ended);
        ended
    }

    /// Ends what has idled too long, or at least one: of whoever has most, so that nobody crowds
    /// others out, the one that has idled longest.
    fn make_room(&self, open: &mut HashMap<Arc<str>, Arc<Session>>) -> Vec<Arc<Session>> {
        let now_ms = self.now_ms();
        let mut ended = idle_sessions(open, now_ms);
        if ended.is_empty() {
            let owned: Vec<_> = open.values().map(|session| (session, session.principal())).collect();
            let mut counts: HashMap<_, usize> = HashMap::new();
            for (_, owner) in &owned {
                *counts.entry((owner.kind, &owner.name)).or_default() += 1;
            }
            let longest = owned.iter().max_by_key(|(session, owner)| {
                // One with a call under way goes only if its owner has no other.
                (counts.get(&(owner.kind, &owner.name)), !session.is_busy(), idle_time(session, now_ms))
            });
            ended.extend(longest.map(|(session, _)| Arc::clone(session)));
        }
        remove(open, &ended);
        ended
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Opens a session for whoever sent this request; `None` if that cannot be done
/// safely, which the log tells.
pub(super) fn open(gateway: &Arc<Gateway>, exchange: &Exchange, delivery: Delivery) -> Option<Arc<Session>> {
    let opened = gateway.sessions.open(exchange.endpoint.clone(), exchange.caller(), delivery);
    let (session, ended) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            tracing::error!(%error, "no session could be opened");
            return None;
        }
    };
    for session in ended {
        gateway.upstreams.end_paired(&session.id);
    }
    session.hear_through(Gate::open(Arc::downgrade(gateway), Arc::downgrade(&session)));
    credentials::keep(gateway, exchange, &session);
    Some(session)
}

/// Ends a session with all that belongs to it.
pub(super) fn close(gateway: &Gateway, session: &Session) {
    if gateway.sessions.close(session) {
        gateway.upstreams.end_paired(&session.id);
    }
}

fn idle_sessions(open: &HashMap<Arc<str>, Arc<Session>>, now_ms: u64) -> Vec<Arc<Session>> {
    let is_idle = |session: &&Arc<Session>| idle_time(session, now_ms) > IDLE_LIMIT && !session.is_busy();
    open.values().filter(is_idle).map(Arc::clone).collect()
}

fn idle_time(session: &Session, now_ms: u64) -> Duration {
    Duration::from_millis(now_ms.saturating_sub(session.last_used_ms.load(Ordering::Relaxed)))
}

fn remove(open: &mut HashMap<Arc<str>, Arc<Session>>, ended: &[Arc<Session>]) {
    for session in ended {
        open.remove(&session.id);
    }
}

/// Not while all sessions are locked: upstreams are told.
fn close_all(ended: &[Arc<Session>]) {
    for session in ended {
        session.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Principal, PrincipalKind};

    fn principal(name: &str) -> Known {
        seen(name, &[], 0)
    }

    fn seen(name: &str, allow: &[&str], generation: u64) -> Known {
        let allow = allow.iter().map(|&pattern| pattern.to_owned()).collect();
        let principal = Principal { kind: PrincipalKind::Client, name: name.into(), allow, attributes: Vec::new() };
        Known { principal: Arc::new(principal), generation }
    }

    #[test]
    fn a_session_is_known_only_to_who_opened_it_and_where() {
        let sessions = Sessions::default();
        let alice = principal("alice");
        let (session, _) = sessions.open(Endpoint::Main, alice.clone(), Delivery::PerCall).unwrap();
        assert!(sessions.find(&session.id, &Endpoint::Main, &alice, Delivery::PerCall).is_some());
        assert!(sessions.find(&session.id, &Endpoint::Main, &principal("bob"), Delivery::PerCall).is_none());
        assert!(sessions.find(&session.id, &Endpoint::Api, &alice, Delivery::PerCall).is_none());
        assert!(sessions.find("guess", &Endpoint::Main, &alice, Delivery::PerCall).is_none());
        sessions.close(&session);
        assert!(sessions.find(&session.id, &Endpoint::Main, &alice, Delivery::PerCall).is_none());
    }

    #[test]
    fn a_request_that_was_let_in_earlier_does_not_bring_an_old_allow_list_back() {
        let sessions = Sessions::default();
        let (session, _) = sessions.open(Endpoint::Main, seen("alice", &["*"], 1), Delivery::PerCall).unwrap();
        let allowed_after = |known: Known| {
            assert!(sessions.find(&session.id, &Endpoint::Main, &known, Delivery::PerCall).is_some());
            session.principal().allow.clone()
        };
        assert_eq!(allowed_after(seen("alice", &["github"], 3)), ["github"]);
        assert!(session.take_principal_change());
        assert_eq!(allowed_after(seen("alice", &["*"], 2)), ["github"]);
        assert!(!session.take_principal_change());
        assert_eq!(allowed_after(seen("alice", &["time"], 3)), ["time"]);
        assert_eq!(session.generation(), 3);
    }

    #[tokio::test]
    async fn a_session_does_not_idle_while_its_client_listens_or_a_call_runs() {
        let sessions = Sessions::default();
        let alice = principal("alice");
        let open = || sessions.open(Endpoint::Main, alice.clone(), Delivery::PerCall).unwrap().0;
        let [idle, listening, calling] = [open(), open(), open()];
        let (stream, call) = (listening.listen(), calling.begin_call(1.into()));
        let late_ms = u64::try_from(IDLE_LIMIT.as_millis()).unwrap() + 60_000;

        assert!(sessions.end_idle_at(late_ms / 2).is_empty());
        let ended: Vec<_> = sessions.end_idle_at(late_ms).iter().map(|session| Arc::clone(&session.id)).collect();
        assert_eq!(ended, [Arc::clone(&idle.id)]);
        drop(stream);
        drop(call);
        assert_eq!(sessions.end_idle_at(late_ms).len(), 2);
    }

    #[test]
    fn the_number_of_sessions_is_bounded() {
        let sessions = Sessions::default();
        let alice = principal("alice");
        let open = || sessions.open(Endpoint::Main, alice.clone(), Delivery::PerCall).unwrap();
        for _ in 0..MAX_SESSIONS {
            assert!(open().1.is_empty());
        }
        assert_eq!(open().1.len(), 1);
        assert_eq!(sessions.open.read().len(), MAX_SESSIONS);
    }

    #[test]
    fn who_opens_most_sessions_makes_room() {
        let sessions = Sessions::default();
        let open = |name: &str| sessions.open(Endpoint::Main, principal(name), Delivery::PerCall).unwrap();
        let of_others: Vec<_> = ["alice", "carol"].map(|name| open(name).0).into();
        for _ in of_others.len()..MAX_SESSIONS {
            open("bob");
        }
        for opens in ["bob", "alice", "bob"] {
            let ended = open(opens).1;
            assert_eq!(ended.iter().map(|session| session.principal().name.to_string()).collect::<Vec<_>>(), ["bob"]);
        }
        assert!(of_others.iter().all(|session| sessions.open.read().contains_key(&session.id)));
    }
}
