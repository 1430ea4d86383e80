//! All upstream sessions of one server: which one carries a call, what is opened
//! ahead, what goes when it is idle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::server::{Server, SessionMode, Transport};
use crate::upstream::UpstreamError;
use crate::upstream::background::Background;
use crate::upstream::call::SessionCall;
use crate::upstream::health::{OpenedFor, ServerHealth};
use crate::upstream::http::CallFailure;
use crate::upstream::key::SessionKey;
use crate::upstream::session::{Connector, Purpose, init_timed_out};
use crate::upstream::slot::{IdleLimits, LiveSession, Ready, Slot};
use crate::wire::{self, Response};

/// More would only slow each other down.
const STARTS_AT_ONCE: usize = 4;
/// A spare that nobody needed for so long goes.
const SPARE_LIFETIME: Duration = Duration::from_secs(60);
/// A downstream session that calls nothing for so long may be gone without a word,
/// so what is paired with it goes even where sessions are not to idle out.
const PAIRED_IDLE_LIMIT: Duration = Duration::from_secs(30 * 60);
/// One process costs tens of megabytes.
const PROCESSES_PER_SERVER: usize = 64;
/// One session costs the server some memory, and the gateway less.
const HTTP_SESSIONS_PER_SERVER: usize = 1024;

/// The sessions of one server, as it is registered now.
pub(super) struct ServerSessions {
    pub(super) server: Arc<Server>,
    connector: Arc<Connector>,
    background: Background,
    /// Cancelled when the server is forgotten or the gateway ends; calls in flight end with it.
    ended: CancellationToken,
    starts: Semaphore,
    limit: usize,
    /// One permit for each open session.
    allowance: Arc<Semaphore>,
    /// Tells whoever waits for a permit that a session has become idle.
    became_idle: Notify,
    slots: Mutex<HashMap<Arc<SessionKey>, Arc<Slot>>>,
    /// Asked before anything is opened, told of what became of it.
    health: Arc<ServerHealth>,
}

impl ServerSessions {
    pub(super) fn new(health: Arc<ServerHealth>, connector: Arc<Connector>, ended: CancellationToken) -> Self {
        let server = Arc::clone(&health.server);
        let limit = match server.transport {
            Transport::StreamableHttp { .. } | Transport::Sse { .. } => HTTP_SESSIONS_PER_SERVER,
            Transport::Stdio { .. } => PROCESSES_PER_SERVER,
        };
        let background = connector.background.for_server();
        Self {
            server,
            connector,
            background,
            ended,
            starts: Semaphore::new(STARTS_AT_ONCE),
            limit,
            allowance: Arc::new(Semaphore::new(limit)),
            became_idle: Notify::new(),
            slots: Mutex::default(),
            health,
        }
    }

    /// Carries one call on a session of this key.
    pub(super) async fn call(self: &Arc<Self>, key: SessionKey, call: &SessionCall) -> Result<Response, UpstreamError> {
        let slot = self.slot(key);
        let session = self.lease_for(&slot, call).await?;
        if session.connects_for_each_message() {
            self.health.admit_message()?;
        }
        let answer = session.call(call).await;
        self.note(&answer);
        if self.allowance.available_permits() == 0 {
            self.became_idle.notify_one();
        }
        let failure = match answer {
            Ok(response) => return Ok(response),
            Err(failure) => failure,
        };
        if failure.session_gone || session.is_broken() {
            slot.discard(&session);
        }
        drop(session);
        if !failure.session_gone {
            return Err(failure.error);
        }
        // Once only: the server did not look at the request, so it cannot run twice.
        Box::pin(self.call_again(&slot, call)).await
    }

    async fn call_again(self: &Arc<Self>, slot: &Arc<Slot>, call: &SessionCall) -> Result<Response, UpstreamError> {
        let session = self.lease_for(slot, call).await?;
        let answer = session.call(call).await;
        self.note(&answer);
        answer.map_err(|failure| failure.error)
    }

    /// A server that does not know a session is up.
    fn note(&self, answer: &Result<Response, CallFailure>) {
        let failure = answer.as_ref().err().filter(|failure| !failure.session_gone);
        self.health.note_call(failure.map(|failure| &failure.error));
    }

    /// Sessions that are open, or being opened or closed.
    pub(super) fn open_count(&self) -> usize {
        self.limit - self.allowance.available_permits()
    }

    /// Resolves when calls on these sessions must end.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Closes everything; calls in flight end.
    pub(super) fn end(&self) {
        self.ended.cancel();
        for (_, slot) in self.slots.lock().drain() {
            slot.clear();
        }
    }

    /// Waits, not for ever, until everything that [`Self::end`] closed has ended.
    pub(super) async fn closed(&self, bound: Duration) {
        if !self.background.finish_server(bound).await {
            tracing::debug!(upstream.server = %self.server.name, "sessions are still being ended");
        }
    }

    /// Closes what is paired with a downstream session; calls in flight go on.
    pub(super) fn end_paired(&self, downstream_session: &str) {
        self.slots.lock().retain(|key, _| !is_paired(key, downstream_session));
    }

    /// Sends a notification on what is paired with a downstream session.
    pub(super) fn notify_paired(&self, downstream_session: &str, notification: &wire::Notification) {
        let slots = self.slots.lock();
        let paired = slots.values().filter(|slot| is_paired(&slot.key, downstream_session));
        for session in paired.filter_map(|slot| slot.shared()) {
            session.notify(notification.bytes().clone());
        }
    }

    fn slot(&self, key: SessionKey) -> Arc<Slot> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(&key) {
            return Arc::clone(slot);
        }
        if slots.len() >= self.limit {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1 || !slot.is_empty());
        }
        let key = Arc::new(key);
        let slot = Arc::new(Slot::new(Arc::clone(&key)));
        slots.insert(key, Arc::clone(&slot));
        slot
    }

    /// As [`Self::lease`]; a call that is cancelled before it is sent is never sent.
    async fn lease_for(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        call: &SessionCall,
    ) -> Result<Arc<LiveSession>, UpstreamError> {
        tokio::select! {
            biased;
            _ = call.cancellation.requested() => Err(UpstreamError::Cancelled { server: self.server.name.clone() }),
            session = self.lease(slot) => session,
        }
    }

    /// A session for one call: what is shared, the spare, or a new one.
    async fn lease(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Arc<LiveSession>, UpstreamError> {
        if let Some(ready) = self.take_ready(slot) {
            return Ok(ready);
        }
        if let Some(settled) = slot.claim_spare() {
            settled.await;
            if let Some(ready) = self.take_ready(slot) {
                return Ok(ready);
            }
        }
        if !self.may_share(slot) {
            return Box::pin(self.open_for(slot)).await;
        }
        let limit = self.connector.settings.init_timeout;
        let Ok(turn) = timeout(limit, slot.opening.lock()).await else {
            return Err(init_timed_out(&self.server, limit));
        };
        // Whoever had the turn before may have opened what serves this call too.
        if let Some(ready) = self.take_ready(slot) {
            return Ok(ready);
        }
        // Or found out that it cannot, and then nobody need wait for this one.
        let _turn = self.may_share(slot).then_some(turn);
        Box::pin(self.open_for(slot)).await
    }

    fn take_ready(self: &Arc<Self>, slot: &Arc<Slot>) -> Option<Arc<LiveSession>> {
        match slot.take_ready()? {
            Ready::Shared(session) => Some(session),
            Ready::Spare(session) => {
                self.start_spare(slot);
                Some(session)
            }
        }
    }

    /// Whether the next session to be opened may serve other calls too; for a
    /// stateless HTTP server its first session tells.
    fn may_share(&self, slot: &Slot) -> bool {
        self.always_shares(slot)
            || (matches!(self.server.transport, Transport::StreamableHttp { .. }) && !slot.is_known_for_one())
    }

    fn always_shares(&self, slot: &Slot) -> bool {
        self.server.session_mode == SessionMode::Stateful || slot.key.paired_with.is_some()
    }

    async fn open_for(self: &Arc<Self>, slot: &Arc<Slot>) -> Result<Arc<LiveSession>, UpstreamError> {
        let session = Arc::new(self.open(&slot.key).await?);
        if self.always_shares(slot) {
            slot.share(&session);
            self.watch_idle(slot);
        } else if !session.holds_state() {
            slot.share(&session);
        } else {
            let opened = slot.count_opened_for_one();
            // A process for a call that may never come is worth it only for a server in use.
            let is_process = matches!(self.server.transport, Transport::Stdio { .. });
            if !is_process || opened > 1 {
                self.start_spare(slot);
            }
        }
        Ok(session)
    }

    async fn open(&self, key: &SessionKey) -> Result<LiveSession, UpstreamError> {
        let limit = self.connector.settings.init_timeout;
        let work = self.background.expect_work(Some(self.allowance(limit).await?));
        let Ok(start) = timeout(limit, self.starts.acquire()).await else {
            return Err(init_timed_out(&self.server, limit));
        };
        let _start = start.expect("this semaphore is never closed");
        self.health.admit_opening()?;
        let purpose = Purpose {
            headers: &key.headers,
            client: &key.client,
            paired_with: key.paired_with.as_ref(),
            hints: Some(Arc::clone(&self.connector.hints)),
            listening: self.may_hear(key).then(|| Arc::clone(&self.health.listening)),
            health: Some(Arc::clone(&self.health)),
        };
        let opened = self.connector.open(&self.server, purpose, &self.background, work).await;
        self.health.note_opening(opened.as_ref().err(), OpenedFor::Call);
        let (session, _handshake) = opened?;
        Ok(LiveSession::new(session))
    }

    /// Whether the server may have something to say on such a session outside of calls.
    fn may_hear(&self, key: &SessionKey) -> bool {
        self.server.session_mode == SessionMode::Stateful || key.paired_with.is_some() || key.client.declares_anything()
    }

    /// The right to open one more session, if need be by closing one that nobody misses.
    async fn allowance(&self, limit: Duration) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.allowance).try_acquire_owned() {
            return Ok(permit);
        }
        match timeout(limit, self.await_allowance()).await {
            Ok(permit) => Ok(permit),
            Err(_) => Err(UpstreamError::TooManySessions { server: self.server.name.clone(), limit: self.limit }),
        }
    }

    async fn await_allowance(&self) -> OwnedSemaphorePermit {
        let open = "this semaphore is never closed";
        let mut permit = std::pin::pin!(Arc::clone(&self.allowance).acquire_owned());
        // One is enough, however long it takes to end.
        while !self.dispose_of_one() {
            tokio::select! {
                permit = &mut permit => return permit.expect(open),
                () = self.became_idle.notified() => {}
            }
        }
        permit.await.expect(open)
    }

    /// Closes what is missed least and has idled longest; `false` if nothing can go.
    fn dispose_of_one(&self) -> bool {
        let slots = self.slots.lock();
        let disposable = slots.values().filter_map(|slot| Some((slot.disposability()?, slot)));
        let chosen = disposable.max_by_key(|(disposability, _)| *disposability);
        chosen.is_some_and(|(_, slot)| {
            slot.clear();
            true
        })
    }

    /// Opens a session ahead of the next call, in the background.
    fn start_spare(self: &Arc<Self>, slot: &Arc<Slot>) {
        if !slot.wants_spare() {
            return;
        }
        let (sessions, slot) = (Arc::clone(self), Arc::clone(slot));
        tokio::spawn(async move {
            let opened = tokio::select! {
                opened = sessions.open(&slot.key) => opened,
                () = sessions.ended() => Err(UpstreamError::ShuttingDown),
            };
            match opened {
                Ok(session) => sessions.keep_spare(&slot, &Arc::new(session)),
                Err(error) => {
                    let server = &sessions.server.name;
                    tracing::debug!(upstream.server = %server, %error, "no spare session could be opened");
                    slot.put_spare(None);
                }
            }
        });
    }

    fn keep_spare(&self, slot: &Arc<Slot>, session: &Arc<LiveSession>) {
        slot.put_spare(Some(session));
        self.watch_idle(slot);
    }

    /// Sees to it that what is kept here goes when nobody needs it. One timer for
    /// each slot, however many sessions come and go.
    fn watch_idle(&self, slot: &Arc<Slot>) {
        let is_paired = slot.key.paired_with.is_some();
        let shared = self.always_shares(slot).then(|| {
            let configured = self.connector.settings.session_idle_timeout;
            shared_idle_limit(configured, is_paired)
        });
        let limits = IdleLimits { shared: shared.flatten(), spare: SPARE_LIFETIME };
        slot.watch_with(|| {
            // Weak, and aborted with the slot: a timer keeps nothing open.
            let slot = Arc::downgrade(slot);
            AbortOnDropHandle::new(tokio::spawn(async move {
                while let Some(rest) = slot.upgrade().and_then(|slot| slot.close_idle(&limits)) {
                    sleep(rest).await;
                }
            }))
        });
    }
}

fn is_paired(key: &SessionKey, downstream_session: &str) -> bool {
    key.paired_with.as_ref().is_some_and(|pairing| &*pairing.id == downstream_session)
}

fn shared_idle_limit(configured: Option<Duration>, is_paired: bool) -> Option<Duration> {
    configured.or(is_paired.then_some(PAIRED_IDLE_LIMIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paired_session_idles_out_even_where_others_do_not() {
        let second = Duration::from_secs(1);
        for (configured, is_paired, limit) in [
            (None, false, None),
            (None, true, Some(PAIRED_IDLE_LIMIT)),
            (Some(second), false, Some(second)),
            (Some(second), true, Some(second)),
        ] {
            assert_eq!(shared_idle_limit(configured, is_paired), limit);
        }
    }
}
