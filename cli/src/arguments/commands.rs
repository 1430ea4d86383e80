//! The arguments of each command.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::identities::{CreateClientArguments, CreateUserArguments, UpdateClientArguments, UpdateUserArguments};

/// A command about one thing.
#[derive(Debug, Args)]
pub(crate) struct OneName {
    /// Its name; that of a tool or prompt is `<server>__<name>`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `start`.
#[derive(Debug, Default, Args)]
#[command(after_help = "\
Examples:
  mcpjungle start
  mcpjungle start --port 9000 --policies ./policies.yaml
  mcpjungle start --enterprise

Settings also come from environment variables and a .env file in the working directory;
docs/configuration.md lists them.")]
pub(crate) struct StartArguments {
    /// Port to listen on [default: PORT, or 8080]
    #[arg(long)]
    pub(crate) port: Option<String>,
    /// Address to listen on [default: 127.0.0.1, this machine only; in enterprise mode all addresses]
    #[arg(long)]
    pub(crate) host: Option<String>,
    /// File that says which policies run, watched for changes [default: what `plugin add` installed]
    #[arg(long, value_name = "FILE")]
    pub(crate) policies: Option<PathBuf>,
    /// Run the stock policies only, whatever is installed: to mend what does not start
    #[arg(long, conflicts_with = "policies")]
    pub(crate) safe_mode: bool,
    /// Who says who may use the admin API: the stock authenticator, or those that are installed
    #[arg(long, value_name = "WHO", value_enum, default_value_t)]
    pub(crate) admin_auth: AdminAuth,
    /// Folder of server and group files to keep to, changes included
    #[arg(long, value_name = "DIR")]
    pub(crate) config_dir: Option<PathBuf>,
    /// SQLite database file [default: SQLITE_DB_PATH, or ./mcpjungle.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) sqlite_db_path: Option<PathBuf>,
    /// Run in enterprise mode: every request needs an access token [default: SERVER_MODE]
    #[arg(long)]
    pub(crate) enterprise: bool,
    /// Send no answer of a call before its audit record is safely on the disk
    #[arg(long)]
    pub(crate) audit_sync: bool,
    /// The old name of --enterprise
    #[arg(long, hide = true)]
    pub(crate) prod: bool,
}

/// Who says who may use the admin API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum AdminAuth {
    /// Stored tokens, whatever plugins say: none can lock administrators out, or let anybody in
    #[default]
    Stock,
    /// The authenticators that are installed
    Installed,
}

/// `register`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle register --name calculator --description \"Basic math\" --url http://127.0.0.1:8000/mcp
  mcpjungle register -c ./filesystem.json

A file is needed for servers that are started as a process (stdio), old ones (sse), custom headers
and stateful sessions, for example:
  {
    \"name\": \"filesystem\",
    \"transport\": \"stdio\",
    \"command\": \"npx\",
    \"args\": [\"-y\", \"@modelcontextprotocol/server-filesystem\", \".\"]
  }")]
pub(crate) struct RegisterArguments {
    /// Name of the server: letters, digits, - and _
    #[arg(long, allow_hyphen_values = true)]
    pub(crate) name: Option<String>,
    /// URL of the server's Streamable HTTP endpoint
    #[arg(long)]
    pub(crate) url: Option<String>,
    /// What the server is for
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub(crate) description: Option<String>,
    /// Sent to the server as `Authorization: Bearer <TOKEN>`
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) bearer_token: Option<String>,
    /// JSON or YAML file that describes the server; other flags than --force are ignored
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: Option<PathBuf>,
    /// Replace a server of the same name, once the new one works
    #[arg(long)]
    pub(crate) force: bool,
}

/// `list`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  mcpjungle list tools\n  mcpjungle list tools --server calculator")]
pub(crate) struct ListArguments {
    #[command(subcommand)]
    pub(crate) kind: ListKind,
}

/// What can be listed.
#[derive(Debug, Subcommand)]
pub(crate) enum ListKind {
    /// List registered MCP servers
    #[command(after_help = "Example:\n  mcpjungle list servers")]
    Servers,
    /// List tools, disabled ones too
    #[command(after_help = "\
Examples:
  mcpjungle list tools
  mcpjungle list tools --server calculator
  mcpjungle list tools --group claude-tools")]
    Tools(ListToolsArguments),
    /// List prompts, disabled ones too
    #[command(after_help = "Example:\n  mcpjungle list prompts --server huggingface")]
    Prompts(OfServer),
    /// List resources
    #[command(after_help = "Example:\n  mcpjungle list resources --server filesystem")]
    Resources(OfServer),
    /// List tool groups
    #[command(after_help = "Example:\n  mcpjungle list groups")]
    Groups,
    /// List MCP clients and what they may use (enterprise mode)
    #[command(after_help = "Example:\n  mcpjungle list mcp-clients")]
    McpClients,
    /// List users (enterprise mode)
    #[command(after_help = "Example:\n  mcpjungle list users")]
    Users,
}

/// `list tools`.
#[derive(Debug, Args)]
pub(crate) struct ListToolsArguments {
    /// Only tools of this server
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// Only tools in this group
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
}

/// A list that can be narrowed to a server.
#[derive(Debug, Args)]
pub(crate) struct OfServer {
    /// Only those of this server
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
}

/// `invoke`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle invoke calculator__multiply --input '{\"a\": 100, \"b\": 50}'
  mcpjungle invoke filesystem__read_file --group claude-tools --input '{\"path\": \"README.md\"}'

Images, audio and binary resources in the answer are saved as files in the working directory.
A tool that answers with an error of its own is no failure of this command: it exits 0.")]
pub(crate) struct InvokeArguments {
    /// Canonical name of the tool: `<server>__<tool>`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Arguments for the tool, one JSON object
    #[arg(long, value_name = "JSON", default_value = "{}", allow_hyphen_values = true)]
    pub(crate) input: String,
    /// Only call the tool if it is in this group
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
}

/// Help of `enable`.
pub(super) const ENABLE_EXAMPLES: &str = "\
Examples:
  mcpjungle enable tool calculator__add
  mcpjungle enable tool calculator        (all tools of the server)
  mcpjungle enable prompt \"huggingface__Model Details\"
  mcpjungle enable server calculator";

/// Help of `disable`.
pub(super) const DISABLE_EXAMPLES: &str = "\
Examples:
  mcpjungle disable tool calculator__add
  mcpjungle disable tool calculator       (all tools of the server)
  mcpjungle disable prompt \"huggingface__Model Details\"
  mcpjungle disable server calculator

A disabled tool is gone for MCP clients; `mcpjungle invoke` and the HTTP API still reach it.";

/// `enable` and `disable`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
pub(crate) struct ToggleArguments {
    #[command(subcommand)]
    pub(crate) kind: Option<ToggleKind>,
    /// The deprecated form without `tool`
    #[arg(value_name = "NAME", hide = true)]
    pub(crate) name: Option<String>,
}

/// What can be enabled and disabled.
#[derive(Debug, Subcommand)]
pub(crate) enum ToggleKind {
    /// One tool, or all tools of a server
    #[command(after_help = "\
Examples (`disable` takes the same):
  mcpjungle enable tool calculator__add
  mcpjungle enable tool calculator")]
    Tool(OneName),
    /// One prompt, or all prompts of a server
    #[command(after_help = "\
Examples (`disable` takes the same):
  mcpjungle enable prompt \"huggingface__Model Details\"
  mcpjungle enable prompt huggingface")]
    Prompt(OneName),
    /// A server with all its tools, prompts and resources
    #[command(after_help = "Example (`disable` takes the same):\n  mcpjungle enable server calculator")]
    Server(OneName),
}

/// `get`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcpjungle get group claude-tools")]
pub(crate) struct GetArguments {
    #[command(subcommand)]
    pub(crate) kind: GetKind,
}

/// What can be shown.
#[derive(Debug, Subcommand)]
pub(crate) enum GetKind {
    /// Show a prompt filled in with arguments
    #[command(after_help = "\
Example:
  mcpjungle get prompt \"huggingface__Model Details\" --arg model_id=\"openai/gpt-oss-120b\"")]
    Prompt(PromptArguments),
    /// Show a tool group and its endpoint
    #[command(after_help = "Example:\n  mcpjungle get group claude-tools")]
    Group(OneName),
    /// Show a resource, or with --read what is in it
    #[command(after_help = "\
Example:
  mcpjungle get resource mcpj://res/filesystem/ZmlsZTovLy9SRUFETUUubWQ --read

`mcpjungle list resources` shows the URIs.")]
    Resource(ResourceArguments),
}

/// `get prompt`.
#[derive(Debug, Args)]
pub(crate) struct PromptArguments {
    /// Canonical name of the prompt: `<server>__<prompt>`
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// An argument of the prompt; may be repeated
    #[arg(long = "arg", value_name = "NAME=VALUE", allow_hyphen_values = true)]
    pub(crate) arguments: Vec<String>,
}

/// `get resource`.
#[derive(Debug, Args)]
pub(crate) struct ResourceArguments {
    /// The gateway's URI of the resource: mcpj://…
    #[arg(value_name = "URI")]
    pub(crate) uri: String,
    /// Read it from its server
    #[arg(long)]
    pub(crate) read: bool,
}

/// `create`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle create group -c ./claude-tools-group.json
  mcpjungle create mcp-client cursor-local --allow \"calculator, github\"
  mcpjungle create user alice")]
pub(crate) struct CreateArguments {
    #[command(subcommand)]
    pub(crate) kind: CreateKind,
}

/// What can be created.
#[derive(Debug, Subcommand)]
pub(crate) enum CreateKind {
    /// Create a tool group from a file
    #[command(after_help = "\
Example:
  mcpjungle create group -c ./claude-tools-group.json

where the file holds, for example:
  {
    \"name\": \"claude-tools\",
    \"description\": \"Tools for Claude Desktop\",
    \"included_tools\": [\"filesystem__read_file\"],
    \"included_servers\": [\"time\"],
    \"excluded_tools\": [\"time__convert_time\"],
    \"included_prompts\": [\"filesystem__summarise\"],
    \"allowed_clients\": [\"claude\"]
  }

Without allowed_clients every client may use the group.")]
    Group(GroupFile),
    /// Create an MCP client, whose token opens the MCP endpoints (enterprise mode)
    #[command(after_help = "\
Examples:
  mcpjungle create mcp-client cursor-local --allow \"calculator, github\"
  mcpjungle create mcp-client reader --allow \"github__get_*\" --description \"Only looks\"
  mcpjungle create mcp-client -c ./cursor-local.json

where the file holds, for example:
  {
    \"name\": \"cursor-local\",
    \"allowed_servers\": [\"calculator\", \"github\"],
    \"access_token_ref\": { \"env\": \"CURSOR_TOKEN\" }
  }

Without --allow the client can use nothing. The token is printed once: it is not kept.")]
    McpClient(CreateClientArguments),
    /// Create a user, whose token opens the HTTP API (enterprise mode)
    #[command(after_help = "\
Examples:
  mcpjungle create user alice
  mcpjungle create user -c ./alice.json

where the file holds, for example:
  { \"name\": \"alice\", \"access_token_ref\": { \"file\": \"/run/secrets/alice-token\" } }

Users see what there is and call tools; everything else is for administrators.")]
    User(CreateUserArguments),
}

/// `delete`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  mcpjungle delete group claude-tools")]
pub(crate) struct DeleteArguments {
    #[command(subcommand)]
    pub(crate) kind: DeleteKind,
}

/// What can be deleted.
#[derive(Debug, Subcommand)]
pub(crate) enum DeleteKind {
    /// Delete a tool group; its tools stay
    #[command(after_help = "Example:\n  mcpjungle delete group claude-tools")]
    Group(OneName),
    /// Delete an MCP client; its token can no longer be used (enterprise mode)
    #[command(after_help = "Example:\n  mcpjungle delete mcp-client cursor-local")]
    McpClient(IdentityName),
    /// Delete a user who is no administrator (enterprise mode)
    #[command(after_help = "Example:\n  mcpjungle delete user alice")]
    User(IdentityName),
}

/// A command about one client or user.
#[derive(Debug, Args)]
pub(crate) struct IdentityName {
    /// Its name
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `update`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle update group -c ./claude-tools-group.json
  mcpjungle update mcp-client cursor-local --access-token my_new_token --grace 10m
  mcpjungle update user alice --access-token alice_new_token")]
pub(crate) struct UpdateArguments {
    #[command(subcommand)]
    pub(crate) kind: UpdateKind,
}

/// What can be changed.
#[derive(Debug, Subcommand)]
pub(crate) enum UpdateKind {
    /// Replace a tool group by what a file says
    #[command(after_help = "\
Example:
  mcpjungle update group -c ./claude-tools-group.json

The file says all of the group, as for `create group`: what it leaves out is removed.")]
    Group(GroupFile),
    /// Give an MCP client another token, allow-list or description (enterprise mode)
    #[command(after_help = "\
Examples:
  mcpjungle update mcp-client cursor-local --access-token my_new_token
  mcpjungle update mcp-client cursor-local --rotate --grace 10m
  mcpjungle update mcp-client cursor-local --allow \"calculator, github, time\"

What is not given stays as it is. The allow-list is replaced as a whole.")]
    McpClient(UpdateClientArguments),
    /// Give a user another token or role (enterprise mode)
    #[command(after_help = "\
Examples:
  mcpjungle update user alice --access-token alice_new_token
  mcpjungle update user alice --rotate --grace 1h
  mcpjungle update user alice --role admin")]
    User(UpdateUserArguments),
}

/// A group that a file describes.
#[derive(Debug, Args)]
pub(crate) struct GroupFile {
    /// JSON or YAML file that describes the group
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) conf: PathBuf,
}
