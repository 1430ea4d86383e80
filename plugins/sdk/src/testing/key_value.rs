//! Stored values that expire by the clock of a test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::StoreError;
use crate::imports::milliseconds;

/// The values of one plugin. Every function is told what time it is.
#[derive(Debug, Default)]
pub(super) struct KeyValue {
    values: RefCell<BTreeMap<String, Value>>,
    limit: Cell<Option<usize>>,
}

#[derive(Debug)]
struct Value {
    bytes: Vec<u8>,
    /// Milliseconds since 1970; `None`: never.
    expires_at: Option<u64>,
}

impl KeyValue {
    pub(super) fn limit(&self, keys: usize) {
        self.limit.set(Some(keys));
    }

    /// Whether there is room for one value under `key`.
    pub(super) fn ensure_room(&self, now: u64, key: &str) -> Result<(), StoreError> {
        self.forget_expired(now);
        let values = self.values.borrow();
        let is_full = self.limit.get().is_some_and(|limit| values.len() >= limit);
        if is_full && !values.contains_key(key) { Err(StoreError::QuotaExceeded) } else { Ok(()) }
    }

    pub(super) fn get(&self, now: u64, key: &str) -> Option<Vec<u8>> {
        self.forget_expired(now);
        self.values.borrow().get(key).map(|value| value.bytes.clone())
    }

    pub(super) fn set(&self, now: u64, key: &str, bytes: &[u8], expires_in: Option<Duration>) {
        let value = Value { bytes: bytes.to_vec(), expires_at: expiry(now, expires_in) };
        self.values.borrow_mut().insert(key.to_owned(), value);
    }

    pub(super) fn delete(&self, key: &str) {
        self.values.borrow_mut().remove(key);
    }

    pub(super) fn increment(
        &self,
        now: u64,
        key: &str,
        by: i64,
        expires_in: Option<Duration>,
    ) -> Result<i64, StoreError> {
        self.forget_expired(now);
        let mut values = self.values.borrow_mut();
        let zero = || Value { bytes: b"0".to_vec(), expires_at: expiry(now, expires_in) };
        let value = values.entry(key.to_owned()).or_insert_with(zero);
        let number = str::from_utf8(&value.bytes).ok().and_then(|text| text.parse::<i64>().ok());
        let Some(sum) = number.and_then(|number| number.checked_add(by)) else {
            return Err(StoreError::Invalid(format!("the value of `{key}` is no number that this can be added to")));
        };
        value.bytes = sum.to_string().into_bytes();
        Ok(sum)
    }

    fn forget_expired(&self, now: u64) {
        self.values.borrow_mut().retain(|_, value| value.expires_at.is_none_or(|at| at > now));
    }
}

fn expiry(now: u64, expires_in: Option<Duration>) -> Option<u64> {
    expires_in.map(|time| now.saturating_add(milliseconds(time)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;
    use crate::testing::FakeHost;

    #[test]
    fn a_value_is_there_until_it_expires_or_is_removed() {
        let host = FakeHost::new().with_value("kept", b"1");
        host.set("brief", b"2", Some(Duration::from_secs(1))).unwrap();
        assert_eq!(host.get("brief"), Ok(Some(b"2".to_vec())));
        host.advance(Duration::from_secs(1));
        assert_eq!(host.get("brief"), Ok(None));
        host.delete("kept").unwrap();
        assert_eq!(host.get("kept"), Ok(None));
    }

    #[test]
    fn a_number_begins_at_0_and_keeps_the_time_that_it_was_given_first() {
        let host = FakeHost::new();
        let window = Some(Duration::from_secs(60));
        assert_eq!(host.increment("n", 2, window), Ok(2));
        host.advance(Duration::from_secs(59));
        assert_eq!(host.increment("n", 3, window), Ok(5));
        host.advance(Duration::from_secs(1));
        assert_eq!(host.increment("n", 1, window), Ok(1));
        host.set("text", b"no number", None).unwrap();
        assert!(matches!(host.increment("text", 1, None), Err(StoreError::Invalid(_))));
    }

    #[test]
    fn a_full_store_takes_no_new_key() {
        let host = FakeHost::new().with_room_for(1);
        host.set("a", b"1", None).unwrap();
        assert_eq!(host.set("b", b"1", None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.increment("b", 1, None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.set("a", b"2", None), Ok(()));
    }
}
