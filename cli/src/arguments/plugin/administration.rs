//! The arguments of what administrators do with plugins.

use std::num::NonZeroU32;

use clap::{Args, Subcommand, ValueEnum};

use super::bounds;

pub(super) const ADD_EXAMPLES: &str = "\
Examples:
  mcpjungle plugin add corp-acl ./corp_acl.wasm --replace builtin-acl
  mcpjungle plugin add limits ./rate-limit.wasm --grant kv \\
      --settings '{\"limits\": [{\"name\": \"all\", \"calls\": 60, \"seconds\": 60}]}'
  mcpjungle plugin add jwt ./jwt.wasm --before builtin-auth --grant http:login.example.com \\
      --settings ./jwt.yaml --deadline 2000
  mcpjungle plugin add builtin-acl builtin:acl --replace corp-acl

The component is tried before anything changes: it is compiled, started and given its settings.
Unless --fail-open is given, a call that it gives no answer to is refused.";

pub(super) const UPDATE_EXAMPLES: &str = "\
Examples:
  mcpjungle plugin update corp-acl ./corp_acl.wasm
  mcpjungle plugin update limits --settings ./limits.yaml
  mcpjungle plugin update jwt ./jwt.wasm --grant kv --revoke http:login.example.com

What is not given stays as it is; settings are replaced as a whole. A version that wants more than
was granted is refused until it is granted. `mcpjungle plugin rollback NAME` goes back.";

/// `plugin add`.
#[derive(Debug, Args)]
pub(crate) struct AddPlugin {
    /// Name to give it: letters, digits, - and _
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The component: a .wasm file, or builtin:auth, builtin:groups, builtin:acl, builtin:headers
    #[arg(value_name = "FILE")]
    pub(crate) component: String,
    /// Take this plugin's place, which is removed
    #[arg(long, value_name = "PLUGIN", conflicts_with_all = ["before", "after"])]
    pub(crate) replace: Option<String>,
    /// Be asked before this plugin
    #[arg(long, value_name = "PLUGIN", conflicts_with = "after")]
    pub(crate) before: Option<String>,
    /// Be asked after this plugin [default: after all]
    #[arg(long, value_name = "PLUGIN")]
    pub(crate) after: Option<String>,
    #[command(flatten)]
    pub(crate) options: PluginOptions,
}

/// `plugin update`. What is absent has no default here: it stays as it is.
#[derive(Debug, Args)]
#[command(
    mut_arg("settings", |settings| settings.help(
        "Other settings, in place of all that it has: a JSON object, or a JSON or YAML file that holds one"
    )),
    mut_arg("grant", |grant| grant.help(
        "What it may use besides what it may already: kv, http:HOST or secret:NAME; may be repeated"
    )),
    mut_arg("deadline", |deadline| deadline.help(
        "Milliseconds that a call may take, 60000 at most [default: as it is now]"
    )),
    mut_arg("memory", |memory| memory.help(
        "MiB of memory that an instance may have, 4096 at most [default: as it is now]"
    )),
    mut_arg("isolation", |isolation| isolation.help(
        "Whether instances are used for several calls [default: as it is now]"
    )),
    mut_arg("stages", |stages| stages.help(
        "Ask it at this stage only: authenticator, tool-filter, authorizer, guard, header-injector or observer; \
         may be repeated [default: as it is now]"
    ))
)]
pub(crate) struct UpdatePlugin {
    /// Name of the plugin, as `mcpjungle plugin list` shows it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// The new component: a .wasm file, or builtin:NAME [default: the one that it has]
    #[arg(value_name = "FILE")]
    pub(crate) component: Option<String>,
    #[command(flatten)]
    pub(crate) options: PluginOptions,
    /// A grant that it loses; may be repeated
    #[arg(long, value_name = "GRANT")]
    pub(crate) revoke: Vec<String>,
    /// Refuse calls that it gives no answer to
    #[arg(long, conflicts_with = "fail_open")]
    pub(crate) fail_closed: bool,
}

/// What a component is run with.
#[derive(Debug, Args)]
pub(crate) struct PluginOptions {
    /// Its settings: a JSON object, or a JSON or YAML file that holds one
    #[arg(long, value_name = "FILE|JSON")]
    pub(crate) settings: Option<String>,
    /// What it may use: kv, http:HOST or secret:NAME; may be repeated
    #[arg(long, value_name = "GRANT")]
    pub(crate) grant: Vec<String>,
    /// Milliseconds that a call may take, 60000 at most [default: 250]
    #[arg(long, value_name = "MS", value_parser = bounds::deadline)]
    pub(crate) deadline: Option<NonZeroU32>,
    /// MiB of memory that an instance may have, 4096 at most [default: 16]
    #[arg(long, value_name = "MIB", value_parser = bounds::memory)]
    pub(crate) memory: Option<NonZeroU32>,
    /// Whether instances are used for several calls [default: reuse]
    #[arg(long, value_name = "HOW", value_enum)]
    pub(crate) isolation: Option<IsolationWord>,
    /// Let calls pass that it gives no answer to
    #[arg(long)]
    pub(crate) fail_open: bool,
    /// Ask it at this stage only: authenticator, tool-filter, authorizer, guard, header-injector or observer; may
    /// be repeated [default: all that it exports]
    #[arg(long = "stage", value_name = "STAGE")]
    pub(crate) stages: Vec<String>,
}

/// Whether instances are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum IsolationWord {
    // One call after the other.
    Reuse,
    // A fresh instance for each call.
    PerCall,
}

impl IsolationWord {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Reuse => "reuse",
            Self::PerCall => "per-call",
        }
    }
}

/// A plugin that there is.
#[derive(Debug, Args)]
pub(crate) struct OnePlugin {
    /// Name of the plugin, as `mcpjungle plugin list` shows it
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
}

/// `plugin order`.
#[derive(Debug, Args)]
pub(crate) struct PluginNames {
    /// Names of plugins, in the order in which they are to be asked
    #[arg(value_name = "NAME", required = true)]
    pub(crate) names: Vec<String>,
}

/// `plugin rollback`.
#[derive(Debug, Args)]
pub(crate) struct RollBackPlugin {
    /// Only this plugin, to the version that it had before [default: undo the last change]
    #[arg(value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// `plugin plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArguments {
    #[command(subcommand)]
    pub(crate) command: PlanCommand,
}

/// What can be planned.
#[derive(Debug, Subcommand)]
pub(crate) enum PlanCommand {
    /// As if a policy were installed
    #[command(after_help = "\
Example:
  mcpjungle plugin plan add corp-acl ./corp_acl.wasm --replace builtin-acl

Takes what `plugin add` takes.")]
    Add(AddPlugin),
    /// As if a plugin had another component, other settings, grants or limits
    #[command(after_help = "\
Example:
  mcpjungle plugin plan update corp-acl ./corp_acl.wasm

Takes what `plugin update` takes.")]
    Update(UpdatePlugin),
    /// As if a plugin were asked again
    #[command(after_help = "Example:\n  mcpjungle plugin plan enable corp-acl")]
    Enable(OnePlugin),
    /// As if a plugin were not asked
    #[command(after_help = "Example:\n  mcpjungle plugin plan disable corp-acl")]
    Disable(OnePlugin),
    /// As if a plugin were taken out
    #[command(after_help = "Example:\n  mcpjungle plugin plan remove corp-acl")]
    Remove(OnePlugin),
    /// As if plugins stood in another order
    #[command(after_help = "Example:\n  mcpjungle plugin plan order builtin-acl corp-acl")]
    Order(PluginNames),
    /// As if the last change were undone, or a plugin had the version that it had before
    #[command(after_help = "Example:\n  mcpjungle plugin plan rollback")]
    Rollback(RollBackPlugin),
}
