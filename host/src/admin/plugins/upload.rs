//! `POST /plugins/components`: the bytes of a component, looked at before they are kept.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::RawBody;
use crate::gateway::{ChangeError, Gateway, PolicySource};
use crate::pipeline::Stage;

/// What messages call a component that has no name yet.
const UNNAMED: &str = "(upload)";
/// What WebAssembly begins with, and behind it what tells a component from a core module.
const MAGIC: &[u8] = b"\0asm";
const CORE_MODULE: &[u8] = b"\x01\0\0\0";

/// A component that is in the store now.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Component {
    /// As a plugin names it.
    component: String,
    digest: String,
    /// In bytes.
    size: usize,
    stages: Vec<Stage>,
    /// What must be granted for it: `kv`, `http:HOST`, `secret:NAME`.
    needs: Vec<&'static str>,
    version: String,
    summary: String,
}

pub(in crate::admin) async fn upload(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    RawBody(body): RawBody,
) -> Result<(StatusCode, Json<Component>), ApiError> {
    if let PolicySource::File(path) = gateway.policy_source() {
        return Err(ChangeError::FromFile(path.clone()).into());
    }
    check_kind(&body)?;
    let bytes: Arc<[u8]> = body.as_ref().into();
    let (found, description) = gateway.plugin_host().describe(UNNAMED, Arc::clone(&bytes)).await?;
    let mut needs: Vec<_> = found.imports.iter().filter_map(|import| import.needs).collect();
    needs.sort();
    needs.dedup();
    let component = Component {
        component: format!("sha256:{}", found.digest),
        digest: found.digest.to_string(),
        size: found.size,
        stages: found.stages,
        needs: needs.into_iter().map(|capability| capability.example()).collect(),
        version: description.version,
        summary: description.summary,
    };
    change::finish(async move {
        gateway.store.put_component(&component.digest, &bytes).await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            component.digest = component.digest,
            "kept a component"
        );
        Ok((StatusCode::CREATED, Json(component)))
    })
    .await
}

/// Says of what is no component at all what it is.
fn check_kind(body: &Bytes) -> Result<(), ApiError> {
    let problem = match body.strip_prefix(MAGIC) {
        None if body.is_empty() => "the body is empty: send the bytes of a component",
        None => "this is no WebAssembly: send the bytes of a component, a .wasm file",
        Some(rest) if rest.starts_with(CORE_MODULE) => {
            "this is a WebAssembly core module, not a component: build it for the target wasm32-wasip2, or with \
             `cargo component`, or make it one with `wasm-tools component new`"
        }
        Some(_) => return Ok(()),
    };
    Err(ApiError::invalid(problem))
}
