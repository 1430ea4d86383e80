//! `enable tool` and `disable tool`.

use anyhow::Context;

use crate::api::Api;
use crate::commands::{Toggle, print_toggled};
use crate::printer::Printer;

pub(crate) async fn run(toggle: Toggle, entity: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let verb = toggle.verb();
    let answer = api.toggle_items("tools", verb, entity).await.with_context(|| format!("failed to {verb} {entity}"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    Ok(print_toggled("tool", toggle, &answer.value.unwrap_or_default(), printer)?)
}
