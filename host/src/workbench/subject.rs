//! Which component is tried, and where its engine keeps compiled code.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use thiserror::Error;

use crate::catalog::FixedDirectory;
use crate::pipeline::Mode;
use crate::plugin::{
    Capabilities, ComponentSource, Grants, Limits, LoadError, PluginHost, PluginPlan, PluginSettings, Stock,
};

/// The component that is tried.
#[derive(Debug, Clone)]
pub struct Subject {
    /// As whoever asks wrote it: a file, or `builtin:` and a name.
    pub shown: String,
    /// Where it is.
    pub source: ComponentSource,
    /// Bounds on each call.
    pub limits: Limits,
    /// Where compiled code is kept; `None`: nowhere.
    pub cache_dir: Option<PathBuf>,
}

/// There is no such component.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no `{written}`; there are {}", Stock::ALL.map(|stock| format!("builtin:{}", stock.as_str())).join(", "))]
pub struct SubjectError {
    written: String,
}

/// Everything, with HTTP to nowhere: nobody has a name below `.invalid`.
const TRIAL_GRANTS: [&str; 3] = ["kv", "http:nowhere.invalid", "secret:*"];

/// What a component is granted that is tried without anything being said of grants.
pub(crate) fn trial_grants() -> Grants {
    Grants::new(TRIAL_GRANTS.iter().filter_map(|text| text.parse().ok()))
}

impl Subject {
    /// What was written, and where that is if it is a file.
    pub fn new(written: &str, path: &Path) -> Result<Self, SubjectError> {
        let source = match written.strip_prefix("builtin:") {
            Some(name) => match Stock::find(name) {
                Some(stock) => ComponentSource::Stock(stock),
                None => return Err(SubjectError { written: written.to_owned() }),
            },
            None => ComponentSource::File(path.to_owned()),
        };
        Ok(Self { shown: written.to_owned(), source, limits: Limits::default(), cache_dir: None })
    }

    /// Its name in messages: that of the file without its ending.
    pub(crate) fn name(&self) -> String {
        let written = self.shown.replace(':', "-");
        Path::new(&written).file_stem().map_or(written.clone(), |stem| stem.to_string_lossy().into_owned())
    }

    /// Without settings and grants.
    pub(crate) fn plan(&self) -> PluginPlan {
        PluginPlan { limits: self.limits, ..PluginPlan::new(&self.name(), self.source.clone()) }
    }

    /// An engine for it. `capabilities` is what it lends.
    pub(crate) fn host(&self, directory: FixedDirectory, capabilities: Capabilities) -> Result<PluginHost, LoadError> {
        PluginHost::new(PluginSettings { cache_dir: self.cache_dir.clone(), capabilities }, Arc::new(directory))
    }

    /// The same, with nobody in the directory.
    pub(crate) fn empty_host(&self) -> Result<PluginHost, LoadError> {
        self.host(FixedDirectory::new(Mode::Development), Capabilities::default())
    }
}
