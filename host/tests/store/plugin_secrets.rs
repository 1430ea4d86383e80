//! Secrets for plugins: never in clear in the database, under the key that it is under, served when it is replaced.

use mcpjungle_host::catalog::Snapshot;
use mcpjungle_host::identity::{AccessToken, IdentityKind};
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::{KeyError, KeySource, Known, NewIdentity, NewKey, Rekeyed, Store, StoreError, Unreadable};

use crate::home::{Home, http_server, key, offer};
use crate::log::Log;

const VALUE: &str = "plugin-s3cret-value";

/// Names and values as a gateway serves them that starts now.
async fn served(store: &Store) -> Vec<(String, Option<Secret>)> {
    served_on(store, &mut Snapshot::default()).await
}

/// The same of one that has served `snapshot` so far, and reads what has changed.
async fn served_on(store: &Store, snapshot: &mut Snapshot) -> Vec<(String, Option<Secret>)> {
    *snapshot = Snapshot::build(store.load(&snapshot.known()).await.unwrap(), snapshot);
    snapshot.plugin_secrets.values().map(|secret| (secret.name.clone(), secret.value.clone())).collect()
}

fn pair(name: &str, value: &str) -> (String, Option<Secret>) {
    (name.to_owned(), Some(Secret::new(value)))
}

on_both! {
    async fn a_secret_is_set_replaced_and_deleted_and_each_is_a_change(home: Home) {
        let store = home.open().await;
        let mut revision = store.revision().await.unwrap();
        let mut has_changed = async || {
            let before = std::mem::replace(&mut revision, store.revision().await.unwrap());
            before != revision
        };
        assert!(store.put_plugin_secret("b/ann", &Secret::new(VALUE)).await.unwrap());
        assert!(has_changed().await);
        assert!(store.put_plugin_secret("a", &Secret::new("1")).await.unwrap());
        assert!(!store.put_plugin_secret("a", &Secret::new("2")).await.unwrap(), "it was there");
        assert!(has_changed().await);
        assert_eq!(served(&store).await, [pair("a", "2"), pair("b/ann", VALUE)]);
        assert!(store.delete_plugin_secret("a").await.unwrap());
        assert!(has_changed().await);
        assert!(!store.delete_plugin_secret("a").await.unwrap());
        assert!(!has_changed().await);
        store.close().await;
        let store = home.open().await;
        assert_eq!(served(&store).await, [pair("b/ann", VALUE)]);
        let stored = store.load(&Known::default()).await.unwrap();
        assert!(!format!("{stored:?}").contains(VALUE));
    }

    async fn a_new_key_takes_them_along_and_a_gateway_under_the_old_one_serves_on(home: Home) {
        let (old, new) = (key(&"0a".repeat(32)), key(&"0b".repeat(32)));
        let running = home.try_open(Some(old.clone())).await.unwrap();
        running.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
        running.put_plugin_secret("a", &Secret::new(VALUE)).await.unwrap();
        running.put_plugin_secret("b", &Secret::new("1")).await.unwrap();
        let mut serving = Snapshot::default();
        assert_eq!(served_on(&running, &mut serving).await.len(), 2);
        let keys = KeySource { configured: Some(old), key_file: None };
        let store = Store::open_existing(home.database(), keys).await.unwrap();
        let rekeyed = store.rekey(&NewKey::Configured(new.clone()), Unreadable::Refuse).await.unwrap();
        assert_eq!(rekeyed, Rekeyed { secrets: 2, servers: 1, plugin_secrets: 2, unreadable: vec![], key_file: None });

        let log = Log::default();
        let _logging = log.start();
        let other = home.try_open(Some(new)).await.unwrap();
        assert_eq!(served(&other).await, [pair("a", VALUE), pair("b", "1")]);
        assert_eq!(served_on(&running, &mut serving).await, [pair("a", VALUE), pair("b", "1")], "from memory");
        let refused = running.put_plugin_secret("c", &Secret::new("1")).await.unwrap_err();
        assert!(matches!(refused, StoreError::Key(KeyError::Replaced { .. })), "{refused}");
        // What was set anew is not what it was.
        other.put_plugin_secret("b", &Secret::new("2")).await.unwrap();
        for _ in 0..2 {
            assert_eq!(served_on(&running, &mut serving).await, [pair("a", VALUE), ("b".to_owned(), None)]);
        }
        assert_eq!(log.count("a secret for plugins cannot be read"), 1, "it is told of once");
    }

    async fn only_secrets_that_changed_are_read_again(home: Home) {
        let store = home.open().await;
        for name in ["deleted", "kept", "set again"] {
            store.put_plugin_secret(name, &Secret::new(VALUE)).await.unwrap();
        }
        let mut serving = Snapshot::default();
        assert_eq!(served_on(&store, &mut serving).await.len(), 3);

        let digest = AccessToken::parse("token-of-a-client").unwrap().digest();
        let client = NewIdentity { kind: IdentityKind::Client, name: "c", description: "", allow: &[], digest };
        store.create_identity(&client).await.unwrap();
        let stored = store.load(&serving.known()).await.unwrap();
        assert_eq!(stored.identities.changed.len(), 1);
        assert!(stored.plugin_secrets.changed.is_empty(), "{stored:?}");

        store.put_plugin_secret("set again", &Secret::new("2")).await.unwrap();
        store.put_plugin_secret("new", &Secret::new("1")).await.unwrap();
        store.delete_plugin_secret("deleted").await.unwrap();
        let mut stored = store.load(&serving.known()).await.unwrap().plugin_secrets.changed;
        stored.sort_by(|a, b| a.name.cmp(&b.name));
        let read: Vec<_> = stored.iter().map(|secret| secret.name.as_str()).collect();
        assert_eq!(read, ["new", "set again"]);
        let expected = [pair("kept", VALUE), pair("new", "1"), pair("set again", "2")];
        assert_eq!(served_on(&store, &mut serving).await, expected);
        assert_eq!(served_on(&store, &mut serving).await, expected);
        store.delete_plugin_secret("kept").await.unwrap();
        assert_eq!(served_on(&store, &mut serving).await, expected[1..]);
    }

    async fn one_that_is_damaged_is_listed_and_not_served_and_a_wrong_key_stops_the_start(home: Home) {
        let store = home.try_open(Some(key(&"0a".repeat(32)))).await.unwrap();
        store.put_plugin_secret("a", &Secret::new(VALUE)).await.unwrap();
        store.put_plugin_secret("b", &Secret::new(VALUE)).await.unwrap();
        store.close().await;
        assert!(home.try_open(Some(key(&"0b".repeat(32)))).await.is_err());
        // A value opens only under its own name.
        home.damage(
            "UPDATE plugin_secrets SET ciphertext = (SELECT ciphertext FROM plugin_secrets WHERE name = 'b') \
             WHERE name = 'a'",
        )
        .await;
        let store = home.try_open(Some(key(&"0a".repeat(32)))).await.unwrap();
        assert_eq!(served(&store).await, [("a".to_owned(), None), pair("b", VALUE)]);
        store.put_plugin_secret("a", &Secret::new("1")).await.unwrap();
        assert_eq!(served(&store).await, [pair("a", "1"), pair("b", VALUE)]);
    }
}

#[tokio::test]
async fn no_secret_lies_in_clear_on_the_disk() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.put_plugin_secret("a", &Secret::new(VALUE)).await.unwrap();
    store.close().await;
    assert!(!home.bytes().windows(VALUE.len()).any(|window| window == VALUE.as_bytes()));
}
