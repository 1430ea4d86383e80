//! `GET /tool-groups` and `GET /tool-groups/{name}`

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::HeaderMap;
use serde::Serialize;

use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::tool_groups::{Endpoints, missing};
use crate::gateway::Gateway;
use crate::group::ToolGroup;
use crate::names::GroupName;

/// A group with its endpoints.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct GroupView {
    #[serde(flatten)]
    group: ToolGroup,
    #[serde(flatten)]
    endpoints: Endpoints,
}

pub(in crate::admin) async fn list(State(gateway): State<Arc<Gateway>>) -> Json<Vec<ToolGroup>> {
    Json(gateway.snapshot().groups.values().map(|group| group.definition.clone()).collect())
}

pub(in crate::admin) async fn find(
    State(gateway): State<Arc<Gateway>>,
    NameInPath(name): NameInPath,
    headers: HeaderMap,
) -> Result<Json<GroupView>, ApiError> {
    let name = GroupName::parse(&name)?;
    let snapshot = gateway.snapshot();
    let group = snapshot.groups.get(&name).ok_or_else(|| missing(&name))?;
    Ok(Json(GroupView { group: group.definition.clone(), endpoints: Endpoints::of(&name, &headers) }))
}
