//! Why a component is not installed.

use std::sync::Arc;

use thiserror::Error;

use crate::pipeline::Stage;
use crate::plugin::grants::Capability;

/// What wasmtime says, in a type of the standard library.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the plugin host does not start or a component is not installed. Nothing
/// changes when one of these comes back.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum LoadError {
    #[error("the WebAssembly engine does not start")]
    Engine { source: Source },
    #[error("the thread that keeps the deadlines of plugins does not start")]
    Ticker { source: std::io::Error },
    #[error("plugin `{plugin}`: cannot read the component {path}")]
    Read { plugin: Arc<str>, path: String, source: std::io::Error },
    #[error("plugin `{plugin}`: {path}: {problem}")]
    NoComponent { plugin: Arc<str>, path: String, problem: &'static str },
    #[error("plugin `{plugin}`: the component has the digest sha256:{found}, not sha256:{expected}")]
    WrongDigest { plugin: Arc<str>, expected: String, found: Arc<str> },
    #[error("plugin `{plugin}` is not a component that this gateway can run")]
    Compile { plugin: Arc<str>, source: Source },
    #[error(
        "plugin `{plugin}` imports `{import}`, {capability}, which was not granted: grant it with `{}`",
        .capability.example()
    )]
    ImportNotGranted { plugin: Arc<str>, import: String, capability: Capability },
    #[error("plugin `{plugin}` imports what was not granted: {}", .missing.iter().map(not_granted).collect::<Vec<_>>().join("; "))]
    ImportsNotGranted { plugin: Arc<str>, missing: Vec<(String, Capability)> },
    #[error("plugin `{plugin}` imports `{import}`, which this gateway does not know")]
    UnknownImport { plugin: Arc<str>, import: String },
    #[error("plugin `{plugin}` does not fit the policy contract")]
    Link { plugin: Arc<str>, source: Source },
    #[error("plugin `{plugin}` exports `{export}`, which this gateway does not know")]
    UnknownExport { plugin: Arc<str>, export: String },
    #[error("plugin `{plugin}` exports no known stage")]
    NoStage { plugin: Arc<str> },
    #[error("plugin `{plugin}` is to be installed for the stage {stage}, which it does not export")]
    StageNotExported { plugin: Arc<str>, stage: Stage },
    #[error("plugin `{plugin}` does not start")]
    Start { plugin: Arc<str>, source: Source },
    #[error("plugin `{plugin}` describes its settings by a schema that the gateway does not take: {problem}")]
    SettingsSchema { plugin: Arc<str>, problem: String },
    #[error("plugin `{plugin}` was given settings that do not fit its schema: {problem}")]
    SettingsInvalid { plugin: Arc<str>, problem: String },
    #[error("plugin `{plugin}` does not accept its settings: {problem:?}")]
    SettingsRefused { plugin: Arc<str>, problem: String },
    #[error(
        "enterprise mode needs an authenticator, and no policy is one: keep `builtin-auth`, or put another in its place"
    )]
    NoAuthenticator,
}

fn not_granted((import, capability): &(String, Capability)) -> String {
    format!("`{import}`, {}: grant it with `{}`", capability.describe(), capability.example())
}

impl LoadError {
    /// What must be granted for it to load, if that is what is missing.
    pub fn missing_grants(&self) -> Vec<Capability> {
        match self {
            Self::ImportNotGranted { capability, .. } => vec![*capability],
            Self::ImportsNotGranted { missing, .. } => missing.iter().map(|(_, capability)| *capability).collect(),
            _ => Vec::new(),
        }
    }
}
