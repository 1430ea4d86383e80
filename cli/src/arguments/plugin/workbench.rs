//! The arguments of what is done with a component without a gateway.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::bounds;

/// Which component, and how it is run.
#[derive(Debug, Args)]
pub(crate) struct ComponentArguments {
    /// A .wasm component, or one that comes with the gateway: builtin:acl, builtin:auth, …
    #[arg(value_name = "FILE")]
    pub(crate) file: String,
    /// Milliseconds for each call, 60000 at most [default: 250]
    #[arg(long, value_name = "MS", value_parser = bounds::deadline)]
    pub(crate) deadline: Option<NonZeroU32>,
    /// MiB of memory for each instance, 4096 at most [default: 16]
    #[arg(long, value_name = "MIB", value_parser = bounds::memory)]
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
    #[arg(long, value_name = "CASES")]
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
    /// A table of cases whose questions to ask, a YAML or JSON file [default: a usual one for each stage]
    #[arg(long, value_name = "CASES")]
    pub(crate) cases: Option<PathBuf>,
}
