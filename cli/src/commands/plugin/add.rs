//! `plugin add`.

use anyhow::Context;

use super::{change, source};
use crate::api::Api;
use crate::arguments::AddPlugin;
use crate::environment::Environment;
use crate::printer::Printer;

pub(super) async fn run(
    plugin: &AddPlugin,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let addition = source::addition(plugin, api, environment).await?;
    let made = api.add_plugin(&addition).await.with_context(|| format!("failed to add plugin {}", plugin.name));
    change::run_and_describe(made, printer)
}
