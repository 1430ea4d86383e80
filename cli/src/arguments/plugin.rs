//! The arguments of `plugin`.

mod secret;

use clap::{Args, Subcommand};

pub(crate) use secret::{SecretArguments, SecretCommand, SetSecretArguments};

/// `plugin`.
#[derive(Debug, Args)]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What can be done about plugins.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Keep secrets that plugins may be granted
    Secret(SecretArguments),
}
