//! Follows one server: whatever calls for it, its lists are read again, never twice
//! at the same time.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use http::HeaderMap;
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::CatalogServer;
use crate::gateway::{Gateway, RefreshError};
use crate::pipeline::{Denial, Endpoint, ItemKind, Principal, Request, UpstreamView};
use crate::random::random_fraction;
use crate::server::Server;
use crate::store::StoreError;
use crate::sync::ear::Ear;
use crate::sync::pace::{HintPace, poll_delay};
use crate::upstream::{HealthWatch, ListeningSession, UpstreamError, tells_of_changes};
use crate::walk::{HeaderError, resolve_headers};

/// How long nothing is attempted after a failure that is none of the server's: of the
/// policies that give headers, or of the database.
const PAUSE_AFTER_OWN_FAILURE: Duration = Duration::from_secs(10);

/// Follows a server for as long as it is there.
pub(super) struct Follower {
    server: Arc<Server>,
    hinted: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

/// Why a server's lists were not read, or not kept.
#[derive(Debug, Error)]
pub(crate) enum FollowError {
    #[error("the policies give no headers for it: {0:?}")]
    Policy(Denial),
    #[error(transparent)]
    Headers(#[from] HeaderError),
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Refresh(#[from] RefreshError),
}

impl Follower {
    pub(super) fn start(gateway: &Arc<Gateway>, catalog: &CatalogServer) -> Self {
        let server = &catalog.server;
        let hinted = Arc::<Notify>::default();
        let mut ear = Ear::default();
        if tells_of_changes(server, &catalog.initialize) {
            ear.listen_soon();
        }
        let following = Following {
            gateway: Arc::downgrade(gateway),
            server: Arc::clone(server),
            health: gateway.upstreams.watch_health(server),
            hinted: Arc::clone(&hinted),
            ear,
            pace: HintPace::default(),
            poll_at: next_poll(server),
            hint_at: None,
            quiet_until: Instant::now(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(following.run()));
        Self { server: Arc::clone(server), hinted, _task: task }
    }

    /// Whether this is the registration that it follows.
    pub(super) fn follows(&self, server: &Arc<Server>) -> bool {
        Arc::ptr_eq(&self.server, server) || self.server == *server
    }

    /// Says that the server's lists may have changed.
    pub(super) fn hint(&self) {
        self.hinted.notify_one();
    }
}

struct Following {
    gateway: Weak<Gateway>,
    server: Arc<Server>,
    health: HealthWatch,
    hinted: Arc<Notify>,
    ear: Ear,
    pace: HintPace,
    poll_at: Instant,
    /// When a hint is acted on, while there is one.
    hint_at: Option<Instant>,
    /// Attempts to reach a server that is down wait for this, too.
    quiet_until: Instant,
}

/// What there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// To read the lists; whether because of a hint.
    Refresh { is_hinted: bool },
    /// To open a session to listen on.
    Listen,
}

impl Following {
    async fn run(mut self) {
        loop {
            let work = self.await_work().await;
            // Held only while there is something to do.
            let Some(gateway) = self.gateway.upgrade() else { return };
            let done = match work {
                Work::Refresh { is_hinted } => self.refresh(&gateway, is_hinted).await,
                Work::Listen => self.listen(&gateway).await,
            };
            match done {
                Ok(()) => {}
                Err(FollowError::Upstream(UpstreamError::ShuttingDown)) => return,
                Err(FollowError::Upstream(error)) => {
                    // Its health shows it, and has told of it.
                    tracing::debug!(upstream.server = %self.server.name, %error, "a server's lists could not be read");
                }
                Err(error) => {
                    let server = &self.server.name;
                    tracing::warn!(upstream.server = %server, %error, "the catalog cannot follow a server");
                    self.quiet_until = Instant::now() + PAUSE_AFTER_OWN_FAILURE;
                }
            }
        }
    }

    async fn await_work(&mut self) -> Work {
        loop {
            let attempt_due = async {
                sleep_until(self.quiet_until).await;
                self.health.attempt_due().await;
            };
            tokio::select! {
                () = self.hinted.notified(), if self.hint_at.is_none() => {
                    self.hint_at = Some(Instant::now() + self.pace.pause());
                }
                () = sleep_until(self.hint_at.unwrap_or(self.poll_at)), if self.hint_at.is_some() => {
                    self.hint_at = None;
                    // What was said meanwhile is answered by the same look.
                    self.hinted.notified().now_or_never();
                    return Work::Refresh { is_hinted: true };
                }
                () = attempt_due => return Work::Refresh { is_hinted: false },
                () = sleep_until(self.poll_at) => return Work::Refresh { is_hinted: false },
                () = self.ear.begun() => {
                    self.ear.note_begun();
                    // What changed while nobody listened was not heard.
                    return Work::Refresh { is_hinted: false };
                }
                () = self.ear.ended() => self.ear.close(self.server.tool_sync_interval()),
                () = self.ear.due() => return Work::Listen,
            }
        }
    }

    async fn refresh(&mut self, gateway: &Gateway, is_hinted: bool) -> Result<(), FollowError> {
        let refreshed = refresh(gateway, &self.server).await;
        self.poll_at = next_poll(&self.server);
        self.pace.note(is_hinted, refreshed?);
        Ok(())
    }

    async fn listen(&mut self, gateway: &Gateway) -> Result<(), FollowError> {
        match listen(gateway, &self.server).await {
            Ok(session) => {
                self.ear.open(session);
                Ok(())
            }
            Err(error) => {
                self.ear.close(self.server.tool_sync_interval());
                Err(error)
            }
        }
    }
}

fn next_poll(server: &Server) -> Instant {
    Instant::now() + poll_delay(server.tool_sync_interval(), random_fraction())
}

async fn listen(gateway: &Gateway, server: &Arc<Server>) -> Result<ListeningSession, FollowError> {
    let headers = headers_of_gateway(gateway, gateway.next_request_id(), server).await?;
    Ok(gateway.upstreams.listen(server, &headers).await?)
}

/// Reads a server's lists and serves them if they are others than before; `true` if they were.
async fn refresh(gateway: &Gateway, server: &Arc<Server>) -> Result<bool, FollowError> {
    let headers = headers_of_gateway(gateway, gateway.next_request_id(), server).await?;
    let refetched = gateway.upstreams.refetch_offer(server, headers).await?;
    for (kind, error) in &refetched.unread {
        tracing::debug!(upstream.server = %server.name, item.kind = ?kind, %error, "a list of a server stays as it was");
    }
    let unread: Vec<ItemKind> = refetched.unread.iter().map(|(kind, _)| *kind).collect();
    if !gateway.store.update_offer(server, &refetched.offer, &unread).await? {
        return Ok(false);
    }
    gateway.refresh().await?;
    tracing::info!(
        upstream.server = %server.name,
        tools = refetched.offer.tools.len(),
        prompts = refetched.offer.prompts.len(),
        resources = refetched.offer.resources.len(),
        "an MCP server offers something else than before"
    );
    Ok(true)
}

/// The headers with which the gateway itself connects to a server.
pub(crate) async fn headers_of_gateway(
    gateway: &Gateway,
    request_id: Arc<str>,
    server: &Server,
) -> Result<HeaderMap, FollowError> {
    let request = Request { id: request_id, endpoint: Endpoint::Api, method: "initialize".into() };
    let secret_names = server.header_secret_names();
    let upstream = UpstreamView { name: &server.name, transport: server.transport.kind(), secret_names: &secret_names };
    let injected = gateway.pipeline().headers(&request, &Principal::gateway(), upstream).await;
    Ok(resolve_headers(server, &injected.map_err(FollowError::Policy)?)?)
}
