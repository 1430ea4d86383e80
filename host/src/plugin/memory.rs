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

/// Those of one plugin.
#[derive(Default)]
struct Values {
    by_key: HashMap<String, Entry>,
    /// The sizes of all together, of expired ones too until they are removed.
    bytes: usize,
}

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
    fn has_expired(&self, now: i64) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    fn size(&self, key: &str) -> usize {
        key.len()
            + match &self.value {
                Value::Number(_) => NUMBER_SIZE,
                Value::Bytes(bytes) => bytes.len(),
            }
    }
}

impl MemoryKeyValue {
    /// Looks at a plugin's values, without the one of this key if it has expired.
    fn with<T>(&self, plugin: &str, key: &str, act: impl FnOnce(&mut Values, i64) -> T) -> T {
        let mut plugins = self.plugins.lock();
        let values = plugins.entry(plugin.to_owned()).or_default();
        let now = now_ms();
        if values.by_key.get(key).is_some_and(|entry| entry.has_expired(now)) {
            values.remove(key);
        }
        act(values, now)
    }
}

impl Values {
    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.by_key.remove(key) {
            self.bytes -= entry.size(key);
        }
    }

    /// Puts an entry in its place, if there is room for it.
    fn put(&mut self, key: &str, entry: Entry, now: i64) -> Result<(), KeyValueError> {
        if !self.has_room(key, &entry) {
            self.remove_expired(now);
            if !self.has_room(key, &entry) {
                return Err(KeyValueError::QuotaExceeded);
            }
        }
        self.remove(key);
        self.bytes += entry.size(key);
        self.by_key.insert(key.to_owned(), entry);
        Ok(())
    }

    fn has_room(&self, key: &str, entry: &Entry) -> bool {
        let replaced = self.by_key.get(key);
        let keys = self.by_key.len() - usize::from(replaced.is_some());
        let bytes = self.bytes - replaced.map_or(0, |replaced| replaced.size(key));
        keys < MOST_KEYS && bytes + entry.size(key) <= MOST_BYTES
    }

    fn remove_expired(&mut self, now: i64) {
        self.by_key.retain(|_, entry| !entry.has_expired(now));
        self.bytes = self.by_key.iter().map(|(key, entry)| entry.size(key)).sum();
    }
}

impl KeyValue for MemoryKeyValue {
    fn get<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, Option<Vec<u8>>> {
        let bytes = |entry: &Entry| match &entry.value {
            Value::Number(number) => number.to_string().into_bytes(),
            Value::Bytes(bytes) => bytes.clone(),
        };
        let found = self.with(plugin, key, |values, _| values.by_key.get(key).map(bytes));
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
            self.with(plugin, key, |values, now| {
                values.put(key, Entry { value, expires_at: expiry(now, expires_in) }, now)
            })
        });
        async { done }.boxed()
    }

    fn delete<'a>(&'a self, plugin: &'a str, key: &'a str) -> KeyValueFuture<'a, ()> {
        self.with(plugin, key, |values, _| values.remove(key));
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
            self.with(plugin, key, |values, now| match values.by_key.get_mut(key).map(|entry| &mut entry.value) {
                Some(Value::Number(number)) => {
                    *number = number.checked_add(by).ok_or_else(KeyValueError::no_number)?;
                    Ok(*number)
                }
                Some(Value::Bytes(_)) => Err(KeyValueError::no_number()),
                None => {
                    let entry = Entry { value: Value::Number(by), expires_at: expiry(now, expires_in) };
                    values.put(key, entry, now)?;
                    Ok(by)
                }
            })
        });
        async { sum }.boxed()
    }
}
