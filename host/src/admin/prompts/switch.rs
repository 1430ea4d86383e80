//! `POST /prompts/enable?entity=` and `/prompts/disable?entity=`

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;

use crate::admin::admission::Admission;
use crate::admin::error::ApiError;
use crate::admin::input::{Parameters, required};
use crate::admin::switch::{Switched, switch};
use crate::gateway::Gateway;
use crate::pipeline::ItemKind;

pub(in crate::admin) async fn enable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
) -> Result<Switched, ApiError> {
    let entity = required(&parameters, "entity")?.to_owned();
    switch(gateway, admission, ItemKind::Prompt, entity, true).await
}

pub(in crate::admin) async fn disable(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    parameters: Parameters,
) -> Result<Switched, ApiError> {
    let entity = required(&parameters, "entity")?.to_owned();
    switch(gateway, admission, ItemKind::Prompt, entity, false).await
}
