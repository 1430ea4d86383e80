//! The arguments of `plugin`.

mod secret;
mod workbench;

use clap::{Args, Subcommand};

pub(crate) use secret::{SecretArguments, SecretCommand, SetSecretArguments};
pub(crate) use workbench::{BenchArguments, CheckArguments, ComponentArguments, TestArguments};

/// `plugin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle plugin check ./policy.wasm
  mcpjungle plugin test ./policy.wasm --cases cases.yaml
  mcpjungle plugin bench ./policy.wasm

docs/plugins/testing.md has the whole format of cases files.")]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What can be done with a policy component.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Say whether a component can be installed, and what it needs for that
    #[command(after_help = "\
Examples:
  mcpjungle plugin check ./policy.wasm
  mcpjungle plugin check ./policy.wasm --settings settings.yaml
  mcpjungle plugin check builtin:acl --json

Runs here, in the engine and under the limits of the gateway, and asks no gateway. Everything that
is wrong is told with what to do about it; the status is 0 if the component can be installed.
Meanwhile it is granted whatever it imports; HTTP requests lead nowhere.")]
    Check(CheckArguments),
    /// Hold a component's decisions against a table of expected ones
    #[command(after_help = "\
Examples:
  mcpjungle plugin test ./policy.wasm --cases cases.yaml
  mcpjungle plugin test ./policy.wasm --cases cases.yaml --filter delete --junit report.xml

A file of cases:
  settings: {deny: [\"github__delete_*\"]}
  cases:
    - name: nobody deletes repositories
      principal: {kind: client, name: cursor, allow: [\"*\"]}
      item: tool github__delete_repo
      expect: deny
    - name: what may be seen
      items: [tool github__delete_repo, tool time__now]
      expect: {visible: [time__now]}

Runs here, in the engine and under the limits of the gateway, and asks no gateway. The status is 0
if every answer is as expected. docs/plugins/testing.md has the whole format.")]
    Test(TestArguments),
    /// Measure what a component's calls cost
    #[command(after_help = "\
Examples:
  mcpjungle plugin bench ./policy.wasm
  mcpjungle plugin bench ./policy.wasm --cases cases.yaml --json

Measures compiling, starting an instance, memory, and the calls of each stage on one thread: with
the questions of a cases file, or with a usual one for each stage. Ends within 10 seconds. A
component that fails is no longer measured, and the status is 1.")]
    Bench(BenchArguments),
    /// Keep secrets that plugins may be granted
    Secret(SecretArguments),
}

impl PluginCommand {
    /// Whether it asks no gateway.
    pub(crate) fn is_offline(&self) -> bool {
        match self {
            Self::Check(_) | Self::Test(_) | Self::Bench(_) => true,
            Self::Secret(_) => false,
        }
    }
}
