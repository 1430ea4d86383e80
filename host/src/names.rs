//! Names of servers, groups and items: parsed once, at the edge.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Stands between a server's name and an item's own name.
pub const SEPARATOR: &str = "__";

/// A name that breaks the rules for its kind. The text is the answer to the caller.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// See [`ServerName`] for the rules.
    #[error("invalid server name: '{name}' must {rule}")]
    Server {
        /// The name as given.
        name: String,
        /// The rule it breaks, after "must".
        rule: &'static str,
    },
    /// See [`GroupName`] for the rules.
    #[error(
        "invalid group name: '{0}' must start with a letter or digit and contain only letters, digits, underscores and hyphens"
    )]
    Group(String),
    /// A canonical name needs a server's name, two underscores and an item's name.
    #[error("invalid name: '{0}' does not contain a __ separator (a canonical name is <server>__<name>)")]
    Canonical(String),
}

/// The name of a registered server: ASCII letters, digits, `_` and `-`; no `__`, no `_` at the end.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServerName(Arc<str>);

impl ServerName {
    /// Checks the rules.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let broken = |rule| Err(NameError::Server { name: name.to_owned(), rule });
        if name.is_empty() {
            return broken("not be empty");
        }
        if !name.bytes().all(is_word_byte) {
            return broken("contain only letters, digits, underscores and hyphens");
        }
        if name.contains(SEPARATOR) {
            return broken("not contain '__', which separates it from the names of its tools");
        }
        if name.ends_with('_') {
            return broken("not end with an underscore");
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a tool group: a letter or digit, then letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct GroupName(Arc<str>);

impl GroupName {
    /// Checks the rules.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let starts_well = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if starts_well && name.bytes().all(is_word_byte) {
            Ok(Self(name.into()))
        } else {
            Err(NameError::Group(name.to_owned()))
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// `server__name`, split at the first `__`. The name may hold anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CanonicalName {
    /// The server that offers the item.
    pub server: ServerName,
    /// The item's own name there.
    pub name: Arc<str>,
}

impl CanonicalName {
    /// Splits and checks a canonical name.
    pub fn parse(canonical: &str) -> Result<Self, NameError> {
        match canonical.split_once(SEPARATOR) {
            Some((server, name)) if !name.is_empty() => {
                Ok(Self { server: ServerName::parse(server)?, name: name.into() })
            }
            _ => Err(NameError::Canonical(canonical.to_owned())),
        }
    }
}

impl fmt::Display for CanonicalName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{SEPARATOR}{}", self.server, self.name)
    }
}

macro_rules! text_name {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

text_name!(ServerName);
text_name!(GroupName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_names_follow_the_documented_rules() {
        for good in ["github", "_x", "a-b_c", "A9"] {
            assert!(ServerName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a__b", "a_", "a/b", "a b", "ü"] {
            let error = ServerName::parse(bad).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid server name: '{bad}' must ")), "{error}");
        }
    }

    #[test]
    fn a_canonical_name_splits_at_the_first_separator() {
        let name = CanonicalName::parse("huggingface__Model__Details of it").unwrap();
        assert_eq!(name.server.as_str(), "huggingface");
        assert_eq!(&*name.name, "Model__Details of it");
        assert_eq!(name.to_string(), "huggingface__Model__Details of it");
        for bad in ["plain", "__x", "x__", "a_b"] {
            assert!(CanonicalName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn group_names_start_with_a_letter_or_digit() {
        assert!(GroupName::parse("claude-tools_2").is_ok());
        for bad in ["", "-x", "_x", "a.b"] {
            assert!(GroupName::parse(bad).is_err(), "{bad}");
        }
    }
}
