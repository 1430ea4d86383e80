//! What the host lends to plugins that an administrator granted it: the seams behind the imports that are not ambient.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::plugin::memory::MemoryKeyValue;
use crate::secret::Secret;
use crate::telemetry::PolicyMetrics;

/// Keys that a plugin may have at the same time.
pub const MOST_KEYS: usize = 10_000;
/// Bytes that a plugin may have: all keys and values together, a number counting as 20.
pub const MOST_BYTES: usize = 8 << 20;
/// In bytes.
pub const LONGEST_KEY: usize = 512;
/// In bytes.
pub const LONGEST_VALUE: usize = 64 << 10;
/// What a number counts as, however large it is: adding to one never passes the quota.
pub(crate) const NUMBER_SIZE: usize = 20;

/// All of them. Cheap to clone.
#[derive(Clone)]
pub struct Capabilities {
    /// Values that outlive a call.
    pub key_value: Arc<dyn KeyValue>,
    /// Secrets by name.
    pub secrets: Arc<dyn SecretSource>,
    /// Where each use of them is counted.
    pub metrics: Arc<PolicyMetrics>,
}

impl Default for Capabilities {
    /// Without a gateway around them: values live as long as the process, and there are no secrets.
    fn default() -> Self {
        Self { key_value: Arc::new(MemoryKeyValue::default()), secrets: Arc::new(NoSecrets), metrics: Arc::default() }
    }
}

/// Values that outlive a call, each plugin's own: `plugin` is what it keeps them under.
pub trait KeyValue: Send + Sync {
    /// The value of a key, if it is there and has not expired.
    fn get<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>>;

    /// Sets a key, for so long or for good.
    fn set<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        value: &'a [u8],
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, ()>;

    /// Removes a key; it is no error if it was not there.
    fn delete<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, ()>;

    /// Adds to a number in one step and returns the sum. A key that is not there counts as 0 and then
    /// expires after `expires_in`; one that is there keeps its time.
    fn increment<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        by: i64,
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, i64>;
}

/// What a look at the values gives.
pub type KeyValueFuture<'a, T> = BoxFuture<'a, Result<T, KeyValueError>>;

/// Why values could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyValueError {
    /// The plugin has as many keys or bytes as it may.
    #[error("the plugin's quota of keys or bytes is used up")]
    QuotaExceeded,
    /// The store did not answer, or the value is not what the question takes it for.
    #[error("{0}")]
    Unavailable(String),
    /// The key or the value cannot be one, or is no number that can be added to.
    #[error("{0}")]
    Invalid(String),
}

impl KeyValueError {
    /// Why a plugin that is still being loaded writes nothing.
    pub(crate) fn loading() -> Self {
        Self::Unavailable("no value is written while the plugin is being loaded".to_owned())
    }

    /// What is in the way of adding to a value.
    pub(crate) fn no_number() -> Self {
        Self::Invalid("the value is no number that this can be added to".to_owned())
    }
}

/// Refuses a key or a value that is too long.
pub(crate) fn check_entry(key: &str, value: &[u8]) -> Result<(), KeyValueError> {
    let too_long =
        |what: &str, most: usize| Err(KeyValueError::Invalid(format!("the {what} is longer than {most} bytes")));
    match (key.len(), value.len()) {
        (length, _) if length > LONGEST_KEY => too_long("key", LONGEST_KEY),
        (_, length) if length > LONGEST_VALUE => too_long("value", LONGEST_VALUE),
        _ => Ok(()),
    }
}

/// The number that a value is: one written as the host writes it, without a plus sign or further zeros.
pub(crate) fn number_of(value: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
}

/// When something expires that is set now; times in milliseconds since 1970.
pub(crate) fn expiry(now_ms: i64, expires_in: Option<Duration>) -> Option<i64> {
    expires_in.map(|time| now_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
}

/// Secrets by name.
pub trait SecretSource: Send + Sync {
    /// The secret of this name, if there is one.
    fn find(&self, name: &str) -> Option<Secret>;
}

struct NoSecrets;

impl SecretSource for NoSecrets {
    fn find(&self, _: &str) -> Option<Secret> {
        None
    }
}
