//! `PUT /tool-groups/{name}`: replaces a group as a whole.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::{JsonBody, NameInPath};
use crate::admin::tool_groups::check::check_included;
use crate::admin::tool_groups::effective::count_items;
use crate::admin::tool_groups::{GroupDescription, holds_nothing, missing, take_back};
use crate::gateway::Gateway;
use crate::group::ToolGroup;
use crate::names::GroupName;

/// The group before and after.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Updated {
    name: GroupName,
    old: ToolGroup,
    new: ToolGroup,
}

/// The name in the path counts; one in the body is ignored.
pub(in crate::admin) async fn update(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
    JsonBody(description): JsonBody<GroupDescription>,
) -> Result<Json<Updated>, ApiError> {
    let name = GroupName::parse(&name)?;
    let new = description.into_group(name);
    put(gateway, admission, new).await.map(Json)
}

pub(in crate::admin) async fn put(
    gateway: Arc<Gateway>,
    admission: Admission,
    new: ToolGroup,
) -> Result<Updated, ApiError> {
    let name = new.name.clone();
    change::finish(async move {
        let _turn = gateway.group_changes.lock().await;
        let snapshot = gateway.snapshot();
        let known = snapshot.groups.get(&name).ok_or_else(|| missing(&name))?;
        check_included(&new, Some(&known.definition), &snapshot)?;
        let old = gateway.store.update_group(&new).await?.ok_or_else(|| missing(&name))?;
        gateway.refresh().await?;
        // Policies look groups up by name, so only a stored one can be asked about.
        let items = match count_items(&gateway, &admission, &name).await {
            Ok(items) if items > 0 => items,
            empty_or_failed => {
                let refusal = empty_or_failed.err().unwrap_or_else(holds_nothing);
                return Err(take_back(&gateway, &new, Some(&old), refusal).await);
            }
        };
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            group = %name,
            items,
            "updated a tool group"
        );
        Ok(Updated { name, old, new })
    })
    .await
}
