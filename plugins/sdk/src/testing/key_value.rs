//! Stored values that expire by the clock of a test, within the bounds that the gateway sets.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use crate::host::StoreError;
use crate::imports::milliseconds;

/// Keys that a plugin may have at the same time.
const MOST_KEYS: usize = 10_000;
/// Bytes that a plugin may have: all keys and values together.
const MOST_BYTES: usize = 8 << 20;
/// In bytes.
const LONGEST_KEY: usize = 512;
/// In bytes.
const LONGEST_VALUE: usize = 64 << 10;
/// What a number counts as, however large it is.
const NUMBER_SIZE: usize = 20;

/// The values of one plugin. Every function is told what time it is.
#[derive(Debug)]
pub(super) struct KeyValue {
    values: RefCell<BTreeMap<String, Value>>,
    /// Keys that there may be.
    most_keys: Cell<usize>,
}

#[derive(Debug)]
struct Value {
    content: Content,
    /// Milliseconds since 1970; `None`: never.
    expires_at: Option<u64>,
}

#[derive(Debug)]
enum Content {
    Number(i64),
    Bytes(Vec<u8>),
}

impl Default for KeyValue {
    fn default() -> Self {
        Self { values: RefCell::default(), most_keys: Cell::new(MOST_KEYS) }
    }
}

impl KeyValue {
    pub(super) fn limit(&self, keys: usize) {
        self.most_keys.set(keys.min(MOST_KEYS));
    }

    pub(super) fn get(&self, now: u64, key: &str) -> Option<Vec<u8>> {
        self.forget_expired(now);
        self.values.borrow().get(key).map(|value| match &value.content {
            Content::Number(number) => number.to_string().into_bytes(),
            Content::Bytes(bytes) => bytes.clone(),
        })
    }

    pub(super) fn set(
        &self,
        now: u64,
        key: &str,
        bytes: &[u8],
        expires_in: Option<Duration>,
    ) -> Result<(), StoreError> {
        check_entry(key, bytes)?;
        let content = number_of(bytes).map_or_else(|| Content::Bytes(bytes.to_vec()), Content::Number);
        self.put(now, key, Value { content, expires_at: expiry(now, expires_in) })
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
        check_entry(key, &[])?;
        self.forget_expired(now);
        let no_number = || StoreError::Invalid("the value is no number that this can be added to".to_owned());
        match self.values.borrow_mut().get_mut(key).map(|value| &mut value.content) {
            Some(Content::Number(number)) => {
                *number = number.checked_add(by).ok_or_else(no_number)?;
                return Ok(*number);
            }
            Some(Content::Bytes(_)) => return Err(no_number()),
            None => {}
        }
        self.put(now, key, Value { content: Content::Number(by), expires_at: expiry(now, expires_in) })?;
        Ok(by)
    }

    /// Puts a value in its place, if there is room for it.
    fn put(&self, now: u64, key: &str, value: Value) -> Result<(), StoreError> {
        self.forget_expired(now);
        let mut values = self.values.borrow_mut();
        let others = values.iter().filter(|(other, _)| *other != key);
        let (keys, bytes) = others.fold((0, 0), |(keys, bytes), (key, value)| (keys + 1, bytes + value.size(key)));
        if keys >= self.most_keys.get() || bytes + value.size(key) > MOST_BYTES {
            return Err(StoreError::QuotaExceeded);
        }
        values.insert(key.to_owned(), value);
        Ok(())
    }

    fn forget_expired(&self, now: u64) {
        self.values.borrow_mut().retain(|_, value| value.expires_at.is_none_or(|at| at > now));
    }
}

impl Value {
    fn size(&self, key: &str) -> usize {
        key.len()
            + match &self.content {
                Content::Number(_) => NUMBER_SIZE,
                Content::Bytes(bytes) => bytes.len(),
            }
    }
}

/// Refuses a key or a value that is too long.
fn check_entry(key: &str, value: &[u8]) -> Result<(), StoreError> {
    let too_long =
        |what: &str, most: usize| Err(StoreError::Invalid(format!("the {what} is longer than {most} bytes")));
    match (key.len(), value.len()) {
        (length, _) if length > LONGEST_KEY => too_long("key", LONGEST_KEY),
        (_, length) if length > LONGEST_VALUE => too_long("value", LONGEST_VALUE),
        _ => Ok(()),
    }
}

/// The number that a value is: one written as the gateway writes it, without a plus sign or further zeros.
fn number_of(value: &[u8]) -> Option<i64> {
    let text = str::from_utf8(value).ok()?;
    text.parse().ok().filter(|number: &i64| number.to_string() == text)
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
    }

    #[test]
    fn a_number_is_what_is_written_as_one_and_nothing_is_added_to_other_values() {
        let host = FakeHost::new();
        for (value, sum) in
            [("42", Some(43)), ("-1", Some(0)), ("042", None), ("+42", None), ("text", None), ("", None)]
        {
            host.set("n", value.as_bytes(), None).unwrap();
            let added = host.increment("n", 1, None);
            assert_eq!(added.as_ref().ok(), sum.as_ref(), "{value}: {added:?}");
            let kept = sum.map_or_else(|| value.to_owned(), |sum| sum.to_string());
            assert_eq!(host.get("n"), Ok(Some(kept.into_bytes())), "{value}");
        }
        host.set("n", i64::MAX.to_string().as_bytes(), None).unwrap();
        assert!(matches!(host.increment("n", 1, None), Err(StoreError::Invalid(_))));
        assert_eq!(host.increment("n", 0, None), Ok(i64::MAX));
    }

    #[test]
    fn a_key_or_a_value_that_is_too_long_is_invalid() {
        let host = FakeHost::new();
        let invalid = |text: &str| Err(StoreError::Invalid(text.to_owned()));
        let (key, value) = ("k".repeat(LONGEST_KEY), vec![0; LONGEST_VALUE]);
        assert_eq!(host.set(&key, &value, None), Ok(()));
        assert_eq!(host.set("k", &[&value[..], &[0]].concat(), None), invalid("the value is longer than 65536 bytes"));
        let longer = key + "k";
        assert_eq!(host.set(&longer, b"", None), invalid("the key is longer than 512 bytes"));
        assert_eq!(host.increment(&longer, 1, None).map(drop), invalid("the key is longer than 512 bytes"));
        assert_eq!(host.get(&longer), Ok(None));
    }

    #[test]
    fn a_full_store_takes_no_new_key() {
        let host = FakeHost::new().with_room_for(1);
        host.set("a", b"1", None).unwrap();
        assert_eq!(host.set("b", b"1", None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.increment("b", 1, None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.set("a", b"2", None), Ok(()));
    }

    #[test]
    fn all_keys_and_values_together_have_a_bound_and_a_number_is_20_bytes_long() {
        let host = FakeHost::new();
        let value = vec![0; LONGEST_VALUE - 3];
        for number in 0..127 {
            host.set(&format!("{number:03}"), &value, None).unwrap();
        }
        let left = LONGEST_VALUE - NUMBER_SIZE - 2;
        assert_eq!(host.set("x", &vec![0; left], None), Ok(()));
        assert_eq!(host.increment("n", 1, None), Ok(1));
        assert_eq!(host.increment("m", 1, None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.set("x", &vec![0; left + 1], None), Err(StoreError::QuotaExceeded));
        assert_eq!(host.increment("n", i64::MAX - 1, None), Ok(i64::MAX));
    }
}
