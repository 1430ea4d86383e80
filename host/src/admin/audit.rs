//! `GET /audit` and `POST /audit/verify`: what the audit log says, and whether it can be trusted.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::admin::call::ok;
use crate::admin::error::{ApiError, with_sources};
use crate::admin::input::{Parameters, flag};
use crate::admin::record::write;
use crate::audit::{Audit, Kind, Report, ShipError, parse_rfc3339};
use crate::gateway::Gateway;
use crate::store::{AuditQuery, StoreError};

const DEFAULT_LIMIT: i64 = 100;
const MAX_LIMIT: i64 = 1_000;

#[derive(Serialize)]
struct Page<'a> {
    /// As they were written.
    records: Vec<&'a RawValue>,
    /// Where the next page begins.
    next: Option<String>,
    /// Behind it come records that are newer than all that was looked at, oldest first.
    latest: String,
}

pub(super) async fn list(State(gateway): State<Arc<Gateway>>, parameters: Parameters) -> Result<Response, ApiError> {
    let audit = find(&gateway)?;
    let query = read_query(&parameters)?;
    audit.flush(&gateway.store).await.map_err(unreadable)?;
    let (rows, latest) = gateway.store.find_audit(&query).await.map_err(|error| unreadable(error.into()))?;
    let is_full = i64::try_from(rows.len()).unwrap_or(i64::MAX) == query.limit;
    let last = rows.last().map(|row| row.arrival);
    let next = last.filter(|_| is_full).map(|last| last.to_string());
    // What somebody has made unreadable must not hide the rest: verifying tells of it.
    let read = |row: &'_ crate::store::AuditRecordRow| serde_json::from_str::<Box<RawValue>>(&row.text).ok();
    let records: Vec<Box<RawValue>> = rows.iter().filter_map(read).collect();
    let page = Page { records: records.iter().map(AsRef::as_ref).collect(), next, latest: latest.to_string() };
    Ok(ok(write(&page)))
}

pub(super) async fn verify(State(gateway): State<Arc<Gateway>>) -> Result<Json<Report>, ApiError> {
    Ok(Json(find(&gateway)?.verify(&gateway.store).await.map_err(unreadable)?))
}

fn find(gateway: &Gateway) -> Result<&Arc<Audit>, ApiError> {
    let off = "the audit log is off: start the gateway with MCPJUNGLE_AUDIT=true";
    gateway.audit.as_ref().ok_or_else(|| ApiError::not_found(off))
}

/// Nothing was to be changed, so the usual words would be wrong.
fn unreadable(error: ShipError) -> ApiError {
    tracing::warn!(error = with_sources(&error), "the audit log cannot be read");
    match &error {
        ShipError::Store(StoreError::Unreachable(_) | StoreError::Busy(_) | StoreError::Unconfirmed(_)) => {
            ApiError::unavailable(
                "the database cannot be reached, so the audit log cannot be read now; \
                 records wait on the gateway's disk meanwhile",
            )
        }
        ShipError::Store(_) => ApiError::failed("the database failed: see the gateway's log"),
        ShipError::Journal(_) => ApiError::failed("the audit log's journal cannot be read: see the gateway's log"),
    }
}

fn read_query(parameters: &Parameters) -> Result<AuditQuery, ApiError> {
    let given = |name: &str| parameters.get(name).map(str::to_owned);
    let text = |name: &str| given(name).filter(|value| !value.is_empty());
    if let Some(nul) =
        ["client", "user", "server"].into_iter().find(|name| text(name).is_some_and(|value| value.contains('\0')))
    {
        return Err(ApiError::invalid(format!("invalid '{nul}': it holds a NUL character")));
    }
    let time = |name: &str| match given(name) {
        None => Ok(None),
        Some(written) => parse_rfc3339(&written).map(Some).ok_or_else(|| {
            let written = written.escape_default();
            ApiError::invalid(format!("invalid '{name}': '{written}' must be a time such as 2026-01-31T08:05:09Z"))
        }),
    };
    let kind = given("kind");
    if let Some(unknown) = kind.as_deref().filter(|kind| Kind::parse(kind).is_none()) {
        let (known, unknown) = (Kind::ALL.map(Kind::as_str).join(", "), unknown.escape_default());
        return Err(ApiError::invalid(format!("invalid 'kind': '{unknown}' must be one of {known}")));
    }
    let oldest_first = match given("order").as_deref() {
        None | Some("newest") => false,
        Some("oldest") => true,
        Some(other) => {
            let other = other.escape_default();
            return Err(ApiError::invalid(format!("invalid 'order': '{other}' must be 'newest' or 'oldest'")));
        }
    };
    let number = |name: &str, highest: i64, lowest: i64| match given(name) {
        None => Ok(None),
        Some(written) => match written.parse::<i64>() {
            Ok(number) if (lowest..=highest).contains(&number) => Ok(Some(number)),
            _ => {
                let written = written.escape_default();
                Err(ApiError::invalid(format!(
                    "invalid '{name}': '{written}' must be a number from {lowest} to {highest}"
                )))
            }
        },
    };
    Ok(AuditQuery {
        client: text("client"),
        user: text("user"),
        server: text("server"),
        kind,
        since_ms: time("since")?,
        until_ms: time("until")?,
        denied: flag(parameters, "denied")?,
        oldest_first,
        cursor: number("cursor", i64::MAX, 0)?,
        limit: number("limit", MAX_LIMIT, 1)?.unwrap_or(DEFAULT_LIMIT),
    })
}
