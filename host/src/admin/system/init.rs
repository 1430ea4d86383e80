//! `POST /init`: makes a gateway in enterprise mode its administrator's, once. The answer
//! is the one time that the administrator's token is shown.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::{Deserialize, Serialize};

use crate::admin::error::{ApiError, with_sources};
use crate::admin::input::RawBody;
use crate::admin::{change, identities};
use crate::gateway::Gateway;
use crate::identity::{FIRST_ADMIN, TokenDigest};
use crate::pipeline::Mode;
use crate::secret::Secret;
use crate::store::Initialization;

/// What is asked for.
#[derive(Deserialize)]
struct InitRequest {
    mode: String,
    /// The administrator's token, where it is chosen.
    access_token: Option<String>,
}

/// With the administrator's token, and so not with `Debug`.
#[derive(Serialize)]
pub(in crate::admin) struct Initialized {
    status: &'static str,
    admin_access_token: String,
}

pub(in crate::admin) async fn init(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<Initialized>, ApiError> {
    let request: InitRequest =
        serde_json::from_slice(&body).map_err(|error| ApiError::invalid(format!("Invalid request body: {error}")))?;
    // Development mode has nothing to initialise: it is ready from the first start.
    if gateway.is_initialized() {
        return Err(already_initialized());
    }
    if let Some(wanted) = &gateway.bootstrap_token
        && let Err(refusal) = check_bootstrap_token(wanted, &headers)
    {
        tracing::warn!(%peer, "somebody without the bootstrap token tried to initialize the gateway");
        return Err(refusal);
    }
    check_mode(gateway.mode, &request.mode)?;
    let token = identities::choose(request.access_token.as_deref())?;
    change::finish(async move {
        match gateway.store.initialize(gateway.mode, Some(token.digest())).await? {
            Initialization::Done => {}
            Initialization::AlreadyDone(_) => return Err(already_initialized()),
        }
        // Nothing but this answer ever shows the token, so nothing may stand in its way.
        if let Err(error) = gateway.refresh().await {
            let error = with_sources(&error);
            tracing::warn!(error, "initialized, but requests are refused until the database can be read");
        }
        tracing::info!(%peer, user = FIRST_ADMIN, "initialized the gateway");
        let admin_access_token = token.expose().to_owned();
        Ok(Json(Initialized { status: "Server initialized successfully", admin_access_token }))
    })
    .await
}

/// Whoever initialises a gateway owns it, so the operator may ask for a secret only they know.
fn check_bootstrap_token(wanted: &Secret, headers: &HeaderMap) -> Result<(), ApiError> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let presented = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok().map(without_scheme),
        _ => None,
    };
    let is_known = presented.is_some_and(|token| TokenDigest::of(token).matches(&TokenDigest::of(wanted.expose())));
    if is_known {
        return Ok(());
    }
    Err(ApiError::unauthenticated(
        "this server is initialized only by who knows its bootstrap token: send it as \
         `Authorization: Bearer <bootstrap token>`, as `mcpjungle init-server --bootstrap-token` does",
    ))
}

fn without_scheme(value: &str) -> &str {
    match value.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => value.trim(),
    }
}

/// A caller cannot make a server another one than its operator started.
fn check_mode(mode: Mode, written: &str) -> Result<(), ApiError> {
    if Mode::parse(written) == Some(mode) {
        return Ok(());
    }
    let written = written.escape_debug();
    Err(ApiError::invalid(format!(
        "this server was started in {mode} mode: it cannot be initialized in '{written}' mode"
    )))
}

fn already_initialized() -> ApiError {
    ApiError::invalid("Server is already initialized")
}
