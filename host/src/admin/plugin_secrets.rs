//! Secrets for plugins. What they are is never answered: only their names, and when they were set.

use serde::Serialize;

use crate::admin::error::ApiError;
use crate::admin::record::rfc3339;
use crate::store::PluginSecret;

pub(super) mod delete;
pub(super) mod list;
pub(super) mod set;

/// In bytes.
const LONGEST_NAME: usize = 128;
/// In bytes; a key or a certificate fits.
const LONGEST_VALUE: usize = 64 << 10;

/// A secret as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct SecretView {
    name: String,
    updated_at: String,
    /// Whether this gateway's key opens it.
    readable: bool,
}

impl SecretView {
    fn of(secret: &PluginSecret) -> Self {
        Self { name: secret.name.clone(), updated_at: rfc3339(secret.updated_at_ms), readable: secret.value.is_some() }
    }
}

/// Names are those that a grant can name, without its stars.
fn check_name(name: &str) -> Result<(), ApiError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./@".contains(&byte);
    let problem = match name.as_bytes() {
        [] => "must not be empty",
        name if name.len() > LONGEST_NAME => "must not be longer than 128 bytes",
        // Not to be told from a step in a path.
        [b'.' | b'/', ..] => "must not begin with a dot or a slash",
        name if !name.iter().copied().all(is_allowed) => "must consist of letters, digits and `_-./@`",
        _ => return Ok(()),
    };
    Err(ApiError::invalid(format!("invalid name of a secret: '{}' {problem}", name.escape_debug())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_a_grant_can_name() {
        for good in ["a", "github/ann", "API_KEY-1", "ann@example.com", &"x".repeat(128)] {
            check_name(good).unwrap();
            assert!(format!("secret:{good}").parse::<crate::plugin::Grant>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "/a", "a b", "a*", "a:b", "ä", "a\n", &"x".repeat(129)] {
            assert!(check_name(bad).unwrap_err().message().starts_with("invalid name of a secret: '"), "{bad}");
        }
    }
}
