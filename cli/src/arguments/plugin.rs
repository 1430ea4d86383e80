//! The arguments of `plugin`.

mod administration;
mod bounds;
mod new;
mod secret;
mod workbench;

use clap::{Args, Subcommand};

use administration::{ADD_EXAMPLES, OnePlugin, PlanArguments, PluginNames, RollBackPlugin, UPDATE_EXAMPLES};
pub(crate) use administration::{AddPlugin, PlanCommand, PluginOptions, UpdatePlugin};
pub(crate) use new::{Language, NewPluginArguments, PolicyStage, UsedCapability};
pub(crate) use secret::{SecretArguments, SecretCommand, SetSecretArguments};
pub(crate) use workbench::{BenchArguments, CheckArguments, ComponentArguments, TestArguments};

/// `plugin`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcpjungle plugin new deny-list --stage authorizer
  mcpjungle plugin check ./policy.wasm
  mcpjungle plugin test ./policy.wasm --cases cases.yaml
  mcpjungle plugin bench ./policy.wasm
  mcpjungle plugin plan add deny-list ./policy.wasm
  mcpjungle plugin add deny-list ./policy.wasm
  mcpjungle plugin list
  mcpjungle plugin rollback

A change runs at once, and no request is lost on the way: calls in flight end on the old policies.
docs/plugins/tutorial.md is where to begin.")]
pub(crate) struct PluginArguments {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What can be done with policies.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Write the project of a new policy
    #[command(after_help = "\
Examples:
  mcpjungle plugin new deny-list --stage authorizer
  mcpjungle plugin new redaction --stage guard,observer ./policies/redaction
  mcpjungle plugin new rate-limit --stage authorizer --lang python --uses kv

The folder holds all that is needed but what comes from the language's own package registry: a
policy that works, its tests, a table of cases, and the contract with the gateway. Its README says
how to build, check, test and add it. Nothing outside the folder is touched, and no gateway is
asked.")]
    New(NewPluginArguments),
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
    /// Install a policy, which runs at once
    #[command(after_help = ADD_EXAMPLES)]
    Add(AddPlugin),
    /// Show the policies as they run, stage by stage
    #[command(after_help = "\
Examples:
  mcpjungle plugin list
  mcpjungle plugin list --json

A table for each stage, with its plugins in the order in which they are asked. CALLS, DENIALS and
FAILURES are counted since the gateway started, or since the plugin came; 99 of 100 calls took less
than P99.")]
    List,
    /// Show one plugin: what it is, its settings, grants and limits
    #[command(after_help = "\
Example:
  mcpjungle plugin get corp-acl

Prints its state, component, digest, version and stages; its grants and limits, its isolation and
what happens where it fails; how many earlier versions `plugin rollback NAME` can go back to; and
its settings, if it has any. How often it was called is what `plugin list` shows.")]
    Get(OnePlugin),
    /// Give a plugin another component, other settings, grants or limits
    #[command(after_help = UPDATE_EXAMPLES)]
    Update(UpdatePlugin),
    /// Have a disabled plugin asked again
    #[command(after_help = "Example:\n  mcpjungle plugin enable corp-acl")]
    Enable(OnePlugin),
    /// Have a plugin not asked; it keeps its place
    #[command(after_help = "\
Example:
  mcpjungle plugin disable corp-acl

Without its policies the other ones decide alone: `mcpjungle plugin plan disable corp-acl` says
beforehand who would see what.")]
    Disable(OnePlugin),
    /// Take a plugin out
    #[command(after_help = "\
Example:
  mcpjungle plugin remove corp-acl

Nothing takes its place by itself. To have a stock policy back in its place:
  mcpjungle plugin add builtin-acl builtin:acl --replace corp-acl")]
    Remove(OnePlugin),
    /// Put plugins in another order
    #[command(after_help = "\
Example:
  mcpjungle plugin order builtin-acl corp-acl

Those that are named stand in this order where the first of them stood; others keep their places.")]
    Order(PluginNames),
    /// Undo the last change, or go back to the version that a plugin had before
    #[command(after_help = "\
Examples:
  mcpjungle plugin rollback            (undoes the last change, whatever it was)
  mcpjungle plugin rollback corp-acl   (gives this plugin the version that it had before)

Each once more goes one step further back.")]
    Rollback(RollBackPlugin),
    /// Show the changes that were made, by whom and when
    #[command(after_help = "Example:\n  mcpjungle plugin history")]
    History,
    /// Show who would see which items appear and disappear after a change, and change nothing
    #[command(after_help = "\
Examples:
  mcpjungle plugin plan add corp-acl ./corp_acl.wasm --replace builtin-acl
  mcpjungle plugin plan update corp-acl ./corp_acl.wasm --grant kv
  mcpjungle plugin plan remove corp-acl

Takes what the command itself takes.")]
    Plan(PlanArguments),
    /// Keep secrets that plugins may be granted
    Secret(SecretArguments),
}

impl PluginCommand {
    /// Whether it asks no gateway.
    pub(crate) fn is_offline(&self) -> bool {
        match self {
            Self::New(_) | Self::Check(_) | Self::Test(_) | Self::Bench(_) => true,
            Self::Add(_)
            | Self::List
            | Self::Get(_)
            | Self::Update(_)
            | Self::Enable(_)
            | Self::Disable(_)
            | Self::Remove(_)
            | Self::Order(_)
            | Self::Rollback(_)
            | Self::History
            | Self::Plan(_)
            | Self::Secret(_) => false,
        }
    }
}
