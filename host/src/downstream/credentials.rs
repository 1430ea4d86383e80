//! What a session was opened with, and asking again whether it still holds: a token that
//! is replaced or whose owner is deleted ends the streams that it opened.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderMap, Method};

use crate::catalog::Identities;
use crate::clock::now_ms;
use crate::downstream::session::{Known, Session};
use crate::downstream::{Exchange, sessions};
use crate::gateway::Gateway;
use crate::pipeline::{Denial, HttpRequest};
use crate::slow_lane;

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
            peer: exchange.peer.ip().to_string(),
        }
    }
}

/// Keeps what this request was let in by as that of its session.
pub(super) fn keep(gateway: &Gateway, exchange: &Exchange, session: &Session) {
    session.keep_credentials(Credentials::of(exchange));
    // Whoever ended sessions meanwhile did not see this one.
    if gateway.credentials_generation() != exchange.as_of.generation() {
        gateway.recheck_sessions();
    }
}

/// Ends sessions whose credentials do not hold any more, until the gateway ends.
pub(crate) async fn watch(gateway: Weak<Gateway>, outdated: Arc<tokio::sync::Notify>) {
    let mut every_minute = tokio::time::interval(RECHECK);
    every_minute.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // A token that expires while sessions are looked at counts as one that is still to expire.
    let mut looked_at_ms = now_ms();
    loop {
        // Nothing is held meanwhile: a gateway that nobody uses any more ends.
        let expiry = |gateway: Arc<Gateway>| time_to_expiry(&gateway.snapshot().identities, looked_at_ms, now_ms());
        let Some(expires_in) = gateway.upgrade().map(expiry) else { return };
        let only_busy = tokio::select! {
            () = outdated.notified() => false,
            () = tokio::time::sleep(expires_in.unwrap_or(RECHECK)), if expires_in.is_some() => false,
            _ = every_minute.tick() => true,
        };
        let Some(gateway) = gateway.upgrade() else { return };
        if !only_busy {
            looked_at_ms = now_ms();
        }
        slow_lane::wait(recheck(gateway, only_busy)).await;
    }
}

async fn recheck(gateway: Arc<Gateway>, only_busy: bool) {
    let mut has_changed = false;
    for session in gateway.sessions.all() {
        if only_busy && !session.is_busy() {
            continue;
        }
        match still_holds(&gateway, &session).await {
            Some(true) => has_changed |= session.take_principal_change(),
            Some(false) => {
                tracing::info!(session.principal = %session.principal().name, "a session ends: its credentials do not hold any more");
                session.expel();
                sessions::close(&gateway, &session);
            }
            None => {}
        }
    }
    if has_changed {
        gateway.views_changed();
    }
}

/// Whether the session's principal is known as it is now; it is asked about if identities have
/// changed since it was. All sessions are, but one after the other.
pub(super) async fn is_up_to_date(gateway: &Gateway, session: &Session) -> bool {
    session.generation() >= gateway.credentials_generation() || still_holds(gateway, session).await == Some(true)
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
    let generation = gateway.credentials_generation();
    match gateway.pipeline().authenticate(request).await {
        Ok(principal) => Some(session.belongs_to(&Known { principal: Arc::new(principal), generation })),
        Err(Denial::Unavailable { .. }) => None,
        Err(Denial::Unauthenticated { .. } | Denial::Hidden { .. } | Denial::Refused { .. }) => Some(false),
    }
}

/// How long until a token expires that lives on beside a newer one, and that was still good when
/// sessions were last looked at.
fn time_to_expiry(identities: &Identities, looked_at_ms: i64, now_ms: i64) -> Option<Duration> {
    let left_ms = identities.next_expiry(looked_at_ms)?.saturating_sub(now_ms);
    Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, HeaderValue};

    use super::*;
    use crate::downstream::session::Delivery;
    use crate::gateway::tests::open_in;
    use crate::identity::{IdentityKind, IdentityRecord, StoredToken, TokenDigest};
    use crate::pipeline::{Endpoint, Principal, PrincipalKind};
    use crate::store::{IdentityRef, IdentityUpdate, NewIdentity, StoredIdentities};

    const CLIENT: IdentityRef<'static> = IdentityRef::Client("reader");

    #[test]
    fn a_token_that_expires_while_sessions_are_looked_at_has_them_looked_at_again_at_once() {
        let token = |expires_at_ms| StoredToken { digest: TokenDigest::of("old-token"), expires_at_ms };
        let record = IdentityRecord {
            id: 1,
            kind: IdentityKind::Client,
            name: "reader".into(),
            description: String::new(),
            allow: Vec::new(),
            tokens: vec![token(Some(100))],
            created_at_ms: 0,
            updated_at_ms: 0,
        };
        let stored = StoredIdentities { changed: vec![record], ..StoredIdentities::default() };
        let identities = Identities::default().with(stored);
        let due = |looked_at_ms, now_ms| time_to_expiry(&identities, looked_at_ms, now_ms);
        assert_eq!(due(40, 90), Some(Duration::from_millis(10)));
        assert_eq!(due(99, 150), Some(Duration::ZERO), "it was good when the first sessions were looked at");
        assert_eq!(due(100, 150), None);
    }

    #[tokio::test]
    async fn a_session_is_asked_about_before_it_hears_anything_after_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let gateway = open_in(folder.path()).await;
        let allow = ["*".to_owned()];
        let digest = TokenDigest::of("token-of-reader");
        let client =
            NewIdentity { kind: IdentityKind::Client, name: CLIENT.name(), description: "", allow: &allow, digest };
        gateway.store.create_identity(&client).await.unwrap();
        gateway.refresh().await.unwrap();
        let principal = Principal {
            kind: PrincipalKind::Client,
            name: CLIENT.name().into(),
            allow: allow.to_vec(),
            attributes: Vec::new(),
        };
        let generation = gateway.credentials_generation();
        let owner = Known { principal: Arc::new(principal), generation };
        let (session, _) = gateway.sessions.open(Endpoint::Main, owner, Delivery::PerCall).unwrap();
        let bearer = HeaderValue::from_static("Bearer token-of-reader");
        session.keep_credentials(Credentials {
            method: Method::POST,
            path: "/mcp".to_owned(),
            headers: HeaderMap::from_iter([(AUTHORIZATION, bearer)]),
            peer: "127.0.0.1".to_owned(),
        });
        assert!(is_up_to_date(&gateway, &session).await);

        let less = IdentityUpdate { allow: Some(vec!["github".to_owned()]), ..IdentityUpdate::default() };
        assert!(gateway.store.update_identity(CLIENT, &less).await.unwrap());
        gateway.refresh().await.unwrap();
        assert_eq!(session.principal().allow, ["*"], "nobody has had the time to look at it");
        assert!(is_up_to_date(&gateway, &session).await);
        assert_eq!(session.principal().allow, ["github"]);

        assert!(gateway.store.delete_identity(CLIENT).await.unwrap());
        gateway.refresh().await.unwrap();
        assert!(!is_up_to_date(&gateway, &session).await);
    }
}
