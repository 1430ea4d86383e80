//! Facing MCP servers: connections, sessions, children. In reading order:
//!
//! - `registrations`: which servers have sessions here.
//! - `sessions`: which session carries a call; `key` and `slot` are its parts.
//! - `session`: one session, whatever the transport; `handshake` begins each.
//! - `http` and `stdio`: the transports; `inbox` is what two of them share.
//! - `supervise`: the process between the gateway and a child.
//! - `call`: one request, and its caller while it runs.
//! - `counterpart`: who takes what an upstream sends on its own; `switchboard` finds out whom that is.
//! - `health`: whether a server is up.
//! - `hints`: word that a server's lists may have changed.
//! - `background`: what goes on when nobody waits for it any more.
//! - `offer`: listing all that a server has; `listening`: hearing that it has something else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderMap;
use bytes::Bytes;
use parking_lot::RwLock;
use tokio_util::sync::CancellationToken;

use crate::names::ServerName;
use crate::pipeline::ItemKind;
use crate::protocol::ProtocolVersion;
use crate::secret::Secret;
use crate::server::Server;
use crate::upstream::background::Background;
use crate::upstream::call::SessionCall;
use crate::upstream::health::{HealthBook, OpenedFor};
use crate::upstream::key::SessionKey;
use crate::upstream::registrations::Registrations;
use crate::upstream::session::Connector;
use crate::upstream::sessions::ServerSessions;
use crate::wire;

mod background;
mod call;
mod counterpart;
mod error;
mod handshake;
mod health;
mod hints;
mod http;
mod inbox;
mod key;
mod lines;
mod listening;
mod malformed;
mod offer;
mod outbox;
mod registrations;
mod session;
mod sessions;
mod slot;
mod stdio;
mod supervise;
mod switchboard;

pub use call::{Call, Cancellation, Pairing};
pub use counterpart::{Counterpart, NoClient, Reply, ServerMessage, ServerRequest};
pub use error::UpstreamError;
pub use health::{Failure, Health, HealthState, HealthWatch};
pub use hints::ListHints;
pub use listening::{ListeningSession, tells_of_changes};
pub use supervise::supervise;

/// What upstream connections depend on from outside.
#[derive(Debug, Clone)]
pub struct UpstreamSettings {
    /// How long connecting and `initialize` may take together.
    pub init_timeout: Duration,
    /// After how long without a call a stateful session is closed; `None` for never.
    pub session_idle_timeout: Option<Duration>,
    /// The program that supervises a child process, and its leading arguments;
    /// the child's own command and arguments follow. See `upstream::supervise`.
    pub supervisor: (PathBuf, Vec<String>),
    /// What every child finds in its environment besides its own `env`.
    pub child_environment: BTreeMap<String, String>,
    /// Where HTTP requests go through a proxy.
    pub proxies: ProxySettings,
    /// Names the gateway to upstreams in `clientInfo`: its version.
    pub gateway_version: String,
}

/// The usual proxy variables.
#[derive(Debug, Clone, Default)]
pub struct ProxySettings {
    /// `HTTP_PROXY`: for `http://` upstreams. May hold credentials.
    pub http: Option<Secret>,
    /// `HTTPS_PROXY`: for `https://` upstreams. May hold credentials.
    pub https: Option<Secret>,
    /// `NO_PROXY`: hosts to reach directly, as curl reads it.
    pub no_proxy: Option<String>,
}

/// How long the end of the gateway may wait for sessions to be ended and children
/// to be reaped: what a supervisor takes for the worst child, and a second for what
/// follows. Less than the gateway's own bound on it, so that it is told what was left.
const SHUTDOWN_BOUND: Duration = supervise::GRACE.saturating_mul(3).saturating_add(Duration::from_secs(1));
/// How long a deregistration waits for the same.
const FORGET_BOUND: Duration = Duration::from_secs(2);

/// All upstream connections of one gateway.
pub struct Upstreams {
    connector: Arc<Connector>,
    servers: RwLock<Registrations>,
    hints: Arc<ListHints>,
    health: HealthBook,
    /// Cancelled when the gateway ends. Each server's token is a child of it.
    ended: CancellationToken,
}

/// What an upstream is told of its client in `initialize`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientDeclaration {
    /// The revision to ask for.
    pub protocol_version: ProtocolVersion,
    /// The client's `capabilities`, JSON text.
    pub capabilities: Bytes,
}

impl ClientDeclaration {
    /// A client that takes no requests from servers.
    pub fn plain(protocol_version: ProtocolVersion) -> Self {
        Self { protocol_version, capabilities: Bytes::from_static(b"{}") }
    }

    /// Whether the client has any capability, so that servers may turn to it.
    pub(crate) fn declares_anything(&self) -> bool {
        self.capabilities.iter().filter(|byte| !byte.is_ascii_whitespace()).ne(b"{}")
    }
}

/// All that an upstream offers, as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// The result of `initialize`, JSON text.
    pub initialize: Bytes,
    /// Definitions of tools, each JSON text as the upstream sent it, in its order.
    pub tools: Vec<Bytes>,
    /// As `tools`; empty also where the upstream does not declare the capability.
    pub prompts: Vec<Bytes>,
    /// As `prompts`.
    pub resources: Vec<Bytes>,
    /// As `prompts`.
    pub resource_templates: Vec<Bytes>,
}

/// What a server offers by now.
#[derive(Debug, Clone)]
pub struct Refetched {
    /// All that could be read.
    pub offer: Offer,
    /// Of which kinds the list could not be read, and why: in `offer` they are empty.
    pub unread: Vec<(ItemKind, UpstreamError)>,
}

impl Upstreams {
    /// Connects to nothing yet.
    pub fn new(settings: UpstreamSettings) -> Result<Self, UpstreamError> {
        let http = http::HttpClients::new(&settings)?;
        let hints = Arc::new(ListHints::default());
        let health = HealthBook::new(settings.init_timeout, Arc::clone(&hints));
        let connector = Connector { settings, http, hints: Arc::clone(&hints), background: Background::default() };
        Ok(Self {
            connector: Arc::new(connector),
            servers: RwLock::default(),
            hints,
            health,
            ended: CancellationToken::new(),
        })
    }

    /// Sends a request and waits for its answer, an error of the upstream's own included.
    pub async fn call(&self, server: &Arc<Server>, call: Call) -> Result<wire::Response, UpstreamError> {
        let Call { request, headers, client, paired_with, counterpart, cancellation, log_level } = call;
        let key = SessionKey { headers, client, paired_with };
        let call = SessionCall { request, counterpart, cancellation, log_level };
        let (sessions, is_kept) = self.sessions_of(server)?;
        let answer = tokio::select! {
            biased;
            answer = sessions.call(key, &call) => {
                answer.map_err(UpstreamError::for_clients)
            }
            () = sessions.ended() => Err(self.why_ended(server)),
        };
        if !is_kept {
            sessions.end();
        }
        answer
    }

    /// What a server that is to be registered offers: connects on a session of its own,
    /// lists everything page by page, and closes it.
    pub async fn fetch_offer(&self, server: &Server, headers: HeaderMap) -> Result<Offer, UpstreamError> {
        let fetched = tokio::select! {
            fetched = offer::fetch(&self.connector, server, &headers, |_| {}) => fetched?,
            () = self.ended.cancelled() => return Err(UpstreamError::ShuttingDown),
        };
        for (kind, error) in &fetched.unread {
            tracing::warn!(
                upstream.server = %server.name, item.kind = ?kind, %error, "a list of a server is taken as empty"
            );
        }
        Ok(fetched.offer)
    }

    /// What a registered server offers by now. While it is down, this is an attempt to
    /// reach it, and fails at once before its time.
    pub async fn refetch_offer(&self, server: &Arc<Server>, headers: HeaderMap) -> Result<Refetched, UpstreamError> {
        let health = self.health.of(server);
        health.admit_opening()?;
        let opened = |failure: Option<&UpstreamError>| health.note_opening(failure, OpenedFor::Gateway);
        tokio::select! {
            fetched = offer::fetch(&self.connector, server, &headers, opened) => fetched,
            () = self.ended.cancelled() => Err(UpstreamError::ShuttingDown),
        }
    }

    /// Whether a server is up, as far as this gateway has seen.
    pub fn health(&self, server: &Arc<Server>) -> Health {
        self.health.of(server).snapshot()
    }

    /// Tells when a server is to be tried again.
    pub fn watch_health(&self, server: &Arc<Server>) -> HealthWatch {
        HealthWatch::new(self.health.of(server))
    }

    /// Closes all sessions of a server that was deregistered; calls in flight on them end.
    pub async fn forget(&self, server: &Arc<Server>) {
        self.health.forget(server);
        let forgotten = self.servers.write().forget(server);
        if let Some(sessions) = forgotten {
            sessions.end();
            sessions.closed(FORGET_BOUND).await;
        }
    }

    /// Lets go of the sessions of an earlier registration under this server's
    /// name; calls in flight on them finish. The server has just answered.
    pub fn supersede(&self, server: &Arc<Server>) {
        self.health.begin(server, HealthState::Healthy);
        self.servers.write().supersede(server);
    }

    /// Closes the sessions paired with a downstream session that has ended.
    pub fn end_paired(&self, downstream_session: &str) {
        let servers = self.servers.read().all();
        for sessions in servers {
            sessions.end_paired(downstream_session);
        }
    }

    /// How many sessions are open with each server that has been called.
    pub fn open_sessions(&self) -> Vec<(ServerName, usize)> {
        let servers = self.servers.read().all();
        servers.iter().map(|sessions| (sessions.server.name.clone(), sessions.open_count())).collect()
    }

    /// Servers whose lists may have changed, by what they say themselves.
    pub fn hints(&self) -> &Arc<ListHints> {
        &self.hints
    }

    /// Passes a client's notification on to the upstream sessions paired with its session.
    pub fn notify_paired(&self, downstream_session: &str, notification: &wire::Notification) {
        let servers = self.servers.read().all();
        for sessions in servers {
            sessions.notify_paired(downstream_session, notification);
        }
    }

    /// Closes everything and reaps every child. Bounded in time.
    pub async fn shutdown(&self) {
        self.ended.cancel();
        let servers = self.servers.write().take_all();
        for sessions in servers {
            sessions.end();
        }
        if !self.connector.background.finish_gateway(SHUTDOWN_BOUND).await {
            tracing::warn!("some upstream sessions could not be ended in time");
        }
    }

    /// The sessions of a server, and whether they are kept for further calls: those
    /// of a registration that has ended meanwhile serve the one call that found it.
    fn sessions_of(&self, server: &Arc<Server>) -> Result<(Arc<ServerSessions>, bool), UpstreamError> {
        if let Some(sessions) = self.servers.read().find(server) {
            return Ok((sessions, true));
        }
        let mut servers = self.servers.write();
        if self.ended.is_cancelled() {
            return Err(UpstreamError::ShuttingDown);
        }
        if let Some(sessions) = servers.find(server) {
            return Ok((sessions, true));
        }
        let (connector, ended) = (Arc::clone(&self.connector), self.ended.child_token());
        let is_kept = !servers.is_outdated(server);
        let health = if is_kept { self.health.of(server) } else { self.health.apart(server, HealthState::Unknown) };
        let sessions = Arc::new(ServerSessions::new(health, connector, ended));
        if is_kept {
            servers.keep(&sessions);
        }
        Ok((sessions, is_kept))
    }

    fn why_ended(&self, server: &Server) -> UpstreamError {
        if self.ended.is_cancelled() {
            UpstreamError::ShuttingDown
        } else {
            UpstreamError::Forgotten { server: server.name.clone() }
        }
    }
}

impl Drop for Upstreams {
    fn drop(&mut self) {
        // Spares being opened must not outlive what they are for.
        self.ended.cancel();
    }
}
