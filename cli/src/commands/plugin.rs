//! `plugin`: policy components, tried here without a gateway, or administered in one.

mod add;
mod bench;
mod change;
mod check;
mod get;
mod history;
mod list;
mod new;
mod plan;
mod secret;
mod settings;
mod source;
mod table;
mod test;
mod update;

use std::process::ExitCode;

use anyhow::Context;
use mcpjungle_host::configuration::Source;
use mcpjungle_host::plugin::Limits;
use mcpjungle_host::workbench::Subject;

use crate::api::Api;
use crate::arguments::{ComponentArguments, PluginArguments, PluginCommand};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::progress::Progress;

/// Runs one of those commands that ask no gateway.
pub(crate) fn run_offline(
    arguments: &PluginArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start the runtime")?;
    let progress = Progress::new(environment);
    let status = runtime.block_on(async {
        match &arguments.command {
            PluginCommand::New(new) => new::run(new, environment, printer),
            PluginCommand::Check(check) => check::run(check, environment, &progress, printer).await,
            PluginCommand::Test(test) => test::run(test, environment, &progress, printer).await,
            PluginCommand::Bench(bench) => bench::run(bench, environment, &progress, printer).await,
            _ => unreachable!("it asks a gateway"),
        }
    });
    // A component that is still being compiled is not waited for: nobody wants it any more.
    runtime.shutdown_background();
    status
}

/// Runs one of the others.
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
            None => change::roll_back(api, printer).await,
        },
        PluginCommand::History => history::run(api, printer).await,
        PluginCommand::Plan(plan) => plan::run(&plan.command, api, environment, printer).await,
        PluginCommand::Secret(secret) => secret::run(&secret.command, api, environment, printer).await,
        PluginCommand::New(_) | PluginCommand::Check(_) | PluginCommand::Test(_) | PluginCommand::Bench(_) => {
            unreachable!("it asks no gateway")
        }
    }
}

/// The component that the arguments name. What it is compiled to is kept where the gateway keeps it.
fn subject(arguments: &ComponentArguments, environment: &Environment) -> anyhow::Result<Subject> {
    let mut subject = Subject::new(&arguments.file, &environment.path(&arguments.file))?;
    let usual = Limits::default();
    subject.limits = Limits {
        deadline_ms: arguments.deadline.unwrap_or(usual.deadline_ms),
        memory_mib: arguments.memory.unwrap_or(usual.memory_mib),
        ..usual
    };
    subject.cache_dir = crate::start::plugin_cache(environment);
    Ok(subject)
}

/// A file of cases, as far as it is a text.
struct CasesText {
    shown: String,
    path: std::path::PathBuf,
    text: String,
}

impl CasesText {
    fn read(written: &std::path::Path, environment: &Environment) -> anyhow::Result<Self> {
        let (shown, path) = (written.display().to_string(), environment.path(written));
        let text = std::fs::read_to_string(&path).with_context(|| format!("failed to read the cases file {shown}"))?;
        Ok(Self { shown, path, text })
    }

    fn source(&self) -> Source<'_> {
        Source { shown: &self.shown, path: &self.path, text: &self.text }
    }
}
