//! Facing MCP servers: connections, sessions, children.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use thiserror::Error;

use crate::names::ServerName;
use crate::protocol::ProtocolVersion;
use crate::secret::Secret;
use crate::server::Server;
use crate::wire;

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

/// All upstream connections of one gateway.
pub struct Upstreams {}

/// One request to an upstream, with what decides which session may carry it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The message. Names in it are the upstream's own; its id is replaced.
    pub request: wire::Request,
    /// What the header-injectors yielded, resolved. Part of the session key.
    pub headers: HeaderMap,
    /// What the upstream is told of its client. Part of the session key.
    pub client: ClientDeclaration,
    /// The downstream session with which the upstream session pairs one to one,
    /// whatever the server's session mode.
    pub paired_with: Option<Arc<str>>,
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

/// Why an upstream gave no answer. A JSON-RPC error that it sent is an answer.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum UpstreamError {
    #[error("{0}")]
    Todo(String),
}

impl Upstreams {
    /// Connects to nothing yet.
    pub fn new(settings: UpstreamSettings) -> Result<Self, UpstreamError> {
        let _ = settings;
        Ok(Self {})
    }

    /// Sends a request and waits for its answer, an error of the upstream's own included.
    pub async fn call(&self, server: &Arc<Server>, call: Call) -> Result<wire::Response, UpstreamError> {
        let _ = call;
        Err(UpstreamError::Todo(server.name.to_string()))
    }

    /// Connects on a session of its own, lists everything page by page, and closes it.
    pub async fn fetch_offer(&self, server: &Server, headers: HeaderMap) -> Result<Offer, UpstreamError> {
        let _ = headers;
        Err(UpstreamError::Todo(server.name.to_string()))
    }

    /// Closes all sessions of a server that was deregistered or changed; calls in flight on them end.
    pub async fn forget(&self, server: &ServerName) {
        let _ = server;
    }

    /// Closes the sessions paired with a downstream session that has ended.
    pub async fn end_paired(&self, downstream_session: &str) {
        let _ = downstream_session;
    }

    /// Closes everything and reaps every child. Bounded in time.
    pub async fn shutdown(&self) {}
}

/// The body of the hidden command `mcpjungle supervise PROGRAM ARGUMENTS…`:
/// runs a child in a process group of its own and ends it, within a bound, when
/// standard input is closed, be it because the gateway is done or because it died.
pub fn supervise(command: Vec<std::ffi::OsString>) -> std::process::ExitCode {
    let _ = command;
    std::process::ExitCode::FAILURE
}
