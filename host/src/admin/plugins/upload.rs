//! `POST /plugins/components`: the bytes of a component, looked at before they are kept.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::RawBody;
use crate::gateway::{ChangeError, Gateway, PolicySource};
use crate::pipeline::Stage;
use crate::plugin::no_component;

/// What messages call a component that has no name yet.
const UNNAMED: &str = "(upload)";
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
    if let Some(problem) = no_component(&body) {
        return Err(ApiError::invalid(problem));
    }
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
