//! What a session was opened with, and asking again whether it still holds: a token that
//! is replaced or whose owner is deleted ends the streams that it opened.

use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method};

use crate::downstream::session::Session;
use crate::downstream::{Exchange, sessions};
use crate::gateway::Gateway;
use crate::pipeline::{Denial, HttpRequest};

/// How often sessions that are in use are asked about, whatever happens here: what an
/// authenticator goes by can also end elsewhere, or with time.
const RECHECK: Duration = Duration::from_secs(60);

/// What authenticators saw of the request that opened a session, or that last came to listen.
pub(super) struct Credentials {
    method: Method,
    path: String,
    headers: HeaderMap,
    peer: String,
}

impl Credentials {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let head = &exchange.head;
        Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            headers: head.headers.clone(),
            peer: exchange.peer.to_string(),
        }
    }
}

/// Keeps what this request was let in by as that of its session.
pub(super) fn keep(gateway: &Gateway, exchange: &Exchange, session: &Session) {
    session.keep_credentials(Credentials::of(exchange));
    // Whoever ended sessions meanwhile did not see this one.
    if gateway.snapshot().identities.generation() != exchange.generation {
        gateway.recheck_sessions();
    }
}

/// Ends sessions whose credentials do not hold any more, until the gateway ends.
pub(crate) async fn watch(gateway: Weak<Gateway>, outdated: Arc<tokio::sync::Notify>) {
    let mut every_minute = tokio::time::interval(RECHECK);
    every_minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // Nothing is held meanwhile: a gateway that nobody uses any more ends.
        let Some(expires_in) = gateway.upgrade().map(|gateway| time_to_expiry(&gateway)) else { return };
        let only_busy = tokio::select! {
            () = outdated.notified() => false,
            () = tokio::time::sleep(expires_in.unwrap_or(RECHECK)), if expires_in.is_some() => false,
            _ = every_minute.tick() => true,
        };
        let Some(gateway) = gateway.upgrade() else { return };
        recheck(&gateway, only_busy).await;
    }
}

async fn recheck(gateway: &Gateway, only_busy: bool) {
    let mut has_changed = false;
    for session in gateway.sessions.all() {
        if only_busy && !session.is_busy() {
            continue;
        }
        match still_holds(gateway, &session).await {
            Some(true) => has_changed |= session.take_principal_change(),
            Some(false) => {
                tracing::info!(session.principal = %session.principal().name, "a session ends: its credentials do not hold any more");
                session.expel();
                sessions::close(gateway, &session);
            }
            None => {}
        }
    }
    if has_changed {
        gateway.views_changed();
    }
}

/// `None` if a policy could not decide: that is no reason to end what runs.
async fn still_holds(gateway: &Gateway, session: &Session) -> Option<bool> {
    let credentials = session.credentials()?;
    let request = HttpRequest {
        id: &gateway.next_request_id(),
        endpoint: &session.endpoint,
        method: credentials.method.as_str(),
        path: &credentials.path,
        headers: &credentials.headers,
        peer: &credentials.peer,
    };
    match gateway.pipeline().authenticate(request).await {
        Ok(principal) => Some(session.belongs_to(&Arc::new(principal))),
        Err(Denial::Unavailable { .. }) => None,
        Err(Denial::Unauthenticated { .. } | Denial::Hidden { .. } | Denial::Refused { .. }) => Some(false),
    }
}

/// How long until the next token expires that lives on beside a newer one.
fn time_to_expiry(gateway: &Gateway) -> Option<Duration> {
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
    let expires_at_ms = gateway.snapshot().identities.next_expiry(now_ms)?;
    Some(Duration::from_millis(expires_at_ms.abs_diff(now_ms)))
}
