//! `plugin`: policies as an administrator sees them, a file per command.

mod add;
mod change;
mod get;
mod history;
mod list;
mod plan;
mod source;
mod table;
mod update;

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
        PluginCommand::Add(plugin) => add::run(plugin, api, environment, printer).await,
        PluginCommand::List => list::run(api, printer).await,
        PluginCommand::Get(plugin) => get::run(&plugin.name, api, printer).await,
        PluginCommand::Update(plugin) => update::run(plugin, api, environment, printer).await,
        PluginCommand::Enable(plugin) => change::run(api.change_plugin(&plugin.name, "enable").await, printer),
        PluginCommand::Disable(plugin) => change::run(api.change_plugin(&plugin.name, "disable").await, printer),
        PluginCommand::Remove(plugin) => change::run(api.remove_plugin(&plugin.name).await, printer),
        PluginCommand::Order(order) => change::run(api.order_plugins(&order.names).await, printer),
        PluginCommand::Rollback(back) => match &back.name {
            Some(name) => change::run(api.change_plugin(name, "rollback").await, printer),
            None => change::run(api.roll_back_plugins().await, printer),
        },
        PluginCommand::History => history::run(api, printer).await,
        PluginCommand::Plan(plan) => plan::run(&plan.command, api, environment, printer).await,
    }
}
