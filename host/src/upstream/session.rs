//! One upstream session, whatever the transport: opened within a time, called,
//! and closed by dropping it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::names::ServerName;
use crate::server::{Server, Transport};
use crate::upstream::background::{Background, WorkToCome};
use crate::upstream::counterpart::{Counterpart, NoClient};
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::http::{CallFailure, HttpClients, HttpSession, SseSession};
use crate::upstream::stdio::{ChildCommand, StdioSession};
use crate::upstream::{ClientDeclaration, UpstreamError, UpstreamSettings};
use crate::wire::{self, Response};

/// What opening a session takes besides the server.
pub(super) struct Connector {
    pub(super) settings: UpstreamSettings,
    pub(super) http: HttpClients,
    /// The gateway's; each server's is made from it.
    pub(super) background: Background,
}

/// What opening a session takes, whatever the transport.
pub(super) struct Opening<'a> {
    pub(super) server: &'a ServerName,
    pub(super) initialize: wire::Request,
    pub(super) counterpart: Arc<dyn Counterpart>,
    pub(super) background: &'a Background,
    /// To be held until the session has ended.
    pub(super) work: WorkToCome,
}

/// An open session. Dropping it closes it in the background.
pub(super) enum Session {
    Http(HttpSession),
    Sse(SseSession),
    Stdio(StdioSession),
}

impl Connector {
    /// Connects and performs the handshake, both within the time for it.
    pub(super) async fn open(
        &self,
        server: &Server,
        headers: &HeaderMap,
        client: &ClientDeclaration,
        background: &Background,
        work: WorkToCome,
    ) -> Result<(Session, Handshake), UpstreamError> {
        let limit = self.settings.init_timeout;
        match tokio::time::timeout(limit, self.connect(server, headers, client, background, work)).await {
            Ok(opened) => opened,
            Err(_) => Err(init_timed_out(server, limit)),
        }
    }

    async fn connect(
        &self,
        server: &Server,
        headers: &HeaderMap,
        client: &ClientDeclaration,
        background: &Background,
        work: WorkToCome,
    ) -> Result<(Session, Handshake), UpstreamError> {
        let opening = Opening {
            server: &server.name,
            initialize: handshake::initialize_request(client, &self.settings.gateway_version)?,
            counterpart: Arc::new(NoClient),
            background,
            work,
        };
        match &server.transport {
            Transport::StreamableHttp { url, .. } => {
                let client = self.http.client_for(&server.name, url).await?;
                let (session, handshake) = HttpSession::open(opening, url, client, headers).await?;
                Ok((Session::Http(session), handshake))
            }
            Transport::Sse { url, .. } => {
                let client = self.http.client_for(&server.name, url).await?;
                let (session, handshake) = SseSession::open(opening, url, client, headers).await?;
                Ok((Session::Sse(session), handshake))
            }
            Transport::Stdio { command, args, env } => {
                let child = ChildCommand { command, args, env };
                let (session, handshake) = StdioSession::open(opening, child, &self.settings).await?;
                Ok((Session::Stdio(session), handshake))
            }
        }
    }
}

pub(super) fn init_timed_out(server: &Server, limit: Duration) -> UpstreamError {
    let is_child = matches!(server.transport, Transport::Stdio { .. });
    UpstreamError::InitTimedOut { server: server.name.clone(), limit, is_child }
}

impl Session {
    pub(super) async fn call(&self, request: &wire::Request) -> Result<Response, CallFailure> {
        match self {
            Self::Http(session) => session.call(request).await,
            Self::Sse(session) => Ok(session.call(request).await?),
            Self::Stdio(session) => Ok(session.call(request).await?),
        }
    }

    /// Whether the upstream keeps state for it, so that calls which are to share
    /// none need one each.
    pub(super) fn holds_state(&self) -> bool {
        match self {
            Self::Http(session) => session.has_id(),
            Self::Sse(_) | Self::Stdio(_) => true,
        }
    }

    /// Whether each message needs the server to be reached anew.
    pub(super) fn connects_for_each_message(&self) -> bool {
        match self {
            Self::Http(_) => true,
            Self::Sse(_) | Self::Stdio(_) => false,
        }
    }

    /// Whether it can carry no further call. Over HTTP only the next call tells.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Sse(session) => session.is_closed(),
            Self::Stdio(session) => session.is_closed(),
        }
    }
}
