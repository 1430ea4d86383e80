//! The only place that reads the surroundings: environment variables, directories, terminal.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// What a command finds around itself, read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment {
    /// Variables whose name and value are Unicode; no setting of ours can be anything else.
    pub(crate) variables: BTreeMap<String, String>,
    /// What relative paths start from.
    pub(crate) working_directory: PathBuf,
    /// Where `.mcpjungle.conf` is.
    pub(crate) home_directory: Option<PathBuf>,
    /// This program, as it was when it started.
    pub(crate) program: PathBuf,
    /// Whether a person looks at standard error.
    pub(crate) stderr_is_terminal: bool,
    /// Whether a person types what is read.
    pub(crate) stdin_is_terminal: bool,
}

impl Environment {
    /// Reads everything.
    pub(crate) fn collect() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            variables,
            working_directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            home_directory: std::env::home_dir().filter(|home| !home.as_os_str().is_empty()),
            program: std::env::current_exe().unwrap_or_else(|_| PathBuf::from(env!("CARGO_BIN_NAME"))),
            stderr_is_terminal: io::stderr().is_terminal(),
            stdin_is_terminal: io::stdin().is_terminal(),
        }
    }

    /// A variable that is set, be it to nothing.
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// A variable that is set to something: as a setting, an empty one counts as unset.
    pub(crate) fn setting(&self, name: &str) -> Option<&str> {
        self.find(name).filter(|value| !value.is_empty())
    }

    /// All variables, by name.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Adds variables where none of that name is set: the real environment wins.
    pub(crate) fn add_missing(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        for (name, value) in variables {
            self.variables.entry(name).or_insert(value);
        }
    }

    /// A path as the user wrote it, from the working directory.
    pub(crate) fn path(&self, written: impl AsRef<OsStr>) -> PathBuf {
        self.working_directory.join(Path::new(written.as_ref()))
    }
}

#[cfg(test)]
impl Environment {
    /// Only these variables, in this directory.
    pub(crate) fn of(variables: &[(&str, &str)], working_directory: &Path) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self { variables, working_directory: working_directory.to_owned(), ..Self::default() }
    }
}
