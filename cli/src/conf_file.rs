//! `~/.mcpjungle.conf`: which gateway to talk to, and with what token.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use mcpjungle_host::configuration::{self, Source};
use serde::Deserialize;

use crate::environment::Environment;

/// What the file may say. Both are optional.
#[derive(Debug, Default, Deserialize)]
#[serde(expecting = "an object with keys and values")]
pub(crate) struct ConfFile {
    /// The gateway that commands talk to.
    #[serde(default)]
    pub(crate) registry_url: Option<String>,
    /// Sent with each request.
    #[serde(default)]
    pub(crate) access_token: Option<String>,
}

/// Where the file is, if the user has a home directory.
pub(crate) fn path(environment: &Environment) -> Option<PathBuf> {
    environment.home_directory.as_deref().map(|home| home.join(".mcpjungle.conf"))
}

/// Reads the file. One that is missing or empty says nothing.
pub(crate) fn read(path: &Path) -> anyhow::Result<ConfFile> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ConfFile::default()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let shown = path.display().to_string();
    let conf: Option<ConfFile> =
        configuration::read(Source { shown: &shown, path, text: &text }).map_err(|problem| anyhow!("{problem}"))?;
    let conf = conf.unwrap_or_default();
    let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
    Ok(ConfFile { registry_url: filled(conf.registry_url), access_token: filled(conf.access_token) })
}

impl ConfFile {
    /// Whether the values can be used.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        match self.registry_url.as_deref() {
            None | Some("") => Ok(()),
            Some(registry) => crate::settings::parse_registry(registry).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> ConfFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn both_keys_are_read() {
        let conf = read_text("registry_url: http://my-server:9000\naccess_token: abc\nother: 1\n");
        assert_eq!(conf.registry_url.as_deref(), Some("http://my-server:9000"));
        assert_eq!(conf.access_token.as_deref(), Some("abc"));
    }

    #[test]
    fn a_file_that_is_missing_or_says_nothing_is_empty() {
        for text in ["", "# nothing", "registry_url:\naccess_token: ''"] {
            let conf = read_text(text);
            assert!(conf.registry_url.is_none() && conf.access_token.is_none(), "{text}");
        }
        assert!(read(Path::new("/nonexistent/conf")).unwrap().registry_url.is_none());
    }

    #[test]
    fn a_file_that_is_not_valid_is_an_error() {
        for text in [": [", "registry_url: {a: 1}", "just words"] {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), text).unwrap();
            assert!(read(file.path()).is_err(), "{text}");
        }
    }
}
