//! What plugins keep: the same in the store and in memory, shared by gateways, within its quota.

use std::time::Duration;

use mcpjungle_host::plugin::{
    KeyValue, KeyValueError, LONGEST_KEY, LONGEST_VALUE, MOST_BYTES, MOST_KEYS, MemoryKeyValue,
};

use crate::home::{Home, revision};

const HOUR: Option<Duration> = Some(Duration::from_secs(3_600));
/// What is set for so long is never seen.
const NO_TIME: Option<Duration> = Some(Duration::ZERO);

/// 9,998 keys of the plugin `p`; the databases differ in their words for bytes.
const FILL_SQLITE: &str = "\
    INSERT INTO plugin_values (plugin, key, number, size) \
    WITH RECURSIVE counted (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counted WHERE n < 9998) \
    SELECT 'p', CAST('k' || n AS BLOB), 1, 25 FROM counted";
const FILL_POSTGRES: &str = "\
    INSERT INTO plugin_values (plugin, key, number, size) \
    SELECT 'p', CAST('k' || n AS BYTEA), 1, 25 FROM generate_series(1, 9998) AS counted (n)";

async fn text(values: &dyn KeyValue, key: &str) -> Option<String> {
    values.get("p", key).await.unwrap().map(|value| String::from_utf8(value).unwrap())
}

/// What holds wherever values are kept.
async fn check_semantics(values: &dyn KeyValue) {
    assert_eq!(text(values, "a").await, None);
    values.set("p", "a", b"one", None).await.unwrap();
    values.set("p", "a", b"two", HOUR).await.unwrap();
    values.set("other", "a", b"theirs", None).await.unwrap();
    assert_eq!(text(values, "a").await.as_deref(), Some("two"));
    values.delete("p", "a").await.unwrap();
    values.delete("p", "a").await.unwrap();
    assert_eq!(text(values, "a").await, None);
    assert_eq!(values.get("other", "a").await.unwrap().as_deref(), Some(&b"theirs"[..]));

    // Any bytes are a value, and any text a key.
    for (key, value) in [("", &b""[..]), ("nul\0 ü 'x' %", &[0, 255, 1])] {
        values.set("p", key, value, None).await.unwrap();
        assert_eq!(values.get("p", key).await.unwrap().as_deref(), Some(value), "{key:?}");
    }

    // What has expired is not there.
    values.set("p", "gone", b"x", NO_TIME).await.unwrap();
    assert_eq!(text(values, "gone").await, None);
    values.set("p", "for ever", b"x", Some(Duration::MAX)).await.unwrap();
    assert_eq!(text(values, "for ever").await.as_deref(), Some("x"));

    check_numbers(values).await;
    check_bounds(values).await;
}

async fn check_numbers(values: &dyn KeyValue) {
    for (by, sum) in [(2, 2), (0, 2), (-5, -3), (i64::MAX, i64::MAX - 3)] {
        assert_eq!(values.increment("p", "n", by, HOUR).await, Ok(sum));
    }
    assert_eq!(text(values, "n").await, Some((i64::MAX - 3).to_string()));
    // Beyond what a number can be nothing changes.
    assert_eq!(values.increment("p", "n", 3, None).await, Ok(i64::MAX));
    for by in [1, i64::MAX] {
        assert!(matches!(values.increment("p", "n", by, None).await, Err(KeyValueError::Invalid(_))));
    }
    assert_eq!(text(values, "n").await, Some(i64::MAX.to_string()));
    assert_eq!(values.increment("p", "least", i64::MIN, None).await, Ok(i64::MIN));
    assert!(values.increment("p", "least", -1, None).await.is_err());
    // A number may be set as text, and text is no number.
    values.set("p", "n", b"41", None).await.unwrap();
    assert_eq!(values.increment("p", "n", 1, None).await, Ok(42));
    for no_number in ["", "x", "1.5", "007", "+1", " 1", "9223372036854775808"] {
        values.set("p", "t", no_number.as_bytes(), None).await.unwrap();
        let refused = values.increment("p", "t", 1, None).await;
        assert!(matches!(refused, Err(KeyValueError::Invalid(_))), "{no_number}: {refused:?}");
        assert_eq!(text(values, "t").await.as_deref(), Some(no_number));
    }
    // What has expired begins at 0 again, with a time of its own; whatever it was.
    for old in ["5", "text"] {
        values.set("p", "again", old.as_bytes(), NO_TIME).await.unwrap();
        assert_eq!(values.increment("p", "again", 1, HOUR).await, Ok(1));
        assert_eq!(values.increment("p", "again", 1, NO_TIME).await, Ok(2), "it keeps its time");
        assert_eq!(text(values, "again").await.as_deref(), Some("2"));
    }
}

async fn check_bounds(values: &dyn KeyValue) {
    let (key, value) = ("k".repeat(LONGEST_KEY), vec![b'v'; LONGEST_VALUE]);
    values.set("p", &key, &value, None).await.unwrap();
    for (key, value) in [(format!("{key}k"), &value[..1]), ("k".to_owned(), &[&value[..], b"v"].concat()[..])] {
        assert!(matches!(values.set("p", &key, value, None).await, Err(KeyValueError::Invalid(_))));
    }
    assert!(values.increment("p", &format!("{key}k"), 1, None).await.is_err());

    // As many bytes as fit; what is there already can be written anew, and what has expired takes no room.
    let most = MOST_BYTES / (LONGEST_VALUE + 3);
    for number in 0..most {
        values.set("full", &format!("{number:03}"), &value, None).await.unwrap();
    }
    let refused = Err(KeyValueError::QuotaExceeded);
    assert_eq!(values.set("full", "xxx", &value, None).await, refused);
    values.set("full", "000", &value, None).await.unwrap();
    values.set("full", "000", &value, NO_TIME).await.unwrap();
    values.set("full", "xxx", &value, None).await.unwrap();
    assert_eq!(values.set("full", "000", &value, None).await, refused);
    values.delete("full", "xxx").await.unwrap();
    values.set("full", "000", &value, None).await.unwrap();
}

#[tokio::test]
async fn values_in_memory_mean_the_same() {
    check_semantics(&MemoryKeyValue::default()).await;
    let values = MemoryKeyValue::default();
    for number in 0..MOST_KEYS {
        values.set("p", &number.to_string(), b"", None).await.unwrap();
    }
    assert_eq!(values.set("p", "one more", b"", None).await, Err(KeyValueError::QuotaExceeded));
    assert_eq!(values.increment("p", "one more", 1, None).await, Err(KeyValueError::QuotaExceeded));
}

on_both! {
    async fn values_mean_what_the_contract_says_and_change_no_revision(home: Home) {
        let store = home.open().await;
        let before = revision(&store).await;
        check_semantics(&store.plugin_values()).await;
        assert_eq!(revision(&store).await, before);
        store.close().await;
        // They are there after a restart.
        let store = home.open().await;
        assert_eq!(text(&store.plugin_values(), "n").await.as_deref(), Some("42"));
    }

    async fn a_plugin_has_no_more_keys_than_its_quota(home: Home) {
        let store = home.open().await;
        let values = store.plugin_values();
        let values: &dyn KeyValue = &values;
        values.set("p", "first", b"", None).await.unwrap();
        // What would be 9,998 calls.
        home.damage(if home.key().is_none() { FILL_SQLITE } else { FILL_POSTGRES }).await;
        assert_eq!(MOST_KEYS, 10_000);
        assert_eq!(values.increment("p", "last", 1, None).await, Ok(1));
        assert_eq!(values.increment("p", "one more", 1, None).await, Err(KeyValueError::QuotaExceeded));
        assert_eq!(values.set("p", "one more", b"", None).await, Err(KeyValueError::QuotaExceeded));
        assert_eq!(values.increment("p", "last", 1, None).await, Ok(2), "those that are there go on");
        values.set("p", "first", b"longer", None).await.unwrap();
        values.set("other", "k", b"", None).await.unwrap();
    }

    async fn what_expires_at_once_does_not_fill_the_disk(home: Home) {
        let store = home.open().await;
        let values = store.plugin_values();
        let value = vec![b'v'; LONGEST_VALUE];
        let most = MOST_BYTES / (LONGEST_VALUE + 3);
        for number in 0..most + 50 {
            KeyValue::set(&values, "p", &format!("{number:03}"), &value, NO_TIME).await.unwrap();
        }
        let kept = values.sweep().await.unwrap();
        assert!(kept <= most as u64, "{kept} values of {LONGEST_VALUE} bytes lay in the database");

        // The same of counting, with as many keys as a plugin may have.
        KeyValue::set(&values, "p", "first", b"", NO_TIME).await.unwrap();
        KeyValue::set(&values, "p", "second", b"", NO_TIME).await.unwrap();
        home.damage(if home.key().is_none() { FILL_SQLITE } else { FILL_POSTGRES }).await;
        home.damage("UPDATE plugin_values SET expires_at = 1").await;
        KeyValue::set(&values, "other", "theirs", b"", NO_TIME).await.unwrap();
        assert_eq!(KeyValue::increment(&values, "p", "one more", 1, None).await, Ok(1));
        assert_eq!(values.sweep().await.unwrap(), 1, "only what another plugin kept was left");
    }

    async fn two_gateways_count_together(home: Home) {
        let (one, other) = (home.open().await, home.open().await);
        let count = |store: &mcpjungle_host::store::Store| {
            let values = store.plugin_values();
            tokio::spawn(async move {
                for _ in 0..200 {
                    KeyValue::increment(&values, "p", "n", 1, HOUR).await.unwrap();
                }
            })
        };
        let counting = [count(&one), count(&other), count(&one), count(&other)];
        // An administrator gets a turn meanwhile.
        one.create_group(&crate::home::group("g", &["a__b"])).await.unwrap();
        for counting in counting {
            counting.await.unwrap();
        }
        assert_eq!(text(&one.plugin_values(), "n").await.as_deref(), Some("800"));
        assert_eq!(text(&other.plugin_values(), "n").await.as_deref(), Some("800"));
    }

    async fn what_has_expired_is_swept(home: Home) {
        let store = home.open().await;
        let values = store.plugin_values();
        for number in 0..1_100 {
            let expires_in = if number % 100 == 0 { HOUR } else { NO_TIME };
            KeyValue::set(&values, "p", &number.to_string(), b"x", expires_in).await.unwrap();
        }
        assert_eq!(values.sweep().await.unwrap(), 1_089);
        assert_eq!(values.sweep().await.unwrap(), 0);
        for number in 0..1_100 {
            let is_there = text(&values, &number.to_string()).await.is_some();
            assert_eq!(is_there, number % 100 == 0, "{number}");
        }
    }
}
