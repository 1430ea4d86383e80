//! Enabling and disabling tools and prompts: one by its canonical name, or all of a server.

use std::sync::Arc;

use axum::Json;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::gateway::Gateway;
use crate::names::{CanonicalName, SEPARATOR, ServerName};
use crate::pipeline::ItemKind;

/// The canonical names of what was asked for: a single item always, of a whole
/// server those whose state changed, `null` if none did.
pub(super) type Switched = Json<Option<Vec<String>>>;

/// Enables or disables the items of a kind that `entity` names.
pub(super) async fn switch(
    gateway: Arc<Gateway>,
    admission: Admission,
    kind: ItemKind,
    entity: String,
    enabled: bool,
) -> Result<Switched, ApiError> {
    let (server, key) = if entity.contains(SEPARATOR) {
        let name = CanonicalName::parse(&entity)?;
        (name.server, Some(name.name))
    } else {
        (ServerName::parse(&entity)?, None)
    };
    change::finish(async move {
        let changed = gateway.store.set_items_enabled(&server, kind, key.as_deref(), enabled).await?;
        let changed = changed.ok_or_else(|| missing(kind, &entity, key.is_some()))?;
        gateway.refresh().await?;
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            entity,
            item.kind = ?kind,
            enabled,
            changed = changed.len(),
            "switched items"
        );
        Ok(Json(match key {
            Some(_) => Some(vec![entity]),
            None => canonical_names(&server, changed),
        }))
    })
    .await
}

/// Canonical names, or `None` where there are none.
pub(super) fn canonical_names(server: &ServerName, keys: Vec<String>) -> Option<Vec<String>> {
    let names: Vec<String> = keys.iter().map(|key| format!("{server}{SEPARATOR}{key}")).collect();
    (!names.is_empty()).then_some(names)
}

fn missing(kind: ItemKind, entity: &str, is_item: bool) -> ApiError {
    let what = match kind {
        _ if !is_item => "MCP server",
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource | ItemKind::ResourceTemplate => "resource",
    };
    ApiError::not_found(format!("{what} {entity} not found"))
}
