//! `~/.mcpjungle.conf`: which gateway to talk to, and with what token.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::environment::Environment;

/// What the file may say. Both are optional.
#[derive(Debug, Default, Deserialize)]
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

/// Reads the file. One that is missing, unreadable or not valid counts as empty, as documented.
pub(crate) fn read(path: &Path) -> ConfFile {
    let read = std::fs::read_to_string(path).ok();
    let conf: ConfFile = read.and_then(|text| serde_norway::from_str(&text).ok()).unwrap_or_default();
    let filled = |value: Option<String>| value.filter(|value| !value.is_empty());
    ConfFile { registry_url: filled(conf.registry_url), access_token: filled(conf.access_token) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> ConfFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        read(file.path())
    }

    #[test]
    fn both_keys_are_read() {
        let conf = read_text("registry_url: http://my-server:9000\naccess_token: abc\nother: 1\n");
        assert_eq!(conf.registry_url.as_deref(), Some("http://my-server:9000"));
        assert_eq!(conf.access_token.as_deref(), Some("abc"));
    }

    #[test]
    fn a_file_that_is_missing_or_not_valid_counts_as_empty() {
        for text in ["", ": [", "registry_url: {a: 1}", "registry_url:\naccess_token: ''"] {
            let conf = read_text(text);
            assert!(conf.registry_url.is_none() && conf.access_token.is_none(), "{text}");
        }
        assert!(read(Path::new("/nonexistent/conf")).registry_url.is_none());
    }
}
