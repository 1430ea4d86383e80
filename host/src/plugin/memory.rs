//! Values of plugins in memory: for trying a component without a gateway. They mean the same as those in the store.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;

use crate::clock::now_ms;
use crate::plugin::capabilities::{
    KeyValue, KeyValueError, KeyValueFuture, MOST_BYTES, MOST_KEYS, NUMBER_SIZE, check_entry, expiry, number_of,
};

/// Keeps values as long as it lives.
#[derive(Default)]
pub struct MemoryKeyValue {
    plugins: Mutex<HashMap<String, Values>>,
}

/// Those of one plugin, by key.
type Values = HashMap<String, Entry>;

struct Entry {
    value: Value,
    /// In milliseconds since 1970.
    expires_at: Option<i64>,
}

enum Value {
    Number(i64),
    Bytes(Vec<u8>),
}

impl Entry {
    fn size(&self, key: &str) -> usize {
        key.len()
            + match &self.value {
                Value::Number(_) => NUMBER_SIZE,
                Value::Bytes(bytes) => bytes.len(),
            }
    }
}

impl MemoryKeyValue {
    /// Looks at a plugin's values, without those that have expired.
    fn with<T>(&self, plugin: &str, act: impl FnOnce(&mut Values, i64) -> T) -> T {
        let mut plugins = self.plugins.lock();
        let values = plugins.entry(plugin.to_owned()).or_default();
        let now = now_ms();
        values.retain(|_, entry| entry.expires_at.is_none_or(|at| at > now));
        act(values, now)
    }
}

/// Puts an entry in its place, if there is room for it.
fn put(values: &mut Values, key: &str, entry: Entry) -> Result<(), KeyValueError> {
    let others = || values.iter().filter(|(other, _)| *other != key);
    let bytes: usize = others().map(|(key, entry)| entry.size(key)).sum();
    if others().count() >= MOST_KEYS || bytes + entry.size(key) > MOST_BYTES {
        return Err(KeyValueError::QuotaExceeded);
    }
    values.insert(key.to_owned(), entry);
    Ok(())
}

impl KeyValue for MemoryKeyValue {
    fn get<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>> {
        let bytes = |entry: &Entry| match &entry.value {
            Value::Number(number) => number.to_string().into_bytes(),
            Value::Bytes(bytes) => bytes.clone(),
        };
        let found = self.with(plugin, |values, _| values.get(key).map(bytes));
        async { Ok(found) }.boxed()
    }

    fn set<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        value: &'a [u8],
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, ()> {
        let done = check_entry(key, value).and_then(|()| {
            let value = number_of(value).map_or_else(|| Value::Bytes(value.to_vec()), Value::Number);
            self.with(plugin, |values, now| put(values, key, Entry { value, expires_at: expiry(now, expires_in) }))
        });
        async { done }.boxed()
    }

    fn delete<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, ()> {
        self.with(plugin, |values, _| values.remove(key));
        async { Ok(()) }.boxed()
    }

    fn increment<'a>(
        &'a self,
        plugin: &'a str,
        key: &'a str,
        by: i64,
        expires_in: Option<Duration>,
    ) -> KeyValueFuture<'a, i64> {
        let sum = check_entry(key, &[]).and_then(|()| {
            self.with(plugin, |values, now| match values.get_mut(key).map(|entry| &mut entry.value) {
                Some(Value::Number(number)) => {
                    *number = number.checked_add(by).ok_or_else(KeyValueError::no_number)?;
                    Ok(*number)
                }
                Some(Value::Bytes(_)) => Err(KeyValueError::no_number()),
                None => {
                    put(values, key, Entry { value: Value::Number(by), expires_at: expiry(now, expires_in) })?;
                    Ok(by)
                }
            })
        });
        async { sum }.boxed()
    }
}
