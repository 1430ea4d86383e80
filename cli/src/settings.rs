//! What a command against a running gateway comes to: arguments, `~/.mcpjungle.conf` and defaults together.

use std::path::Path;

use anyhow::Context;
use mcpjungle_host::secret::Secret;
use url::Url;

use crate::arguments::GlobalArguments;
use crate::conf_file::{self, ConfFile};
use crate::environment::Environment;

/// Where commands find the gateway if nobody says otherwise.
pub(crate) const DEFAULT_REGISTRY: &str = "http://127.0.0.1:8080";

/// Which gateway a command talks to, and how.
#[derive(Debug)]
pub(crate) struct ClientSettings {
    /// The gateway's address as it was given, for messages.
    pub(crate) registry: String,
    /// The same, checked.
    pub(crate) registry_url: Url,
    /// Sent as a bearer token.
    pub(crate) access_token: Option<Secret>,
    /// What the user should know: a file that cannot be used.
    pub(crate) notes: Vec<String>,
    /// How to save typing next time.
    pub(crate) tip: Option<String>,
}

impl ClientSettings {
    /// The flag wins over the file, the file over the default.
    pub(crate) fn resolve(arguments: &GlobalArguments, environment: &Environment) -> anyhow::Result<Self> {
        let path = conf_file::path(environment);
        let mut notes = Vec::new();
        let conf = match &path {
            Some(path) => read_conf(path, &mut notes),
            None => Some(ConfFile::default()),
        };
        let is_usable = conf.is_some();
        let conf = conf.unwrap_or_default();
        let tip = match (&arguments.registry, &conf.registry_url, &path) {
            (Some(flag), None, Some(path)) if is_usable => Some(format!(
                "TIP: You can set `registry_url: {flag}` in {} to avoid setting the --registry flag every time.\n",
                path.display()
            )),
            _ => None,
        };
        let registry = arguments.registry.clone().or(conf.registry_url).unwrap_or_else(|| DEFAULT_REGISTRY.to_owned());
        let registry_url = parse_registry(&registry)?;
        Ok(Self { registry, registry_url, access_token: conf.access_token.map(Secret::new), notes, tip })
    }
}

/// The file, unless it cannot be used: then the user is told, for the command may now go to another gateway.
fn read_conf(path: &Path, notes: &mut Vec<String>) -> Option<ConfFile> {
    match conf_file::read(path) {
        Ok(conf) => Some(conf),
        Err(error) => {
            notes.push(format!("Warning: {error:#}; the file is ignored"));
            None
        }
    }
}

pub(crate) fn parse_registry(registry: &str) -> anyhow::Result<Url> {
    let url = Url::parse(registry).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.with_context(|| {
        format!("invalid registry URL '{registry}': must be a valid http or https url, such as {DEFAULT_REGISTRY}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(flag: Option<&str>, conf: Option<&str>) -> anyhow::Result<ClientSettings> {
        let home = tempfile::tempdir().unwrap();
        if let Some(conf) = conf {
            std::fs::write(home.path().join(".mcpjungle.conf"), conf).unwrap();
        }
        let environment = Environment { home_directory: Some(home.path().to_owned()), ..Environment::default() };
        ClientSettings::resolve(&GlobalArguments { registry: flag.map(str::to_owned), json: false }, &environment)
    }

    #[test]
    fn the_flag_wins_over_the_file_and_the_file_over_the_default() {
        let conf = Some("registry_url: http://file:1\naccess_token: t");
        for (flag, conf, registry) in [
            (Some("http://flag:2/"), conf, "http://flag:2/"),
            (None, conf, "http://file:1"),
            (None, None, "http://127.0.0.1:8080"),
        ] {
            assert_eq!(resolve(flag, conf).unwrap().registry, registry);
        }
        assert_eq!(resolve(None, conf).unwrap().access_token.unwrap().expose(), "t");
    }

    #[test]
    fn a_tip_is_given_only_while_the_file_names_no_registry() {
        let tip = |flag, conf| resolve(Some(flag), conf).unwrap().tip;
        let said = tip("http://flag:2", None).unwrap();
        assert!(said.starts_with("TIP: You can set `registry_url: http://flag:2` in /"), "{said}");
        assert!(tip("http://flag:2", Some("registry_url: http://file:1")).is_none());
        assert!(resolve(None, None).unwrap().tip.is_none());
    }

    #[test]
    fn a_registry_that_is_no_http_url_is_refused() {
        for bad in ["localhost:8080", "ftp://x", "", "127.0.0.1"] {
            let message = resolve(Some(bad), None).unwrap_err().to_string();
            assert!(message.starts_with(&format!("invalid registry URL '{bad}': must be ")), "{message}");
        }
    }
}
