//! The arguments of `plugin new`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// `plugin new`.
#[derive(Debug, Args)]
pub(crate) struct NewPluginArguments {
    /// Name of the policy: lower-case letters, digits and hyphens
    #[arg(value_name = "NAME")]
    pub(crate) name: String,
    /// Folder to write to, new or empty [default: ./NAME]
    #[arg(value_name = "PATH")]
    pub(crate) path: Option<PathBuf>,
    /// Where it decides; several with commas between
    #[arg(long, value_name = "STAGE", value_delimiter = ',', required = true)]
    pub(crate) stage: Vec<PolicyStage>,
    /// What it is written in
    #[arg(long, value_name = "LANGUAGE", value_enum, default_value_t = Language::Rust)]
    pub(crate) lang: Language,
    /// What it will need a grant for; several with commas between
    #[arg(long, value_name = "CAPABILITY", value_delimiter = ',')]
    pub(crate) uses: Vec<UsedCapability>,
}

/// A stage of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum PolicyStage {
    /// Who is calling?
    Authenticator,
    /// Which items belong to a tool group?
    ToolFilter,
    /// May this principal use this item?
    Authorizer,
    /// What goes into a call, and what comes out of it?
    Guard,
    /// Which headers go upstream?
    HeaderInjector,
    /// What happened?
    Observer,
}

/// A language that a policy can be written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// With the SDK; the smallest and fastest components
    Rust,
    /// With componentize-qjs, from npm
    #[value(name = "js", alias = "javascript")]
    JavaScript,
    /// With componentize-py, from PyPI
    Python,
}

/// What a component may use only where it is granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum UsedCapability {
    /// Values that outlive a call
    Kv,
    /// HTTP requests
    Http,
    /// Secrets by name
    Secrets,
}
