//! `plugin update`.

use anyhow::Context;

use super::{change, source};
use crate::api::Api;
use crate::arguments::UpdatePlugin;
use crate::environment::Environment;
use crate::printer::Printer;

pub(super) async fn run(
    plugin: &UpdatePlugin,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let changes = source::changes(plugin, api, environment).await?;
    let made = api.update_plugin(&plugin.name, &changes).await;
    change::run_and_describe(made.with_context(|| format!("failed to update plugin {}", plugin.name)), printer)
}
