//! One request to an upstream, and its caller while it runs.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use http::HeaderMap;
use tokio::sync::Notify;

use crate::protocol::LogLevel;
use crate::upstream::{ClientDeclaration, Counterpart};
use crate::wire::{self, Notification};

/// One request to an upstream, with what decides which session may carry it.
#[derive(Clone)]
pub struct Call {
    /// The message. Names in it are the upstream's own; its id is replaced, and so
    /// is its progress token, if that was looked for.
    pub request: wire::Request,
    /// What the header-injectors yielded, resolved. Part of the session key.
    pub headers: HeaderMap,
    /// What the upstream is told of its client. Part of the session key.
    pub client: ClientDeclaration,
    /// The downstream session with which the upstream session pairs one to one,
    /// whatever the server's session mode. Its id is part of the session key.
    pub paired_with: Option<Pairing>,
    /// Takes what the upstream sends for this call, before the response.
    pub counterpart: Arc<dyn Counterpart>,
    /// Tells when the caller wants the answer no more.
    pub cancellation: Cancellation,
    /// The log level that the client has set; replayed on the session where it differs.
    pub log_level: Option<LogLevel>,
}

/// A downstream session that has upstream sessions to itself.
#[derive(Clone)]
pub struct Pairing {
    /// The downstream session's id.
    pub id: Arc<str>,
    /// Takes what the upstream sends outside of any call.
    pub counterpart: Arc<dyn Counterpart>,
}

/// Its id alone tells one downstream session from another.
impl PartialEq for Pairing {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Pairing {}

impl Hash for Pairing {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// One call as a session carries it.
pub(super) struct SessionCall {
    pub(super) request: wire::Request,
    pub(super) counterpart: Arc<dyn Counterpart>,
    pub(super) cancellation: Cancellation,
    pub(super) log_level: Option<LogLevel>,
}

/// How the caller of one call lets it know that it wants the answer no more.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Request>);

#[derive(Default)]
struct Request {
    notice: OnceLock<Notification>,
    told: Notify,
}

impl Cancellation {
    /// Asks for it, with the client's own `notifications/cancelled`. Only the first counts.
    pub fn cancel(&self, notice: Notification) {
        if self.0.notice.set(notice).is_ok() {
            self.0.told.notify_waiters();
        }
    }

    /// Resolves once the call is to be cancelled.
    pub async fn requested(&self) -> &Notification {
        let told = self.0.told.notified();
        let mut told = std::pin::pin!(told);
        // From here on nothing is missed.
        told.as_mut().enable();
        if let Some(notice) = self.0.notice.get() {
            return notice;
        }
        told.await;
        self.0.notice.get().expect("whoever tells has set it")
    }
}
