//! What the host lends to plugins that an administrator granted it: the seams behind the imports that are not ambient.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use thiserror::Error;

use crate::plugin::memory::MemoryKeyValue;
use crate::plugin::outbound_http::OutboundHttp;
use crate::secret::Secret;

/// All of them. Cheap to clone.
#[derive(Clone)]
pub struct Capabilities {
    /// Values that outlive a call.
    pub key_value: Arc<dyn KeyValue>,
    /// Secrets by name.
    pub secrets: Arc<dyn SecretSource>,
    /// HTTP requests.
    pub http: OutboundHttp,
}

impl Default for Capabilities {
    /// Without a gateway around them: values live as long as the process, and there are no secrets.
    fn default() -> Self {
        Self {
            key_value: Arc::new(MemoryKeyValue::default()),
            secrets: Arc::new(NoSecrets),
            http: OutboundHttp::default(),
        }
    }
}

/// Values that outlive a call, each plugin's own.
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
