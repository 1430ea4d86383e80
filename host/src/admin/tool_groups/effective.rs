//! `GET /tool-groups/{name}/effective-tools`: the registered tools that the tool-filters find in it.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use serde::Serialize;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::input::NameInPath;
use crate::admin::tool_groups::missing;
use crate::gateway::Gateway;
use crate::names::GroupName;
use crate::pipeline::{Endpoint, Item, ItemKind};

#[derive(Debug, Serialize)]
pub(in crate::admin) struct EffectiveTools {
    /// Canonical names, sorted; disabled tools too.
    tools: Vec<String>,
}

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    NameInPath(name): NameInPath,
) -> Result<Json<EffectiveTools>, ApiError> {
    let name = GroupName::parse(&name)?;
    if !gateway.snapshot().groups.contains_key(&name) {
        return Err(missing(&name));
    }
    Ok(Json(EffectiveTools { tools: effective_tools(&gateway, &admission, &name).await? }))
}

/// The canonical names of a stored group's tools, sorted.
pub(super) async fn effective_tools(
    gateway: &Gateway,
    admission: &Admission,
    group: &GroupName,
) -> Result<Vec<String>, ApiError> {
    let snapshot = gateway.snapshot();
    let tools: Vec<&Item> =
        snapshot.servers.values().flat_map(|server| server.items_of(ItemKind::Tool)).map(|item| &item.item).collect();
    let request = admission.request(Endpoint::Group(group.clone()), "tools/list");
    let listing = gateway.pipeline().select_items(&request, group.as_str(), &tools).await?;
    let selected = tools.iter().zip(listing.visible).filter(|(_, is_selected)| *is_selected);
    let mut names: Vec<String> = selected.map(|(tool, _)| tool.name.to_string()).collect();
    names.sort();
    Ok(names)
}
