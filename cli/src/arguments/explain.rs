//! The arguments of `explain`.

use clap::Args;

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle explain --client cursor-local --tool calculator__add
  mcpjungle explain --client cursor-local --group clock --tool time__now --input '{\"zone\": \"UTC\"}'
  mcpjungle explain --client cursor-local --server calculator --tool add
  mcpjungle explain --user alice --tool calculator__add

No call is made, and no server is asked. But policies are: what they count, such as a rate limit,
counts this as well. What is found, be it that there is no such client, is no failure of this
command: it exits 0.")]
pub(crate) struct ExplainArguments {
    /// Name of the client that would call
    #[arg(long, value_name = "NAME", conflicts_with = "user")]
    pub(crate) client: Option<String>,
    /// Name of the user who would call over the HTTP API
    #[arg(long, value_name = "NAME", conflicts_with_all = ["group", "server"])]
    pub(crate) user: Option<String>,
    /// Tool that would be called: `<server>__<tool>`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["prompt", "resource"])]
    pub(crate) tool: Option<String>,
    /// Prompt that would be rendered: `<server>__<prompt>`
    #[arg(long, value_name = "NAME", conflicts_with = "resource")]
    pub(crate) prompt: Option<String>,
    /// URI of the resource that would be read
    #[arg(long, value_name = "URI", conflicts_with = "input")]
    pub(crate) resource: Option<String>,
    /// At the endpoint of this group
    #[arg(long, value_name = "NAME", conflicts_with = "server")]
    pub(crate) group: Option<String>,
    /// At the endpoint of this server, where its tools, prompts and resources have its own names
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// Arguments, one JSON object, for components that review them
    #[arg(long, value_name = "JSON", allow_hyphen_values = true)]
    pub(crate) input: Option<String>,
}
