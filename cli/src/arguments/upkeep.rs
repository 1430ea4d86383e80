//! The arguments of the commands that work on a gateway's database.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `server`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle server reset-admin-token
  mcpjungle server rekey

These commands need no token and ask no gateway: they work on its database, and so on its own
machine and as a user who may write to it. The database is found as `mcpjungle start` finds it, in
the working directory, .env and environment of the gateway. The gateway may run meanwhile.")]
pub(crate) struct UpkeepArguments {
    #[command(subcommand)]
    pub(crate) kind: UpkeepKind,
}

/// What can be done to a database.
#[derive(Debug, Subcommand)]
pub(crate) enum UpkeepKind {
    /// Give an administrator a new access token when the old one is lost
    #[command(after_help = "\
Examples:
  mcpjungle server reset-admin-token
  mcpjungle server reset-admin-token --user alice
  mcpjungle login \"$(mcpjungle server reset-admin-token)\"

The old token is worth nothing from then on; a gateway that runs knows within a second. Where no
administrator is left, the user `admin` is made one. The token is all that is printed on standard
output.")]
    ResetAdminToken(ResetArguments),
    /// Encrypt the stored secrets of MCP servers under a new key
    #[command(after_help = "\
Examples:
  mcpjungle server rekey
  MCPJUNGLE_NEW_SECRET_KEY=\"$(openssl rand -base64 32)\" mcpjungle server rekey
  mcpjungle server rekey --new-key-file ./new.key

The old key is the one that the gateway uses: MCPJUNGLE_SECRET_KEY, MCPJUNGLE_SECRET_KEY_FILE, or
mcpjungle.key beside an SQLite database. The new one comes from --new-key-file,
MCPJUNGLE_NEW_SECRET_KEY or MCPJUNGLE_NEW_SECRET_KEY_FILE; without any, mcpjungle.key is replaced.
Everything is changed or nothing. Gateways that run must be restarted with the new key: until then
they serve on and store no secrets.")]
    Rekey(RekeyArguments),
}

/// Which database.
#[derive(Debug, Args)]
pub(crate) struct DatabaseArguments {
    /// SQLite database file [default: SQLITE_DB_PATH, or ./mcpjungle.db]
    #[arg(long, value_name = "FILE")]
    pub(crate) sqlite_db_path: Option<PathBuf>,
}

/// `server reset-admin-token`.
#[derive(Debug, Args)]
pub(crate) struct ResetArguments {
    /// The administrator, where there are several
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub(crate) user: Option<String>,
    /// The new token [default: 32 random bytes]
    #[arg(long, value_name = "TOKEN", allow_hyphen_values = true)]
    pub(crate) access_token: Option<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArguments,
}

/// `server rekey`.
#[derive(Debug, Args)]
pub(crate) struct RekeyArguments {
    /// File that holds the new key: 32 bytes as base64 or as 64 hexadecimal digits
    #[arg(long, value_name = "FILE")]
    pub(crate) new_key_file: Option<PathBuf>,
    /// Leave secrets that the old key does not open as they are
    #[arg(long)]
    pub(crate) skip_unreadable: bool,
    #[command(flatten)]
    pub(crate) database: DatabaseArguments,
}
