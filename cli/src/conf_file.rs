//! `~/.mcpjungle.conf`: which gateway to talk to, and with what token.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use mcpjungle_host::configuration::{self, Source};
use serde::Deserialize;
use serde_norway::Mapping;

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

/// A file that was written.
#[derive(Debug)]
pub(crate) struct Saved {
    /// Where it is.
    pub(crate) path: PathBuf,
    /// What to tell the user if there was one before that could not be read.
    pub(crate) set_aside: Option<String>,
}

/// Writes both keys, for the user's eyes only, and keeps other keys of the file.
pub(crate) fn save(registry: &str, access_token: &str, environment: &Environment) -> anyhow::Result<Saved> {
    let path = path(environment).context("there is no home directory for .mcpjungle.conf")?;
    // Some keep the file elsewhere and a link to it here.
    let target = fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
    let kept = read_keys(&target);
    let mut keys = kept.clone().unwrap_or_default();
    for (key, value) in [("registry_url", registry), ("access_token", access_token)] {
        keys.insert(key.into(), value.into());
    }
    let text = serde_norway::to_string(&keys).context("failed to write the settings as YAML")?;
    let set_aside = match kept {
        Some(_) => None,
        None => Some(with_ending(&target, ".old")),
    };
    replace(&target, &text, set_aside.as_deref()).with_context(|| format!("failed to write {}", path.display()))?;
    let set_aside = set_aside
        .map(|old| format!("Warning: {} was not valid; what it held is in {} now", path.display(), old.display()));
    Ok(Saved { path, set_aside })
}

/// All keys of the file; none of one that is missing or empty, `None` if it cannot be read.
fn read_keys(path: &Path) -> Option<Mapping> {
    match fs::read_to_string(path) {
        Ok(text) => serde_norway::from_str::<Option<Mapping>>(&text).ok().map(Option::unwrap_or_default),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Mapping::new()),
        Err(_) => None,
    }
}

/// Puts a file in the place of another, at once and as a whole.
fn replace(path: &Path, text: &str, set_aside: Option<&Path>) -> io::Result<()> {
    let new = with_ending(path, &format!(".{}.new", std::process::id()));
    // Of a process of the same number that was killed while it wrote.
    let _removed = fs::remove_file(&new);
    let written = write_private(&new, text).and_then(|()| {
        if let Some(old) = set_aside {
            fs::rename(path, old)?;
            fs::set_permissions(old, Permissions::from_mode(0o600))?;
        }
        fs::rename(&new, path)
    });
    if written.is_err() {
        // Nothing is left lying about; where it never was made this fails.
        let _removed = fs::remove_file(&new);
    }
    written
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
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

    /// Saves over a file of this text and mode; what is there afterwards.
    fn saved_over(text: &str, mode: u32) -> (tempfile::TempDir, Saved, String) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".mcpjungle.conf");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let environment = Environment { home_directory: Some(home.path().to_owned()), ..Environment::default() };
        let saved = save("http://my-server:9000", "-token: #1", &environment).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        let conf = read(&path).unwrap();
        assert_eq!(conf.registry_url.as_deref(), Some("http://my-server:9000"));
        assert_eq!(conf.access_token.as_deref(), Some("-token: #1"));
        (home, saved, text)
    }

    #[test]
    fn saving_replaces_both_keys_and_keeps_others() {
        let (home, saved, text) = saved_over("other: {a: 1}\naccess_token: old\n", 0o644);
        assert!(text.contains("other:") && !text.contains("old"), "{text}");
        assert!(saved.set_aside.is_none());
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
        saved_over("", 0o600);
    }

    #[test]
    fn saving_sets_aside_what_cannot_be_read() {
        let (home, saved, _) = saved_over("just words", 0o644);
        let old = home.path().join(".mcpjungle.conf.old");
        assert_eq!(std::fs::read_to_string(&old).unwrap(), "just words");
        assert_eq!(std::fs::metadata(&old).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(saved.set_aside.unwrap().contains(".mcpjungle.conf.old"));
    }

    #[test]
    fn saving_follows_a_link() {
        let home = tempfile::tempdir().unwrap();
        let (real, link) = (home.path().join("real"), home.path().join(".mcpjungle.conf"));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let environment = Environment { home_directory: Some(home.path().to_owned()), ..Environment::default() };
        save("http://my-server:9000", "token", &environment).unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(read(&real).unwrap().access_token.as_deref(), Some("token"));
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
