//! A new secret key: what it opens, what gateways under the old one still do, and what is
//! left when it is cut short.

use std::fs;
use std::path::PathBuf;

use mcpjungle_host::names::ServerName;
use mcpjungle_host::pipeline::ItemKind;
use mcpjungle_host::store::{
    ConfiguredKey, KeyError, KeySource, NewKey, OpenError, RekeyError, Rekeyed, Store, StoreError, Unreadable,
};

use crate::home::{BEARER, Home, http_server, key, name, offer, record, records, stdio_server};
use crate::log::Log;

fn old() -> ConfiguredKey {
    key(&"0a".repeat(32))
}

fn new() -> ConfiguredKey {
    key(&"0b".repeat(32))
}

/// A store under the old key, with secrets of two servers and a third server that has none.
async fn store_with_secrets(home: &Home, key: Option<ConfiguredKey>) -> Store {
    let store = home.try_open(key).await.unwrap();
    store.put_server(&http_server("h"), &offer(&["t"]), false).await.unwrap();
    store.put_server(&stdio_server("s", &[("A", "1")]), &offer(&["t"]), false).await.unwrap();
    store.put_server(&stdio_server("plain", &[]), &offer(&["t"]), false).await.unwrap();
    store
}

async fn rekey(home: &Home, old: Option<ConfiguredKey>, new: NewKey) -> Result<Rekeyed, RekeyError> {
    let keys = KeySource { configured: old, key_file: home.database().default_key_file() };
    let store = Store::open_existing(home.database(), keys).await.unwrap();
    let rekeyed = store.rekey(&new, Unreadable::Refuse).await;
    store.close().await;
    rekeyed
}

async fn names(store: &Store) -> Vec<ServerName> {
    records(store).await.into_iter().map(|record| record.server.name).collect()
}

on_both! {
    async fn after_a_rekey_the_new_key_opens_every_secret_and_the_old_one_none(home: Home) {
        store_with_secrets(&home, Some(old())).await.close().await;
        let rekeyed = rekey(&home, Some(old()), NewKey::Configured(new())).await.unwrap();
        assert_eq!(rekeyed, Rekeyed { secrets: 3, servers: 2, plugin_secrets: 0, unreadable: vec![], key_file: None });

        let error = home.try_open(Some(old())).await.err().unwrap();
        assert!(matches!(error, OpenError::Store(StoreError::Key(KeyError::Wrong { .. }))), "{error}");
        let store = home.try_open(Some(new())).await.unwrap();
        assert_eq!(record(&store, "h").await.server, http_server("h"));
        assert_eq!(record(&store, "s").await.server, stdio_server("s", &[("A", "1")]));
        store.put_server(&stdio_server("later", &[("B", "2")]), &offer(&[]), false).await.unwrap();
        store.close().await;

        for old in [old(), new()] {
            let again = rekey(&home, Some(old), NewKey::Configured(new())).await.unwrap_err();
            assert!(matches!(again, RekeyError::SameKey), "{again}");
        }
    }

    async fn the_audit_log_keeps_its_key_under_a_new_secret_key(home: Home) {
        let store = store_with_secrets(&home, Some(old())).await;
        let before = store.audit_key().await.unwrap().start("a writer");
        store.close().await;
        let rekeyed = rekey(&home, Some(old()), NewKey::Configured(new())).await.unwrap();
        assert_eq!(rekeyed.secrets, 3, "it is no secret that anybody stored");
        let store = home.try_open(Some(new())).await.unwrap();
        assert_eq!(store.audit_key().await.unwrap().start("a writer"), before);
    }

    async fn a_gateway_under_the_old_key_serves_on_and_stores_no_secret(home: Home) {
        let log = Log::default();
        let _logging = log.start();
        let running = store_with_secrets(&home, Some(old())).await;
        assert_eq!(names(&running).await.len(), 3);
        rekey(&home, Some(old()), NewKey::Configured(new())).await.unwrap();
        let other = home.try_open(Some(new())).await.unwrap();

        // Whoever makes a change, it is read anew, and its secrets come from memory.
        running.set_items_enabled(&name("h"), ItemKind::Tool, Some("t"), false).await.unwrap();
        other.set_server_enabled(&name("s"), false).await.unwrap();
        assert_eq!(record(&running, "h").await.server, http_server("h"));
        assert!(!record(&running, "s").await.enabled);
        assert!(running.update_offer(&http_server("h"), &offer(&["t", "u"]), &[]).await.unwrap());
        assert_eq!(record(&running, "h").await.server, http_server("h"));
        assert_eq!(record(&other, "h").await.server, http_server("h"), "nothing went back under the old key");

        for replace in [false, true] {
            let server = if replace { "h" } else { "another" };
            let error = running.put_server(&http_server(server), &offer(&[]), replace).await.unwrap_err().to_string();
            assert!(
                error.starts_with("the secrets of this database are encrypted under another key than the one from ")
                    && error.contains("restart the gateway with that key (after `mcpjungle server rekey`, the new one)")
                    && error.ends_with("nothing was changed"),
                "{error}"
            );
        }
        running.put_server(&stdio_server("without", &[]), &offer(&[]), false).await.unwrap();
        assert_eq!(names(&running).await.len(), 4);
        assert_eq!(log.count("is left out"), 0);

        // Its old secrets may be worth nothing now, or be for another host.
        other.put_server(&stdio_server("s", &[("A", "2")]), &offer(&["t"]), true).await.unwrap();
        assert!(!names(&running).await.contains(&name("s")));
        assert_eq!(log.count("is left out: it was registered anew by a gateway that has the new key"), 1);
        assert_eq!(record(&other, "s").await.server, stdio_server("s", &[("A", "2")]));
    }

    async fn secrets_that_the_old_key_does_not_open_are_named_and_nothing_is_changed(home: Home) {
        store_with_secrets(&home, Some(old())).await.close().await;
        home.damage("UPDATE server_secrets SET ciphertext = substr(ciphertext, 1, 1) WHERE name = 'env:A'").await;
        let error = rekey(&home, Some(old()), NewKey::Configured(new())).await.unwrap_err();
        assert_eq!(error.to_string(), "the old key does not open the secrets of MCP server s: nothing was changed");
        assert!(home.try_open(Some(new())).await.is_err());

        let keys = |configured| KeySource { configured: Some(configured), key_file: None };
        let wrong = Store::open_existing(home.database(), keys(key(&"0c".repeat(32)))).await.unwrap();
        let error = wrong.rekey(&NewKey::Configured(new()), Unreadable::Keep).await.unwrap_err();
        assert!(matches!(error, RekeyError::Key(KeyError::Wrong { .. })), "{error}");

        let store = Store::open_existing(home.database(), keys(old())).await.unwrap();
        let rekeyed = store.rekey(&NewKey::Configured(new()), Unreadable::Keep).await.unwrap();
        assert_eq!((rekeyed.secrets, rekeyed.unreadable), (2, vec!["MCP server s".to_owned()]));
        let store = home.try_open(Some(new())).await.unwrap();
        assert_eq!(names(&store).await, [name("h"), name("plain")]);
        store.put_server(&stdio_server("s", &[("A", "1")]), &offer(&["t"]), true).await.unwrap();
        assert_eq!(names(&store).await.len(), 3);
    }

    async fn a_database_without_secrets_goes_under_the_key_that_it_is_started_with(home: Home) {
        let first = home.try_open(Some(old())).await.unwrap();
        first.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
        assert!(first.delete_server(&name("h")).await.unwrap());
        let second = home.try_open(Some(new())).await.unwrap();
        let error = first.put_server(&http_server("h"), &offer(&[]), false).await.unwrap_err();
        assert!(matches!(error, StoreError::Key(KeyError::Replaced { .. })), "{error}");
        second.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
        assert_eq!(record(&second, "h").await.server, http_server("h"));
    }

    async fn what_no_gateway_has_used_is_not_made(home: Home) {
        let error = Store::open_existing(home.database(), KeySource::default()).await.err().unwrap();
        assert!(matches!(error, OpenError::Missing { .. }), "{error}");
        assert!(!home.path("mcpjungle.db").exists());
        fs::write(home.path("mcpjungle.db"), "").unwrap();
        let error = Store::open_existing(home.database(), KeySource::default()).await.err().unwrap();
        assert!(error.to_string().starts_with("no gateway has used the "), "{error}");
    }
}

#[tokio::test]
async fn a_new_key_file_takes_the_place_of_the_old_one() {
    let home = Home::sqlite();
    store_with_secrets(&home, None).await.close().await;
    let file = home.path("mcpjungle.key");
    let before = fs::read_to_string(&file).unwrap();
    let rekeyed = rekey(&home, None, NewKey::Generated).await.unwrap();
    assert_eq!((rekeyed.secrets, rekeyed.key_file), (3, Some(file.clone())));
    assert_ne!(fs::read_to_string(&file).unwrap(), before);
    assert!(!successor(&home).exists());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(record(&home.open().await, "h").await.server, http_server("h"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_new_key_file_belongs_to_whom_the_old_one_did() {
    use std::os::unix::fs::{MetadataExt, chown};
    let home = Home::sqlite();
    store_with_secrets(&home, None).await.close().await;
    let file = home.path("mcpjungle.key");
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(1), Some(1)).unwrap();
    }
    let owner = fs::metadata(&file).unwrap().uid();
    rekey(&home, None, NewKey::Generated).await.unwrap();
    assert_eq!(fs::metadata(&file).unwrap().uid(), owner);
}

#[tokio::test]
async fn without_a_secret_there_is_no_key_file_to_replace() {
    let home = Home::sqlite();
    home.open().await.close().await;
    let rekeyed = rekey(&home, None, NewKey::Generated).await.unwrap();
    assert_eq!((rekeyed.secrets, rekeyed.key_file), (0, None));
    assert!(!home.path("mcpjungle.key").exists() && !successor(&home).exists());
}

#[tokio::test]
async fn cut_short_before_the_database_is_changed_the_old_key_opens_it() {
    for left_behind in [&"0c".repeat(32), "half a k", ""] {
        let home = Home::sqlite();
        store_with_secrets(&home, None).await.close().await;
        fs::write(successor(&home), left_behind).unwrap();
        let store = home.open().await;
        assert_eq!(record(&store, "h").await.server, http_server("h"));
        store.close().await;
        assert_eq!(rekey(&home, None, NewKey::Generated).await.unwrap().secrets, 3);
        assert_eq!(record(&home.open().await, "h").await.server, http_server("h"));
        assert!(!successor(&home).exists());
    }
}

#[tokio::test]
async fn cut_short_after_the_database_is_changed_the_next_start_puts_the_new_key_in_place() {
    let home = Home::sqlite();
    store_with_secrets(&home, None).await.close().await;
    let file = home.path("mcpjungle.key");
    let before = fs::read_to_string(&file).unwrap();
    rekey(&home, None, NewKey::Generated).await.unwrap();
    let after = fs::read_to_string(&file).unwrap();

    // As it is between the commit and the renaming.
    let cut_short = || {
        fs::write(&file, &before).unwrap();
        fs::write(successor(&home), &after).unwrap();
    };
    cut_short();
    let store = home.open().await;
    assert_eq!(record(&store, "h").await.server, http_server("h"));
    assert_eq!(fs::read_to_string(&file).unwrap(), after);
    store.close().await;
    cut_short();
    assert_eq!(rekey(&home, None, NewKey::Generated).await.unwrap().secrets, 3, "or the next rekey does");
    assert_eq!(record(&home.open().await, "h").await.server, http_server("h"));
    assert!(!home.bytes().windows(BEARER.len()).any(|window| window == BEARER.as_bytes()));
}

fn successor(home: &Home) -> PathBuf {
    home.path("mcpjungle.key.new")
}
