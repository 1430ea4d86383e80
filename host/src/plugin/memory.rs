//! Values of plugins in memory: for trying a component without a gateway.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use parking_lot::Mutex;

use crate::plugin::capabilities::{KeyValue, KeyValueError, KeyValueFuture};

/// Keeps values as long as it lives.
#[derive(Default)]
pub struct MemoryKeyValue {
    values: Mutex<HashMap<(String, String), Entry>>,
}

#[derive(Clone)]
struct Entry {
    value: Vec<u8>,
    expires_at: Option<Instant>,
}

impl MemoryKeyValue {
    fn now<T>(&self, act: impl FnOnce(&mut HashMap<(String, String), Entry>) -> T) -> T {
        let mut values = self.values.lock();
        let now = Instant::now();
        values.retain(|_, entry| entry.expires_at.is_none_or(|at| at > now));
        act(&mut values)
    }
}

fn key_of(plugin: &str, key: &str) -> (String, String) {
    (plugin.to_owned(), key.to_owned())
}

impl KeyValue for MemoryKeyValue {
    fn get<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>> {
        let found = self.now(|values| values.get(&key_of(plugin, key)).map(|entry| entry.value.clone()));
        async { Ok(found) }.boxed()
    }

    fn set<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        value: &'a [u8],
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, ()> {
        let expires_at = expires_in.map(|time| Instant::now() + time);
        self.now(|values| values.insert(key_of(plugin, key), Entry { value: value.to_vec(), expires_at }));
        async { Ok(()) }.boxed()
    }

    fn delete<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, ()> {
        self.now(|values| values.remove(&key_of(plugin, key)));
        async { Ok(()) }.boxed()
    }

    fn increment<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        by: i64,
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, i64> {
        let sum = self.now(|values| {
            let fresh = || Entry { value: b"0".to_vec(), expires_at: expires_in.map(|time| Instant::now() + time) };
            let entry = values.entry(key_of(plugin, key)).or_insert_with(fresh);
            let text = std::str::from_utf8(&entry.value).ok();
            let Some(sum) = text.and_then(|text| text.parse::<i64>().ok()).and_then(|number| number.checked_add(by))
            else {
                return Err(KeyValueError::Unavailable(format!(
                    "the value of `{key}` is no number that this can be added to"
                )));
            };
            entry.value = sum.to_string().into_bytes();
            Ok(sum)
        });
        async { sum }.boxed()
    }
}
