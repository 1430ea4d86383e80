//! One upstream session, whatever the transport: opened within a time, called,
//! and closed by dropping it.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use crate::names::ServerName;
use crate::server::{Server, Transport};
use crate::upstream::background::Background;
use crate::upstream::counterpart::{Counterpart, NoClient};
use crate::upstream::handshake::{self, Handshake};
use crate::upstream::http::{CallFailure, HttpSession};
use crate::upstream::stdio::{ChildCommand, StdioSession};
use crate::upstream::{ClientDeclaration, UpstreamError, UpstreamSettings};
use crate::wire::{self, Response};

/// What opening a session takes besides the server.
pub(super) struct Connector {
    pub(super) settings: UpstreamSettings,
    pub(super) http: reqwest::Client,
    /// The gateway's; each server's is made from it.
    pub(super) background: Background,
}

/// An open session. Dropping it closes it in the background.
pub(super) enum Session {
    Http(HttpSession),
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
    ) -> Result<(Session, Handshake), UpstreamError> {
        let limit = self.settings.init_timeout;
        match tokio::time::timeout(limit, self.connect(server, headers, client, background)).await {
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
    ) -> Result<(Session, Handshake), UpstreamError> {
        let initialize = handshake::initialize_request(client, &self.settings.gateway_version)?;
        let counterpart: Arc<dyn Counterpart> = Arc::new(NoClient);
        let name: &ServerName = &server.name;
        match &server.transport {
            Transport::StreamableHttp { url, .. } => {
                let http = self.http.clone();
                let opened = HttpSession::open(name, url, http, headers, initialize, counterpart, background).await?;
                Ok((Session::Http(opened.0), opened.1))
            }
            Transport::Stdio { command, args, env } => {
                let child = ChildCommand { command, args, env };
                let settings = &self.settings;
                let opened = StdioSession::open(name, child, settings, initialize, counterpart, background).await?;
                Ok((Session::Stdio(opened.0), opened.1))
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
            Self::Stdio(session) => Ok(session.call(request).await?),
        }
    }

    /// Whether the upstream keeps state for it, so that calls which are to share
    /// none need one each.
    pub(super) fn holds_state(&self) -> bool {
        match self {
            Self::Http(session) => session.has_id(),
            Self::Stdio(_) => true,
        }
    }

    /// Whether it can carry no further call. Over HTTP only the next call tells.
    pub(super) fn is_broken(&self) -> bool {
        match self {
            Self::Http(_) => false,
            Self::Stdio(session) => session.is_closed(),
        }
    }
}
