//! Who is calling: every request passes the authenticators before anything else
//! is looked at, and then what the route requires of its caller.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequest as _, OriginalUri, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use http_body::Body as _;

use crate::admin::error::ApiError;
use crate::admin::input::RawBody;
use crate::audit::{Change, NamedInBody, RefusedByRole, Stranger, record_stranger};
use crate::downstream::AsOf;
use crate::gateway::Gateway;
use crate::pipeline::{self, Denial, Endpoint, HttpRequest, Mode, Principal, PrincipalKind};
use crate::plugin::LARGEST_COMPONENT;
use crate::protocol::ProtocolVersion;
use crate::upstream::{ClientDeclaration, NoClient};
use crate::walk::{Caller, Refusal};

/// Where components of plugins are uploaded, which may be longer than other bodies.
const COMPONENTS: &str = "/api/v0/plugins/components";

/// A request that the authenticators let in.
#[derive(Debug, Clone)]
pub(super) struct Admission {
    /// Tells it from others in decisions and in the log.
    pub(super) request_id: Arc<str>,
    /// Whom it acts for.
    pub(super) principal: Arc<Principal>,
    /// What it names, for the audit log.
    pub(super) named: NamedInBody,
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

/// Middleware: 401 for who is nobody here; leaves an [`Admission`] for the route, and the body
/// as it came. Who asks is who they are once all of it is there.
pub(super) async fn admit(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    OriginalUri(uri): OriginalUri,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (request_id, as_of) = (gateway.next_request_id(), AsOf::now(&gateway));
    let (head, body) = request.into_parts();
    let mut principal = authenticate(&gateway, &request_id, peer, &uri, &head).await?;
    let mut request = Request::from_parts(head.clone(), body);
    let is_component = uri.path() == COMPONENTS && may_administer(gateway.mode, principal.kind);
    let limit = |request: &mut Request| {
        if is_component {
            DefaultBodyLimit::max(LARGEST_COMPONENT).apply(request);
        }
    };
    limit(&mut request);
    let RawBody(body) = RawBody::from_request(request, &()).await?;
    if !as_of.is_recent(&gateway) {
        principal = authenticate(&gateway, &request_id, peer, &uri, &head).await?;
    }
    let mut request = Request::from_parts(head, body.into());
    // The route reads it once more.
    limit(&mut request);
    let named = NamedInBody::default();
    let Some(audit) = &gateway.audit else {
        request.extensions_mut().insert(Admission { request_id, principal, named });
        return Ok(next.run(request).await);
    };
    let change = Change::begin(audit, &request_id, &principal, request.method(), &uri, named.clone());
    if change.must_be_recorded() && !audit.has_room() {
        change.forget();
        return Err(Refusal::AuditFull.into());
    }
    request.extensions_mut().insert(named.clone());
    request.extensions_mut().insert(Admission { request_id, principal, named });
    let response = next.run(request).await;
    let refused_by_role = response.extensions().get::<RefusedByRole>().is_some();
    let response_bytes = response.body().size_hint().exact();
    match change.end(response.status(), refused_by_role, response_bytes).await {
        true => Ok(response),
        false => Err(ApiError::unavailable(
            "the request was carried out, but it could not be recorded, so its answer is withheld: \
             see the gateway's log",
        )),
    }
}

async fn authenticate(
    gateway: &Gateway,
    id: &Arc<str>,
    peer: SocketAddr,
    uri: &Uri,
    head: &Parts,
) -> Result<Arc<Principal>, ApiError> {
    let request = HttpRequest {
        id,
        endpoint: &Endpoint::Api,
        method: head.method.as_str(),
        path: head.uri.path(),
        headers: &head.headers,
        peer: &peer.ip().to_string(),
    };
    gateway.admin_pipeline().authenticate(request).await.map(Arc::new).map_err(|denial| {
        let (method, path) = (&head.method, uri.path());
        let stranger = Stranger { request: Some(id), endpoint: Some(&Endpoint::Api), method, path, peer: Some(peer) };
        record_stranger(gateway.audit.as_ref(), &stranger, Some(&denial));
        refused(denial, &head.headers)
    })
}

/// Middleware: records an initialisation, for which nobody is anybody yet.
pub(super) async fn record_init(State(gateway): State<Arc<Gateway>>, mut request: Request, next: Next) -> Response {
    let Some(audit) = gateway.audit.as_ref().filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let (id, body) = (gateway.next_request_id(), NamedInBody::default());
    let nobody = Arc::new(Principal::anonymous());
    let change = Change::begin(audit, &id, &nobody, request.method(), request.uri(), body.clone());
    request.extensions_mut().insert(body);
    let response = next.run(request).await;
    change.end_for_anybody(response.status(), response.body().size_hint().exact()).await;
    response
}

/// What who is nobody is told.
fn refused(denial: Denial, headers: &HeaderMap) -> ApiError {
    match denial {
        Denial::Unauthenticated { .. } if headers.contains_key(AUTHORIZATION) => {
            ApiError::unauthenticated("invalid access token")
        }
        Denial::Unauthenticated { .. } => ApiError::unauthenticated("missing access token"),
        denial => denial.into(),
    }
}

/// Middleware: 403 for who is no user of this API.
pub(super) async fn require_user(
    State(mode): State<Mode>,
    Extension(admission): Extension<Admission>,
    request: Request,
    next: Next,
) -> Response {
    if may_use(mode, admission.principal.kind) { next.run(request).await } else { refuse_role() }
}

/// Middleware: 403 for who is no administrator.
pub(super) async fn require_admin(
    State(mode): State<Mode>,
    Extension(admission): Extension<Admission>,
    request: Request,
    next: Next,
) -> Response {
    if admission.may_administer(mode) { next.run(request).await } else { refuse_role() }
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

fn refuse_role() -> Response {
    let mut response = ApiError::forbidden("user is not authorized to perform this action").into_response();
    response.extensions_mut().insert(RefusedByRole);
    response
}

fn may_use(mode: Mode, kind: PrincipalKind) -> bool {
    kind == PrincipalKind::User || may_administer(mode, kind)
}

/// Whether somebody of this kind is an administrator.
pub(super) fn may_administer(mode: Mode, kind: PrincipalKind) -> bool {
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
