//! The arguments of the commands about policy components.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

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
}

/// Which component, and how it is run.
#[derive(Debug, Args)]
pub(crate) struct ComponentArguments {
    /// A .wasm component, or one that comes with the gateway: builtin:acl, builtin:auth, …
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Milliseconds for each call [default: 250]
    #[arg(long, value_name = "MS")]
    pub(crate) deadline: Option<NonZeroU32>,
    /// MiB of memory for each instance [default: 16]
    #[arg(long, value_name = "MIB")]
    pub(crate) memory: Option<NonZeroU32>,
}

/// `plugin check`.
#[derive(Debug, Args)]
pub(crate) struct CheckArguments {
    #[command(flatten)]
    pub(crate) component: ComponentArguments,
    /// Settings to try it with: a JSON or YAML file, or a JSON object [default: {}]
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) settings: Option<String>,
}

/// `plugin test`.
#[derive(Debug, Args)]
pub(crate) struct TestArguments {
    #[command(flatten)]
    pub(crate) component: ComponentArguments,
    /// The table: a YAML or JSON file
    #[arg(long, value_name = "FILE")]
    pub(crate) cases: PathBuf,
    /// Ask only cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,
    /// Also write the outcome to this file, as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// `plugin bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArguments {
    #[command(flatten)]
    pub(crate) component: ComponentArguments,
    /// Settings: a JSON or YAML file, or a JSON object [default: {}, or those of the cases]
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) settings: Option<String>,
    /// Questions to ask [default: a usual one for each stage]
    #[arg(long, value_name = "FILE")]
    pub(crate) cases: Option<PathBuf>,
}
