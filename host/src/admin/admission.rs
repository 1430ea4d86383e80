//! Who is calling: every request passes the authenticators before anything else
//! is looked at, and then what the route requires of its caller.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;

use crate::admin::error::ApiError;
use crate::gateway::Gateway;
use crate::pipeline::{self, Denial, Endpoint, HttpRequest, Mode, Principal, PrincipalKind};
use crate::protocol::ProtocolVersion;
use crate::upstream::{ClientDeclaration, NoClient};
use crate::walk::Caller;

/// A request that the authenticators let in.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    /// Tells it from others in decisions and in the log.
    pub(super) request_id: Arc<str>,
    /// Whom it acts for.
    pub(super) principal: Arc<Principal>,
}

impl Admission {
    /// The request as decisions about an MCP method see it.
    pub(super) fn request(&self, endpoint: Endpoint, method: &str) -> pipeline::Request {
        pipeline::Request { id: Arc::clone(&self.request_id), endpoint, method: method.into() }
    }

    /// Whether who asks is an administrator.
    pub(super) fn may_administer(&self, mode: Mode) -> bool {
        may_administer(mode, self.principal.kind)
    }

    /// The caller of an item. Over this API disabled ones can be reached, to try them.
    pub(super) fn caller(&self, method: &str) -> Caller {
        Caller {
            request: self.request(Endpoint::Api, method),
            principal: Arc::clone(&self.principal),
            client: ClientDeclaration::plain(ProtocolVersion::LATEST),
            side: Arc::new(NoClient),
            log_level: None,
            reaches_disabled: true,
        }
    }
}

/// Middleware: 401 for who is nobody here; leaves an [`Admission`] for the route.
pub(super) async fn admit(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let request_id = gateway.next_request_id();
    let peer = peer.ip().to_string();
    let seen = HttpRequest {
        id: &request_id,
        endpoint: &Endpoint::Api,
        method: request.method().as_str(),
        path: request.uri().path(),
        headers: request.headers(),
        peer: &peer,
    };
    let principal = match gateway.pipeline().authenticate(seen).await {
        Ok(principal) => Arc::new(principal),
        Err(Denial::Unauthenticated { .. }) if request.headers().contains_key(AUTHORIZATION) => {
            return Err(ApiError::unauthenticated("invalid access token"));
        }
        Err(Denial::Unauthenticated { .. }) => return Err(ApiError::unauthenticated("missing access token")),
        Err(denial) => return Err(denial.into()),
    };
    request.extensions_mut().insert(Admission { request_id, principal });
    Ok(next.run(request).await)
}

/// Middleware: 403 for who is no user of this API.
pub(super) async fn require_user(
    State(mode): State<Mode>,
    Extension(admission): Extension<Admission>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    check(may_use(mode, admission.principal.kind))?;
    Ok(next.run(request).await)
}

/// Middleware: 403 for who is no administrator.
pub(super) async fn require_admin(
    State(mode): State<Mode>,
    Extension(admission): Extension<Admission>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    check(admission.may_administer(mode))?;
    Ok(next.run(request).await)
}

/// Middleware: 403 for what development mode does not have, whoever asks.
pub(super) async fn require_enterprise(
    State(mode): State<Mode>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match mode {
        Mode::Development => Err(ApiError::forbidden("this request is only allowed in enterprise mode")),
        Mode::Enterprise => Ok(next.run(request).await),
    }
}

fn check(is_authorized: bool) -> Result<(), ApiError> {
    if is_authorized { Ok(()) } else { Err(ApiError::forbidden("user is not authorized to perform this action")) }
}

fn may_use(mode: Mode, kind: PrincipalKind) -> bool {
    kind == PrincipalKind::User || may_administer(mode, kind)
}

fn may_administer(mode: Mode, kind: PrincipalKind) -> bool {
    match kind {
        // Nobody in particular is the one person at a development machine.
        PrincipalKind::Anonymous => mode == Mode::Development,
        PrincipalKind::Admin => true,
        // The gateway does not call itself.
        PrincipalKind::Client | PrincipalKind::User | PrincipalKind::Gateway => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_caller_may_do_follows_from_the_mode_and_its_kind() {
        for (mode, kind, uses, administers) in [
            (Mode::Development, PrincipalKind::Anonymous, true, true),
            (Mode::Development, PrincipalKind::Client, false, false),
            (Mode::Development, PrincipalKind::User, true, false),
            (Mode::Development, PrincipalKind::Admin, true, true),
            (Mode::Development, PrincipalKind::Gateway, false, false),
            (Mode::Enterprise, PrincipalKind::Anonymous, false, false),
            (Mode::Enterprise, PrincipalKind::Client, false, false),
            (Mode::Enterprise, PrincipalKind::User, true, false),
            (Mode::Enterprise, PrincipalKind::Admin, true, true),
            (Mode::Enterprise, PrincipalKind::Gateway, false, false),
        ] {
            assert_eq!((may_use(mode, kind), may_administer(mode, kind)), (uses, administers), "{mode:?} {kind:?}");
        }
    }
}
