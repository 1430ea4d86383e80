//! One upstream session, whatever the transport: opened within a time, called,
//! and closed by dropping it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::names::ServerName;
use crate::protocol::LogLevel;
use crate::server::{Server, Transport};
use crate::upstream::background::{Background, WorkToCome};
use crate::upstream::call::SessionCall;
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::health::ServerHealth;
use crate::upstream::http::{CallFailure, HttpClients, HttpSession, Listening, SseSession};
use crate::upstream::stdio::{ChildCommand, StdioSession};
use crate::upstream::switchboard::Switchboard;
use crate::upstream::{ClientDeclaration, ListHints, Pairing, UpstreamError, UpstreamSettings};
use crate::wire::{self, Edit, Notification, Response};

/// How long a server may take to answer a call that it was told to cancel.
const CANCELLED_GRACE: Duration = Duration::from_secs(10);
/// How long setting the log level may hold up the call that it is set for.
const LOG_LEVEL_TIMEOUT: Duration = Duration::from_secs(5);

/// What opening a session takes besides the server.
pub(super) struct Connector {
    pub(super) settings: UpstreamSettings,
    pub(super) http: HttpClients,
    pub(super) hints: Arc<ListHints>,
    /// The gateway's; each server's is made from it.
    pub(super) background: Background,
}

/// What opening a session takes, whatever the transport.
pub(super) struct Opening<'a> {
    pub(super) server: &'a ServerName,
    pub(super) initialize: wire::Request,
    pub(super) switchboard: Arc<Switchboard>,
    /// Where the session is to listen to what belongs to no call.
    pub(super) listening: Option<Arc<Listening>>,
    /// Told when the server begins to answer over HTTP.
    pub(super) health: Option<Arc<ServerHealth>>,
    pub(super) background: &'a Background,
    /// To be held until the session has ended.
    pub(super) work: WorkToCome,
}

/// What a session is opened for.
#[derive(Clone)]
pub(super) struct Purpose<'a> {
    pub(super) headers: &'a HeaderMap,
    pub(super) client: &'a ClientDeclaration,
    pub(super) paired_with: Option<&'a Pairing>,
    /// Who hears that the server's lists may have changed.
    pub(super) hints: Option<Arc<ListHints>>,
    /// As in [`Opening`].
    pub(super) listening: Option<Arc<Listening>>,
    /// As in [`Opening`].
    pub(super) health: Option<Arc<ServerHealth>>,
}

/// An open session. Dropping it closes it in the background.
pub(super) struct Session {
    server: ServerName,
    link: Link,
    switchboard: Arc<Switchboard>,
    /// 0 was the handshake's.
    next_id: AtomicU64,
    /// The log level last asked for; `None` where the server does not declare logging.
    log_level: Option<tokio::sync::Mutex<Option<LogLevel>>>,
}

/// How a session's messages travel.
enum Link {
    Http(HttpSession),
    Sse(SseSession),
    Stdio(StdioSession),
}

impl Connector {
    /// Connects and performs the handshake, both within the time for it.
    pub(super) async fn open(
        &self,
        server: &Server,
        purpose: Purpose<'_>,
        background: &Background,
        work: WorkToCome,
    ) -> Result<(Session, Handshake), UpstreamError> {
        let limit = self.settings.init_timeout;
        let switchboard = Arc::new(Switchboard::new(&server.name, purpose.paired_with, purpose.hints.clone()));
        let connecting = self.connect(server, purpose, &switchboard, background, work);
        let (link, handshake) = timeout(limit, connecting).await.map_err(|_| init_timed_out(server, limit))??;
        let session = Session {
            server: server.name.clone(),
            link,
            switchboard,
            next_id: AtomicU64::new(1),
            log_level: handshake.declares("logging").then(Default::default),
        };
        Ok((session, handshake))
    }

    async fn connect(
        &self,
        server: &Server,
        purpose: Purpose<'_>,
        switchboard: &Arc<Switchboard>,
        background: &Background,
        work: WorkToCome,
    ) -> Result<(Link, Handshake), UpstreamError> {
        let opening = Opening {
            server: &server.name,
            initialize: handshake::initialize_request(purpose.client, &self.settings.gateway_version)?,
            switchboard: Arc::clone(switchboard),
            listening: purpose.listening,
            health: purpose.health,
            background,
            work,
        };
        match &server.transport {
            Transport::StreamableHttp { url, .. } => {
                let client = self.http.client_for(&server.name, url).await?;
                let (session, handshake) = HttpSession::open(opening, url, client, purpose.headers).await?;
                Ok((Link::Http(session), handshake))
            }
            Transport::Sse { url, .. } => {
                let client = self.http.client_for(&server.name, url).await?;
                let (session, handshake) = SseSession::open(opening, url, client, purpose.headers).await?;
                Ok((Link::Sse(session), handshake))
            }
            Transport::Stdio { command, args, env } => {
                let child = ChildCommand { command, args, env };
                let (session, handshake) = StdioSession::open(opening, child, &self.settings).await?;
                Ok((Link::Stdio(session), handshake))
            }
        }
    }
}

pub(super) fn init_timed_out(server: &Server, limit: Duration) -> UpstreamError {
    let is_child = matches!(server.transport, Transport::Stdio { .. });
    UpstreamError::InitTimedOut { server: server.name.clone(), limit, is_child }
}

impl Session {
    /// Carries a client's call; what the server sends for it comes before the answer.
    pub(super) async fn call(&self, call: &SessionCall) -> Result<Response, CallFailure> {
        // Boxed, as all that few calls need: what is held for every call stays small.
        if let Some(level) = call.log_level {
            Box::pin(self.set_log_level(level)).await;
        }
        let cancelled = || UpstreamError::Cancelled { server: self.server.clone() }.into();
        // Before it has room it is not sent, and then never will be.
        let room = tokio::select! {
            biased;
            _ = call.cancellation.requested() => return Err(cancelled()),
            room = self.room() => room,
        };
        let id = self.take_id();
        let _line = self.switchboard.connect(id, &call.request, &call.counterpart);
        let mut exchange = std::pin::pin!(self.exchange(id, &call.request, room));
        let notice = tokio::select! {
            biased;
            answer = &mut exchange => {
                self.note_log_level(&call.request, &answer).await;
                return answer;
            }
            notice = call.cancellation.requested() => notice,
        };
        self.notify(cancellation_of(id, notice));
        match timeout(CANCELLED_GRACE, exchange).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(_)) => Err(cancelled()),
            Err(_) => {
                if matches!(self.link, Link::Sse(_) | Link::Stdio(_)) {
                    self.switchboard.linger(id);
                }
                Err(cancelled())
            }
        }
    }

    /// Sends a request of the gateway's own.
    pub(super) async fn ask(&self, request: &wire::Request) -> Result<Response, CallFailure> {
        let room = self.room().await;
        self.exchange(self.take_id(), request, room).await
    }

    /// Sends a message that has no answer, after those sent so before. Never waits: a
    /// server that takes none of them is given up.
    pub(super) fn notify(&self, message: Bytes) {
        match &self.link {
            Link::Http(session) => session.notify(message),
            Link::Sse(session) => session.notify(message),
            Link::Stdio(session) => session.notify(message),
        }
    }

    /// Sees to it that the server's log level is the client's.
    async fn set_log_level(&self, wanted: LogLevel) {
        let Some(last_asked_for) = &self.log_level else { return };
        // Held until it is answered: no call that wants it overtakes it.
        let mut last_asked_for = last_asked_for.lock().await;
        // One that is refused is refused again, so it is asked for once.
        if last_asked_for.replace(wanted) == Some(wanted) {
            return;
        }
        #[derive(Serialize)]
        struct Params {
            level: &'static str,
        }
        let params = Params { level: wanted.as_str() };
        let request = wire::Request::author("logging/setLevel", Some(&params)).expect("a word serialises");
        match timeout(LOG_LEVEL_TIMEOUT, self.ask(&request)).await {
            Ok(Ok(answer)) if answer.outcome().is_ok() => {}
            outcome => tracing::debug!(upstream.server = %self.server, ?outcome, "the log level could not be set"),
        }
    }

    /// A level that a client has set by itself need not be asked for again.
    async fn note_log_level(&self, request: &wire::Request, answer: &Result<Response, CallFailure>) {
        let (Some(last_asked_for), "logging/setLevel") = (&self.log_level, request.method()) else { return };
        let Ok([Some(level)]) = request.param_members(["level"]) else { return };
        let level = wire::borrowed_text(level).and_then(|level| LogLevel::parse(&level));
        if level.is_some() && answer.as_ref().is_ok_and(|answer| answer.outcome().is_ok()) {
            *last_asked_for.lock().await = level;
        }
    }

    fn take_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for room for a call where calls share one connection.
    async fn room(&self) -> Option<OwnedSemaphorePermit> {
        match &self.link {
            Link::Http(_) => None,
            Link::Sse(session) => Some(session.room().await),
            Link::Stdio(session) => Some(session.room().await),
        }
    }

    async fn exchange(
        &self,
        id: u64,
        request: &wire::Request,
        room: Option<OwnedSemaphorePermit>,
    ) -> Result<Response, CallFailure> {
        match (&self.link, room) {
            (Link::Http(session), _) => session.call(id, request).await,
            (Link::Sse(session), Some(room)) => Ok(session.call(id, request, room).await?),
            (Link::Stdio(session), Some(room)) => Ok(session.call(id, request, room).await?),
            (Link::Sse(_) | Link::Stdio(_), None) => unreachable!("a call on one connection has room"),
        }
    }

    /// Whether the upstream keeps state for it, so that calls which are to share
    /// none need one each.
    pub(super) fn holds_state(&self) -> bool {
        match &self.link {
            Link::Http(session) => session.has_id(),
            Link::Sse(_) | Link::Stdio(_) => true,
        }
    }

    /// Whether each message needs the server to be reached anew.
    pub(super) fn connects_for_each_message(&self) -> bool {
        match &self.link {
            Link::Http(_) => true,
            Link::Sse(_) | Link::Stdio(_) => false,
        }
    }

    /// Resolves when nothing comes any more that belongs to no call; at once where
    /// nothing ever did.
    pub(super) async fn stream_ended(&self) {
        match &self.link {
            Link::Http(session) => session.listening_ended().await,
            Link::Sse(session) => session.stream_ended().await,
            Link::Stdio(_) => {}
        }
    }

    /// Resolves once there is a stream for what belongs to no call.
    pub(super) async fn stream_begun(&self) {
        match &self.link {
            Link::Http(session) => session.listening_begun().cancelled().await,
            Link::Sse(_) => {}
            Link::Stdio(_) => std::future::pending().await,
        }
    }

    /// Whether there is such a stream, or was.
    pub(super) fn has_stream_begun(&self) -> bool {
        match &self.link {
            Link::Http(session) => session.listening_begun().is_cancelled(),
            Link::Sse(_) => true,
            Link::Stdio(_) => false,
        }
    }

    /// Whether it can carry no further call. Over HTTP most often only the next call tells.
    pub(super) fn is_broken(&self) -> bool {
        match &self.link {
            Link::Http(session) => session.is_closed(),
            Link::Sse(session) => session.is_closed(),
            Link::Stdio(session) => session.is_closed(),
        }
    }
}

/// The client's own words, about the request that the server knows under `id`.
fn cancellation_of(id: u64, notice: &Notification) -> Bytes {
    match notice.param_members(["requestId"]) {
        Ok([Some(theirs)]) => {
            notice.with_edits(vec![Edit { range: notice.range_of(theirs), replacement: id.to_string().into() }])
        }
        _ => notice.bytes().clone(),
    }
}
