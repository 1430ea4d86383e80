//! What the gateway lends to plugins that are granted it: values out of its store, secrets out of its snapshot.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tokio::time::MissedTickBehavior;

use crate::catalog::Snapshot;
use crate::gateway::Gateway;
use crate::plugin::{Capabilities, KeyValue, KeyValueError, KeyValueFuture, SecretSource, check_entry};
use crate::secret::Secret;
use crate::store::{PluginValues, Store, StoreError, ValueRefused, expires_at};
use crate::telemetry::PolicyMetrics;

/// How often values that have expired are removed. Nobody is given one meanwhile.
const SWEEP: Duration = Duration::from_secs(60);

/// All of it.
pub(super) fn capabilities(
    store: &Store,
    snapshot: &Arc<ArcSwap<Snapshot>>,
    metrics: &Arc<PolicyMetrics>,
) -> Capabilities {
    Capabilities {
        key_value: Arc::new(store.plugin_values()),
        secrets: Arc::new(ServedSecrets(Arc::clone(snapshot))),
        metrics: Arc::clone(metrics),
    }
}

/// Removes values that have expired, as long as there is a gateway.
pub(super) async fn sweep(gateway: Weak<Gateway>) {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(values) = gateway.upgrade().map(|gateway| gateway.store.plugin_values()) else { return };
        if let Err(error) = values.sweep().await {
            // That the database is away is told by whoever follows it.
            tracing::debug!(%error, "expired values of plugins stay until the next look");
        }
    }
}

struct ServedSecrets(Arc<ArcSwap<Snapshot>>);

impl SecretSource for ServedSecrets {
    fn find(&self, name: &str) -> Option<Secret> {
        self.0.load().plugin_secrets.get(name)?.value.clone()
    }
}

/// As policies know them; its own functions of these names know times and failures better.
impl KeyValue for PluginValues {
    fn get<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>> {
        let (values, plugin, key) = (self.clone(), plugin.to_owned(), key.to_owned());
        in_a_task(async move { values.get(&plugin, &key).await.map_err(unavailable) })
    }

    fn set<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        value: &'a [u8],
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, ()> {
        let (values, plugin, key, value) = (self.clone(), plugin.to_owned(), key.to_owned(), value.to_owned());
        in_a_task(async move {
            check_entry(&key, &value)?;
            let set = values.set(&plugin, &key, &value, expires_at(expires_in));
            set.await.map_err(unavailable)?.map_err(refused)
        })
    }

    fn delete<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, ()> {
        let (values, plugin, key) = (self.clone(), plugin.to_owned(), key.to_owned());
        in_a_task(async move { values.delete(&plugin, &key).await.map_err(unavailable) })
    }

    fn increment<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        by: i64,
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, i64> {
        let (values, plugin, key) = (self.clone(), plugin.to_owned(), key.to_owned());
        in_a_task(async move {
            check_entry(&key, &[])?;
            let sum = values.increment(&plugin, &key, by, expires_at(expires_in));
            sum.await.map_err(unavailable)?.map_err(refused)
        })
    }
}

/// Carries out work on values in a task of its own. A plugin in the slow lane may wait long for its next turn:
/// it must not hold the database's one writer meanwhile.
fn in_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, KeyValueError>> + Send + 'static,
) -> KeyValueFuture<'static, T> {
    let task = tokio::spawn(work);
    async move { task.await.unwrap_or_else(|error| Err(KeyValueError::Unavailable(error.to_string()))) }.boxed()
}

fn refused(refused: ValueRefused) -> KeyValueError {
    match refused {
        ValueRefused::Quota => KeyValueError::QuotaExceeded,
        ValueRefused::NoNumber => KeyValueError::no_number(),
    }
}

fn unavailable(error: StoreError) -> KeyValueError {
    KeyValueError::Unavailable(error.to_string())
}
