//! What the commands against a running gateway do: a folder per thing, a file per command.

mod apply;
mod attachment;
mod audit;
pub(crate) mod completion;
pub(crate) mod explain;
mod export;
mod group;
mod init_server;
mod login;
mod mcp_client;
pub(crate) mod plugin;
mod prompt;
mod resource;
mod server;
mod token;
mod tool;
mod user;
pub(crate) mod validate;
pub(crate) mod version;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context;
use mcpjungle_host::secret::Secret;
use serde_json::json;

use crate::api::Api;
use crate::arguments::{
    AuditKind, Command, CreateKind, DeleteKind, GetKind, GlobalArguments, ListKind, ToggleArguments, ToggleKind,
    UpdateKind,
};
use crate::environment::Environment;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::settings::ClientSettings;

/// Whether a command enables or disables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Toggle {
    Enable,
    Disable,
}

impl Toggle {
    fn verb(self) -> &'static str {
        match self {
            Self::Enable => "enable",
            Self::Disable => "disable",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Enable => "enabled",
            Self::Disable => "disabled",
        }
    }
}

/// Runs one command against the gateway that the settings name.
pub(crate) fn run(
    command: &Command,
    global: &GlobalArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<ExitCode> {
    let mut settings = ClientSettings::resolve(global, environment)?;
    for note in &settings.notes {
        printer.note(note)?;
    }
    match command {
        // They save the gateway's URL themselves, and who they speak for is said by their arguments.
        Command::InitServer(init) => settings.access_token = init_server::bootstrap_token(init, environment)?,
        Command::Login(login) => settings.access_token = Some(Secret::new(login.access_token.trim())),
        _ => settings.tip.iter().try_for_each(|tip| printer.note(tip))?,
    }
    let api = Api::new(&settings, Progress::new(environment))?;
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("failed to start the runtime")?;
    runtime.block_on(perform(command, &settings, &api, environment, printer))?;
    Ok(ExitCode::SUCCESS)
}

async fn perform(
    command: &Command,
    settings: &ClientSettings,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    match command {
        Command::Start(_) | Command::Server(_) | Command::Validate(_) | Command::Completion(_) => {
            unreachable!("these ask no gateway")
        }
        Command::Register(register) => server::register::run(register, api, environment, printer).await,
        Command::Deregister(server) => server::deregister::run(&server.name, api, printer).await,
        Command::List(list) => match &list.kind {
            ListKind::Servers => server::list::run(api, printer).await,
            ListKind::Tools(of) => tool::list::run(of.server.as_deref(), of.group.as_deref(), api, printer).await,
            ListKind::Prompts(of) => prompt::list::run(of.server.as_deref(), api, printer).await,
            ListKind::Resources(of) => resource::list::run(of.server.as_deref(), api, printer).await,
            ListKind::Groups => group::list::run(api, printer).await,
            ListKind::McpClients => mcp_client::list::run(api, printer).await,
            ListKind::Users => user::list::run(api, printer).await,
        },
        Command::Usage(tool) => tool::usage::run(&tool.name, api, printer).await,
        Command::Invoke(invoke) => tool::invoke::run(invoke, api, environment, printer).await,
        Command::Version => version::run(settings, api, printer).await,
        Command::Get(get) => match &get.kind {
            GetKind::Prompt(prompt) => prompt::get::run(prompt, api, printer).await,
            GetKind::Group(group) => group::get::run(&group.name, api, printer).await,
            GetKind::Resource(resource) => resource::get::run(resource, api, environment, printer).await,
        },
        Command::Enable(arguments) => toggle(Toggle::Enable, arguments, api, printer).await,
        Command::Disable(arguments) => toggle(Toggle::Disable, arguments, api, printer).await,
        Command::Create(create) => match &create.kind {
            CreateKind::Group(file) => group::create::run(&file.conf, api, environment, printer).await,
            CreateKind::McpClient(client) => mcp_client::create::run(client, api, environment, printer).await,
            CreateKind::User(user) => user::create::run(user, api, environment, printer).await,
        },
        Command::Delete(delete) => match &delete.kind {
            DeleteKind::Group(group) => group::delete::run(&group.name, api, printer).await,
            DeleteKind::McpClient(client) => mcp_client::delete::run(&client.name, api, printer).await,
            DeleteKind::User(user) => user::delete::run(&user.name, api, printer).await,
        },
        Command::InitServer(init) => init_server::run(init, settings, api, environment, printer).await,
        Command::Login(login) => login::run(login, settings, api, environment, printer).await,
        Command::Update(update) => match &update.kind {
            UpdateKind::Group(file) => group::update::run(&file.conf, api, environment, printer).await,
            UpdateKind::McpClient(client) => mcp_client::update::run(client, api, printer).await,
            UpdateKind::User(user) => user::update::run(user, api, printer).await,
        },
        Command::Explain(arguments) => explain::run(arguments, api, printer).await,
        Command::Export(export) => export::run(export, api, environment, printer).await,
        Command::Apply(apply) => apply::run(apply, api, environment, printer).await,
        Command::Audit(audit) => match audit.kind {
            Some(AuditKind::Verify) => audit::verify::run(api, printer).await,
            None => audit::read::run(&audit.read, api, printer).await,
        },
        Command::Plugin(arguments) => plugin::run(&arguments.command, api, environment, printer).await,
    }
}

async fn toggle(toggle: Toggle, arguments: &ToggleArguments, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    match (&arguments.kind, &arguments.name) {
        (Some(ToggleKind::Tool(tool)), _) => tool::toggle::run(toggle, &tool.name, api, printer).await,
        (Some(ToggleKind::Prompt(prompt)), _) => prompt::toggle::run(toggle, &prompt.name, api, printer).await,
        (Some(ToggleKind::Server(server)), _) => server::toggle::run(toggle, &server.name, api, printer).await,
        (None, Some(name)) => {
            let verb = toggle.verb();
            printer.note(format_args!(
                "Warning: '{verb} [name]' is deprecated. \
                 Please use '{verb} tool [name]' or '{verb} server [name]' instead.\n"
            ))?;
            tool::toggle::run(toggle, name, api, printer).await
        }
        // Only global flags were given.
        (None, None) => anyhow::bail!("accepts 1 arg(s), received 0"),
    }
}

/// Prints which items of a kind (`tool` or `prompt`) were enabled or disabled.
fn print_toggled(kind: &str, toggle: Toggle, names: &[String], printer: &mut Printer) -> std::io::Result<()> {
    let done = toggle.done();
    if let [name] = names {
        return writeln!(printer, "MCP {kind} '{name}' {done} successfully!");
    }
    if names.is_empty() {
        return writeln!(printer, "Nothing to do: no {kind} had to be {done}.");
    }
    writeln!(printer, "Following MCP {kind}s have been {done} successfully:")?;
    names.iter().try_for_each(|name| writeln!(printer, "- {name}"))
}

/// Prints, as JSON, that something is gone: the API answers a deletion with nothing.
fn print_deleted(name: &str, printer: &mut Printer) -> std::io::Result<()> {
    printer.json(&json!({ "name": name, "deleted": true }).to_string())
}
