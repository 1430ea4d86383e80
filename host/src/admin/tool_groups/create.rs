//! `POST /tool-groups`

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use http::{HeaderMap, StatusCode};

use crate::admin::admission::Admission;
use crate::admin::change;
use crate::admin::error::ApiError;
use crate::admin::input::JsonBody;
use crate::admin::tool_groups::check::check_included;
use crate::admin::tool_groups::effective::count_items;
use crate::admin::tool_groups::{Endpoints, GroupDescription, holds_nothing, take_back};
use crate::gateway::Gateway;
use crate::group::ToolGroup;
use crate::names::GroupName;

pub(in crate::admin) async fn create(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    headers: HeaderMap,
    JsonBody(description): JsonBody<GroupDescription>,
) -> Result<(StatusCode, Json<Endpoints>), ApiError> {
    let name = GroupName::parse(&description.name)?;
    let endpoints = Endpoints::of(&name, &headers);
    put(gateway, admission, description.into_group(name)).await?;
    Ok((StatusCode::CREATED, Json(endpoints)))
}

pub(in crate::admin) async fn put(
    gateway: Arc<Gateway>,
    admission: Admission,
    group: ToolGroup,
) -> Result<(), ApiError> {
    let name = group.name.clone();
    change::finish(async move {
        let _turn = gateway.group_changes.lock().await;
        check_included(&group, None, &gateway.snapshot())?;
        gateway.store.create_group(&group).await?;
        gateway.refresh().await?;
        // Policies look groups up by name, so only a stored one can be asked about.
        let items = match count_items(&gateway, &admission, &name).await {
            Ok(items) if items > 0 => items,
            empty_or_failed => {
                let refusal = empty_or_failed.err().unwrap_or_else(holds_nothing);
                return Err(take_back(&gateway, &group, None, refusal).await);
            }
        };
        tracing::info!(
            request.id = %admission.request_id,
            principal.name = %admission.principal.name,
            group = %name,
            items,
            "created a tool group"
        );
        Ok(())
    })
    .await
}
