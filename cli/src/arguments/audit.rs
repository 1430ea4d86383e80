//! The arguments of `audit`.

use clap::{Args, Subcommand};

/// `audit`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  mcpjungle audit
  mcpjungle audit --client reader --since 1h
  mcpjungle audit --server github --denied --limit 20
  mcpjungle audit --follow
  mcpjungle audit --since 2026-01-31T08:00:00Z --json
  mcpjungle audit verify"
)]
pub(crate) struct AuditArguments {
    #[command(subcommand)]
    pub(crate) kind: Option<AuditKind>,
    #[command(flatten)]
    pub(crate) read: ReadAuditArguments,
}

/// What else can be done with the audit log.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditKind {
    /// Look for records that were changed or removed
    #[command(after_help = "\
Example:
  mcpjungle audit verify

Exits with 1 if anything is wrong, after a line for each problem.")]
    Verify,
}

/// Which records are wanted.
#[derive(Debug, Args)]
pub(crate) struct ReadAuditArguments {
    /// Only what this MCP client asked for
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Option<String>,
    /// Only what this user asked for
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Only what was about this MCP server
    #[arg(long, value_name = "NAME")]
    pub(crate) server: Option<String>,
    /// Not before: a time such as 2026-01-31T08:00:00Z, or so long ago: 30s, 15m, 1h, 7d
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only where somebody was refused something
    #[arg(long)]
    pub(crate) denied: bool,
    /// How many records, the newest, are shown at first
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    pub(crate) limit: u32,
    /// Go on with new records as they come, until stopped
    #[arg(long, short = 'f')]
    pub(crate) follow: bool,
}
