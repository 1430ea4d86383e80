//! What can be typed: commands, flags and their help, as clap reads them.

mod audit;
mod check;
mod commands;
mod explain;
mod files;
mod identities;
mod plugin;
mod upkeep;

use std::ffi::OsString;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub(crate) use audit::{AuditArguments, AuditKind, ReadAuditArguments};
pub(crate) use check::Interruption;
pub(crate) use commands::{
    AdminAuth, CreateArguments, CreateKind, DeleteArguments, DeleteKind, GetArguments, GetKind, InvokeArguments,
    ListArguments, ListKind, OneName, PromptArguments, RegisterArguments, ResourceArguments, StartArguments,
    ToggleArguments, ToggleKind, UpdateArguments, UpdateKind,
};
pub(crate) use explain::ExplainArguments;
pub(crate) use files::{ApplyArguments, CompletionArguments, ExportArguments, FileKind, ValidateArguments};
pub(crate) use identities::{
    CreateClientArguments, CreateUserArguments, InitServerArguments, LoginArguments, RotationArguments,
    UpdateClientArguments, UpdateUserArguments,
};
pub(crate) use plugin::{
    BenchArguments, CheckArguments, ComponentArguments, PluginArguments, PluginCommand, SecretCommand,
    SetSecretArguments, TestArguments,
};
pub(crate) use upkeep::{DatabaseArguments, RekeyArguments, ResetArguments, UpkeepArguments, UpkeepKind};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "mcpjungle",
    about = "MCPJungle: one self-hosted gateway to all your MCP servers",
    disable_version_flag = true,
    max_term_width = 100
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalArguments,
    /// Print the version
    #[arg(short = 'v', long)]
    pub(crate) version: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global Options")]
pub(crate) struct GlobalArguments {
    /// Base URL of the gateway [default: `registry_url` in ~/.mcpjungle.conf, or http://127.0.0.1:8080]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) registry: Option<String>,
    /// Print the API's answer as JSON in place of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// The commands, in the order in which help lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start the gateway
    Start(StartArguments),
    /// Register an MCP server
    Register(RegisterArguments),
    /// List servers, tools, prompts, resources, groups, MCP clients or users
    List(ListArguments),
    /// Show what a tool does and what input it takes
    #[command(after_help = "Example:\n  mcpjungle usage calculator__multiply")]
    Usage(OneName),
    /// Call a tool
    Invoke(InvokeArguments),
    /// Remove an MCP server and all that it provides
    #[command(after_help = "Example:\n  mcpjungle deregister calculator")]
    Deregister(OneName),
    /// Show the versions of this program and of the gateway
    #[command(after_help = "Example:\n  mcpjungle version")]
    Version,
    /// Show a prompt, a group or a resource
    Get(GetArguments),
    /// Disable a tool, a prompt or a whole server
    #[command(after_help = commands::DISABLE_EXAMPLES, override_usage = "mcpjungle disable <tool|prompt|server> <NAME>")]
    Disable(ToggleArguments),
    /// Enable a tool, a prompt or a whole server
    #[command(after_help = commands::ENABLE_EXAMPLES, override_usage = "mcpjungle enable <tool|prompt|server> <NAME>")]
    Enable(ToggleArguments),
    /// Create a tool group, an MCP client or a user
    Create(CreateArguments),
    /// Delete a tool group, an MCP client or a user
    Delete(DeleteArguments),
    /// Make yourself the administrator of a server in enterprise mode
    InitServer(InitServerArguments),
    /// Log in to a server in enterprise mode
    Login(LoginArguments),
    /// Change a tool group, an MCP client or a user
    Update(UpdateArguments),
    /// Show what policies would decide about a call, and why
    Explain(ExplainArguments),
    /// Write every server and tool group to a file
    Export(ExportArguments),
    /// Make servers and tool groups what files say
    Apply(ApplyArguments),
    /// Check configuration files
    Validate(ValidateArguments),
    /// Look after a gateway's database, on its own machine
    Server(UpkeepArguments),
    /// Show who did what, and what was refused
    Audit(AuditArguments),
    /// Write, try and install policies of your own: WebAssembly components
    Plugin(PluginArguments),
    /// Print a script with which your shell completes arguments
    Completion(CompletionArguments),
}

/// Reads the arguments of the process.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Arguments, Interruption> {
    let words: Vec<OsString> = words.into_iter().collect();
    let mut command = command();
    let matches = command.try_get_matches_from_mut(&words).map_err(|error| check::explain(&error, &command, &words))?;
    check::refuse_excess(&matches, &command, &words)?;
    Arguments::from_arg_matches(&matches).map_err(|error| check::explain(&error, &command, &words))
}

/// The command line as clap knows it, and nothing more.
pub(crate) fn plain_command() -> clap::Command {
    Arguments::command()
}

/// The command line as clap knows it, with the help of our own at its root.
pub(crate) fn command() -> clap::Command {
    let command = check::with_excess(plain_command());
    let help = crate::help::root(&command);
    command.override_help(help)
}
