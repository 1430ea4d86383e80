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
    Ok(Json(EffectiveTools { tools: effective_names(&gateway, &admission, &name, ItemKind::Tool).await? }))
}

/// How many items of any kind are in a stored group, disabled ones too.
pub(super) async fn count_items(
    gateway: &Gateway,
    admission: &Admission,
    group: &GroupName,
) -> Result<usize, ApiError> {
    let mut count = 0;
    for kind in ItemKind::ALL {
        count += effective_names(gateway, admission, group, kind).await?.len();
    }
    Ok(count)
}

/// The canonical names of a stored group's items of a kind, sorted.
async fn effective_names(
    gateway: &Gateway,
    admission: &Admission,
    group: &GroupName,
    kind: ItemKind,
) -> Result<Vec<String>, ApiError> {
    let snapshot = gateway.snapshot();
    let items: Vec<&Item> =
        snapshot.servers.values().flat_map(|server| server.items_of(kind)).map(|item| &item.item).collect();
    let request = admission.request(Endpoint::Group(group.clone()), kind.list_method());
    let listing = gateway.pipeline().select_items(&request, group.as_str(), &items).await?;
    let selected = items.iter().zip(listing.visible).filter(|(_, is_selected)| *is_selected);
    let mut names: Vec<String> = selected.map(|(item, _)| item.name.to_string()).collect();
    names.sort();
    Ok(names)
}
