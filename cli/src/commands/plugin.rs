//! Commands about plugins.

mod secret;

use crate::api::Api;
use crate::arguments::PluginCommand;
use crate::environment::Environment;
use crate::printer::Printer;

pub(super) async fn run(
    command: &PluginCommand,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    match command {
        PluginCommand::Secret(secret) => secret::run(&secret.command, api, environment, printer).await,
    }
}
