//! `GET /prompts[?server=]` and `GET /prompt?name=`: disabled prompts too.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::admin::call::ok;
use crate::admin::error::ApiError;
use crate::admin::input::{Parameters, required};
use crate::admin::record::{self, Head, members, text};
use crate::catalog::{CatalogItem, CatalogServer};
use crate::gateway::Gateway;
use crate::names::CanonicalName;
use crate::pipeline::ItemKind;

/// A prompt as the API describes it; arguments as the upstream sent them.
#[derive(Debug, Serialize)]
struct PromptRecord<'a> {
    #[serde(flatten)]
    head: Head,
    name: String,
    enabled: bool,
    description: String,
    arguments: Option<&'a RawValue>,
}

impl<'a> PromptRecord<'a> {
    fn of(server: &CatalogServer, item: &'a CatalogItem) -> Self {
        let [description, arguments] = members(item, ["description", "arguments"]);
        Self {
            head: Head::of(server, item),
            name: item.item.name.to_string(),
            enabled: item.enabled,
            description: text(description),
            arguments,
        }
    }
}

pub(in crate::admin) async fn list(
    State(gateway): State<Arc<Gateway>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let snapshot = gateway.snapshot();
    let prompts = record::items(&snapshot, &parameters, ItemKind::Prompt)?;
    let records: Vec<_> = prompts.iter().map(|(server, item)| PromptRecord::of(server, item)).collect();
    Ok(ok(record::write(&records)))
}

pub(in crate::admin) async fn find(
    State(gateway): State<Arc<Gateway>>,
    parameters: Parameters,
) -> Result<Response, ApiError> {
    let name = CanonicalName::parse(required(&parameters, "name")?)?;
    let snapshot = gateway.snapshot();
    let (server, item) = snapshot
        .find(ItemKind::Prompt, &name)
        .ok_or_else(|| ApiError::not_found(format!("prompt {name} not found")))?;
    Ok(ok(record::write(&PromptRecord::of(server, item))))
}
