//! `GET /tools[?server=]` and `GET /tool?name=`: disabled tools too.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::admin::admission::Admission;
use crate::admin::call::ok;
use crate::admin::error::ApiError;
use crate::admin::input::{Parameters, required};
use crate::admin::record::{self, Head, members, text};
use crate::catalog::{CatalogItem, CatalogServer};
use crate::gateway::Gateway;
use crate::names::CanonicalName;
use crate::pipeline::ItemKind;

/// A tool as the API describes it; schema and annotations as the upstream sent them.
#[derive(Debug, Serialize)]
struct ToolRecord<'a> {
    #[serde(flatten)]
    head: Head,
    name: String,
    enabled: bool,
    description: String,
    input_schema: Option<&'a RawValue>,
    annotations: Option<&'a RawValue>,
}

impl<'a> ToolRecord<'a> {
    fn of(server: &CatalogServer, item: &'a CatalogItem) -> Self {
        let [description, input_schema, annotations] = members(item, ["description", "inputSchema", "annotations"]);
        Self {
            head: Head::of(server, item),
            name: item.item.name.to_string(),
            enabled: item.enabled,
            description: text(description),
            input_schema,
            annotations,
        }
    }
}

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let snapshot = gateway.snapshot();
    let tools = record::items(&snapshot, &parameters, ItemKind::Tool)?;
    let records: Vec<_> = tools.iter().map(|(server, item)| ToolRecord::of(server, item)).collect();
    Ok(ok(record::write(&records)))
}

pub(in crate::admin) async fn find(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let name = CanonicalName::parse(required(&parameters, "name")?)?;
    let snapshot = gateway.snapshot();
    let missing = || ApiError::no_item(format_args!("tool {name} not found"), admission.may_administer(gateway.mode));
    let (server, item) = snapshot.find(ItemKind::Tool, &name).ok_or_else(missing)?;
    Ok(ok(record::write(&ToolRecord::of(server, item))))
}
