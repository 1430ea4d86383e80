//! The arguments of `plugin secret`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// `plugin secret`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle plugin secret set github/ann --from-file ./token
  mcpjungle plugin secret list
  mcpjungle plugin secret delete github/ann

A plugin reads a secret if it is granted `secret:NAME`.")]
pub(crate) struct SecretArguments {
    #[command(subcommand)]
    pub(crate) command: SecretCommand,
}

/// What can be done about secrets.
#[derive(Debug, Subcommand)]
pub(crate) enum SecretCommand {
    /// Set a secret, or replace it
    Set(SetSecretArguments),
    /// List the names of all secrets
    #[command(after_help = "Example:\n  mcpjungle plugin secret list")]
    List,
    /// Delete a secret
    #[command(after_help = "Example:\n  mcpjungle plugin secret delete github/ann")]
    Delete(OneSecret),
}

/// A secret that there is.
#[derive(Debug, Args)]
pub(crate) struct OneSecret {
    /// Name of the secret, as `mcpjungle plugin secret list` shows it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `plugin secret set`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle plugin secret set github/ann --from-file ./token
  mcpjungle plugin secret set github/ann --from-env GITHUB_TOKEN
  pass show github | mcpjungle plugin secret set github/ann

Without a flag the secret is read from standard input. White space at its end is left out.")]
pub(crate) struct SetSecretArguments {
    /// Its name: letters, digits and _-./@
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// File that holds the secret
    #[arg(long, value_name = "FILE", conflicts_with = "from_env")]
    pub(crate) from_file: Option<PathBuf>,
    /// Environment variable that holds the secret
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) from_env: Option<String>,
}
