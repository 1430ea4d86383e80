//! Keys and secrets.

use std::fs;

use mcpjungle_host::store::{KeyError, KeySource, OpenError, Store, StoreError};

use crate::home::{BEARER, ENV, HEADER, Home, http_server, key, offer, records, stdio_server};

#[tokio::test]
async fn secrets_are_nowhere_in_the_database_in_clear() {
    let home = Home::sqlite();
    let store = home.open().await;
    assert!(!home.path("mcpjungle.key").exists(), "no secret, no key");
    store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
    store.put_server(&stdio_server("s", &[("TOKEN", ENV)]), &offer(&[]), false).await.unwrap();
    for _ in 0..2 {
        let bytes = home.bytes();
        for secret in [BEARER, HEADER, ENV] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in clear");
        }
        // The names of variables and the rest are not secret, so this looks in the right place.
        assert!(bytes.windows(9).any(|window| window == b"env:TOKEN"));
        store.close().await;
    }
}

#[tokio::test]
async fn the_key_file_is_made_at_first_need_and_for_its_owner_only() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.put_server(&stdio_server("plain", &[]), &offer(&[]), false).await.unwrap();
    assert!(!home.path("mcpjungle.key").exists());
    store.put_server(&stdio_server("s", &[("A", "b")]), &offer(&[]), false).await.unwrap();
    let key = fs::read_to_string(home.path("mcpjungle.key")).unwrap();
    assert_eq!(key.trim().len(), 44, "32 bytes as base64");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in ["mcpjungle.key", "mcpjungle.db"] {
            assert_eq!(fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
    }
    let names = fs::read_dir(home.folder()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains(".new")), "no draft is left");
}

#[tokio::test]
async fn a_lost_key_file_is_not_replaced_by_a_new_one() {
    let home = Home::sqlite();
    let store = home.open().await;
    store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
    store.close().await;
    fs::remove_file(home.path("mcpjungle.key")).unwrap();
    let error = home.try_open(None).await.err().unwrap().to_string();
    assert!(error.contains("mcpjungle.key") && error.contains("put it back"), "{error}");
    assert!(!home.path("mcpjungle.key").exists());
}

on_both! {
    async fn a_wrong_key_stops_the_start_and_says_what_to_do(home: Home) {
        let right = Some(key(&"ab".repeat(32)));
        let store = home.try_open(right.clone()).await.unwrap();
        store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
        store.close().await;
        assert!(!home.path("mcpjungle.key").exists(), "a configured key is not written down");

        let error = home.try_open(Some(key(&"cd".repeat(32)))).await.err().unwrap().to_string();
        assert!(error.starts_with("the secret key from MCPJUNGLE_SECRET_KEY_FILE does not open the secrets"), "{error}");
        let error = home.try_open(Some(key("short"))).await.err().unwrap().to_string();
        assert!(error.starts_with("the secret key from MCPJUNGLE_SECRET_KEY_FILE is not 32 bytes"), "{error}");
        let error = Store::open(home.database(), KeySource::default()).await.err().unwrap();
        assert!(matches!(error, OpenError::Store(StoreError::Key(KeyError::NotProvided))), "{error}");
        home.try_open(right).await.unwrap();
    }

    async fn a_lost_key_of_the_audit_log_alone_stops_only_a_gateway_that_keeps_one(home: Home) {
        let right = Some(key(&"ab".repeat(32)));
        let store = home.try_open(right.clone()).await.unwrap();
        store.audit_key().await.unwrap();
        store.close().await;

        for lost in [KeySource::default(), KeySource { configured: Some(key(&"cd".repeat(32))), key_file: None }] {
            let store = Store::open(home.database(), lost).await.unwrap();
            let error = store.audit_key().await.err().unwrap();
            let is_told = matches!(error, StoreError::Key(KeyError::Wrong { .. } | KeyError::NotProvided));
            assert!(is_told, "{error}");
            store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap_err();
            store.close().await;
        }
        home.try_open(right).await.unwrap().audit_key().await.unwrap();
    }

    async fn a_database_without_a_key_stores_no_secret(home: Home) {
        let store = Store::open(home.database(), KeySource::default()).await.unwrap();
        store.put_server(&stdio_server("plain", &[]), &offer(&[]), false).await.unwrap();
        let error = store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap_err().to_string();
        assert!(error.contains("set MCPJUNGLE_SECRET_KEY (or MCPJUNGLE_SECRET_KEY_FILE"), "{error}");
        assert_eq!(records(&store).await.len(), 1);
    }
}
