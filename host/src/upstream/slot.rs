//! The place of one session key: what is open under it, shared or kept ready.

use std::cmp::Reverse;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use crate::upstream::call::SessionCall;
use crate::upstream::http::CallFailure;
use crate::upstream::key::SessionKey;
use crate::upstream::session::Session;
use crate::wire::Response;

/// An open session with its use.
pub(super) struct LiveSession {
    session: Session,
    calls_in_flight: AtomicUsize,
    last_used: Mutex<Instant>,
}

impl LiveSession {
    pub(super) fn new(session: Session) -> Self {
        Self { session, calls_in_flight: AtomicUsize::new(0), last_used: Mutex::new(Instant::now()) }
    }

    pub(super) async fn call(&self, call: &SessionCall) -> Result<Response, CallFailure> {
        let _in_use = InUse::start(self);
        self.session.call(call).await
    }

    /// As [`Session::notify`].
    pub(super) fn notify(&self, message: Bytes) {
        self.session.notify(message);
    }

    pub(super) fn holds_state(&self) -> bool {
        self.session.holds_state()
    }

    pub(super) fn connects_for_each_message(&self) -> bool {
        self.session.connects_for_each_message()
    }

    pub(super) fn is_broken(&self) -> bool {
        self.session.is_broken()
    }

    /// Since when no call has been running; `None` while one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        (self.calls_in_flight.load(Ordering::Acquire) == 0).then(|| *self.last_used.lock())
    }
}

struct InUse<'a>(&'a LiveSession);

impl<'a> InUse<'a> {
    fn start(live: &'a LiveSession) -> Self {
        live.calls_in_flight.fetch_add(1, Ordering::AcqRel);
        Self(live)
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        *self.0.last_used.lock() = Instant::now();
        self.0.calls_in_flight.fetch_sub(1, Ordering::AcqRel);
    }
}

/// What is open under one key.
pub(super) struct Slot {
    pub(super) key: Arc<SessionKey>,
    /// Held while the first session is opened that others may share.
    pub(super) opening: tokio::sync::Mutex<()>,
    /// Tells whoever waits for the spare that it is there, or will not come.
    spare_settled: Notify,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Carries every call: the session of a stateful server, or a handshake that left no state.
    shared: Option<Arc<LiveSession>>,
    /// Waits for the next call, which will be its only one.
    spare: Option<Arc<LiveSession>>,
    spare_is_starting: bool,
    /// A call waits for the spare that is being started.
    spare_is_claimed: bool,
    /// How many sessions with state of their own were opened here for one call each.
    opened_for_one: u64,
    /// The timer that closes what idles here, while there is something to close.
    idle_watch: Option<AbortOnDropHandle<()>>,
}

/// For how long a session may be idle.
pub(super) struct IdleLimits {
    /// `None` for ever.
    pub(super) shared: Option<Duration>,
    pub(super) spare: Duration,
}

/// How little a session would be missed; the greatest goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Disposability {
    /// A spare, or a handshake: nobody loses any state.
    loses_nothing: bool,
    /// Not for how long: that grows while sessions are compared.
    idle_since: Reverse<Instant>,
}

/// A session that is ready for a call.
pub(super) enum Ready {
    Shared(Arc<LiveSession>),
    Spare(Arc<LiveSession>),
}

impl Slot {
    pub(super) fn new(key: Arc<SessionKey>) -> Self {
        Self { key, opening: tokio::sync::Mutex::default(), spare_settled: Notify::new(), state: Mutex::default() }
    }

    /// What is ready; a spare is given away.
    pub(super) fn take_ready(&self) -> Option<Ready> {
        let mut state = self.state.lock();
        match &state.shared {
            Some(shared) if !shared.is_broken() => return Some(Ready::Shared(Arc::clone(shared))),
            Some(_) => state.shared = None,
            None => {}
        }
        state.spare.take().filter(|spare| !spare.is_broken()).map(Ready::Spare)
    }

    /// Keeps a session for all calls to come.
    pub(super) fn share(&self, session: &Arc<LiveSession>) {
        self.state.lock().shared = Some(Arc::clone(session));
    }

    /// What all calls are carried on, if it is open.
    pub(super) fn shared(&self) -> Option<Arc<LiveSession>> {
        self.state.lock().shared.clone()
    }

    /// Stops sharing this very session; calls on it go on.
    pub(super) fn discard(&self, session: &Arc<LiveSession>) {
        self.state.lock().shared.take_if(|shared| Arc::ptr_eq(shared, session));
    }

    /// Counts a session that was opened for one call, and gives how many there were.
    pub(super) fn count_opened_for_one(&self) -> u64 {
        let mut state = self.state.lock();
        state.opened_for_one += 1;
        state.opened_for_one
    }

    /// Whether sessions here are known to serve one call each, so that nobody need
    /// wait for another's.
    pub(super) fn is_known_for_one(&self) -> bool {
        self.state.lock().opened_for_one > 0
    }

    /// Whether a spare is to be started; if so, the caller must [`Self::put_spare`].
    pub(super) fn wants_spare(&self) -> bool {
        let mut state = self.state.lock();
        let wanted = state.spare.is_none() && !state.spare_is_starting;
        state.spare_is_starting |= wanted;
        wanted
    }

    /// Keeps the spare, or takes note that there is none after all.
    pub(super) fn put_spare(&self, spare: Option<&Arc<LiveSession>>) {
        let mut state = self.state.lock();
        state.spare_is_starting = false;
        state.spare_is_claimed = false;
        state.spare = spare.map(Arc::clone);
        self.spare_settled.notify_waiters();
    }

    /// Lets one call wait for the spare that is being started: it is ready sooner
    /// than anything started now.
    pub(super) fn claim_spare(&self) -> Option<Notified<'_>> {
        let mut state = self.state.lock();
        let claimed = state.spare_is_starting && !state.spare_is_claimed;
        state.spare_is_claimed |= claimed;
        claimed.then(|| self.spare_settled.notified())
    }

    /// Starts the timer for what idles here, unless it runs already.
    pub(super) fn watch_with(&self, start: impl FnOnce() -> AbortOnDropHandle<()>) {
        self.state.lock().idle_watch.get_or_insert_with(start);
    }

    /// Closes what has been idle for too long, and gives when to look again; `None`
    /// ends the watch, because nothing is left here that could idle out.
    pub(super) fn close_idle(&self, limits: &IdleLimits) -> Option<Duration> {
        let mut state = self.state.lock();
        let is_listening = self.is_listened_to();
        let shared = limits.shared.and_then(|limit| match &state.shared {
            Some(_) if is_listening => Some(limit),
            _ => close_if_idle(&mut state.shared, limit),
        });
        let spare = close_if_idle(&mut state.spare, limits.spare);
        let rest = shared.into_iter().chain(spare).min();
        if rest.is_none() {
            state.idle_watch = None;
        }
        rest
    }

    /// A client that listens wants what comes on it, even if it calls nothing.
    fn is_listened_to(&self) -> bool {
        self.key.paired_with.as_ref().is_some_and(|pairing| pairing.counterpart.is_listening())
    }

    /// Closes whatever is open here; calls in flight go on.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        state.shared = None;
        state.spare = None;
    }

    /// Whether nothing is open or being opened here.
    pub(super) fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.shared.is_none() && state.spare.is_none() && !state.spare_is_starting
    }

    /// How well what is open here can go, if it can: of sessions with state only
    /// those that are paired, whose client is served by a new one at its next call,
    /// and listens to nothing until then.
    pub(super) fn disposability(&self) -> Option<Disposability> {
        let state = self.state.lock();
        let session = state.shared.as_ref().or(state.spare.as_ref())?;
        let loses_nothing = state.shared.is_none() || !session.holds_state();
        let may_go = loses_nothing || (self.key.paired_with.is_some() && !self.is_listened_to());
        let idle_since = session.idle_since().filter(|_| may_go)?;
        Some(Disposability { loses_nothing, idle_since: Reverse(idle_since) })
    }
}

/// Gives how much longer a session that stays may idle.
fn close_if_idle(kept: &mut Option<Arc<LiveSession>>, limit: Duration) -> Option<Duration> {
    match kept.as_ref()?.idle_since().map(|since| since.elapsed()) {
        Some(idle) if idle >= limit => {
            *kept = None;
            None
        }
        Some(idle) => Some(limit - idle),
        None => Some(limit),
    }
}
