//! Servers whose rows are damaged.

use mcpjungle_host::store::{KeyError, KeySource, OpenError, Store, StoreError};

use crate::home::{Home, name, offer, records, stdio_server};
use crate::log::Log;

on_both! {
    async fn a_server_that_cannot_be_read_is_left_out_and_the_others_are_served(home: Home) {
        let store = home.open().await;
        for server in ["config", "item", "secret", "sound"] {
            store.put_server(&stdio_server(server, &[("K", server)]), &offer(&["t"]), false).await.unwrap();
        }
        for damage in [
            "UPDATE servers SET config = '{' WHERE name = 'config'",
            "UPDATE items SET kind = 'gadget' WHERE server_id = (SELECT id FROM servers WHERE name = 'item')",
            "UPDATE server_secrets SET ciphertext = substr(ciphertext, 1, 1) WHERE server_id = (SELECT id FROM servers WHERE name = 'secret')",
            "INSERT INTO servers (name, revision, description, transport, config, session_mode, enabled, initialize, \
             created_at, updated_at) SELECT 'a__b', revision, description, transport, config, session_mode, enabled, \
             initialize, created_at, updated_at FROM servers WHERE name = 'sound'",
        ] {
            home.damage(damage).await;
        }
        let served = async |store: &Store| -> Vec<String> {
            records(store).await.into_iter().map(|record| record.server.name.to_string()).collect()
        };
        assert_eq!(served(&store).await, ["sound"]);
        let store = home.open().await;
        assert_eq!(served(&store).await, ["sound"], "one secret that opens shows that the key is right");

        store.put_server(&stdio_server("secret", &[("K", "new")]), &offer(&["t"]), true).await.unwrap();
        assert!(store.delete_server(&name("config")).await.unwrap());
        assert_eq!(served(&store).await, ["secret", "sound"], "what is left out can be replaced and removed");

        home.damage("UPDATE server_secrets SET ciphertext = substr(ciphertext, 1, 1)").await;
        let error = home.try_open(home.key()).await.err().unwrap();
        assert!(matches!(error, OpenError::Store(StoreError::Key(KeyError::Wrong { .. }))), "{error}");
    }

    async fn a_gateway_without_the_key_asks_for_the_key_only(home: Home) {
        let log = Log::default();
        let _logging = log.start();
        let keyless = Store::open(home.database(), KeySource::default()).await.unwrap();
        home.open().await.put_server(&stdio_server("s", &[("K", "v")]), &offer(&["t"]), false).await.unwrap();
        assert!(records(&keyless).await.is_empty());
        assert_eq!(log.count("is left out: it is served after a start with the key"), 1);
        assert_eq!(log.count("--force"), 0, "that would take the server from the gateways that have the key");
    }

    async fn a_server_that_is_left_out_is_told_of_once_until_it_changes(home: Home) {
        let log = Log::default();
        let _logging = log.start();
        let store = home.open().await;
        for server in ["damaged", "sound"] {
            store.put_server(&stdio_server(server, &[]), &offer(&["t"]), false).await.unwrap();
        }
        for times in 1..=2 {
            home.damage("UPDATE servers SET config = '{' WHERE name = 'damaged'").await;
            for enabled in [false, true] {
                assert_eq!(records(&store).await.len(), 1);
                store.set_server_enabled(&name("sound"), enabled).await.unwrap();
                assert_eq!(records(&store).await.len(), 1);
            }
            assert_eq!(log.count("is left out"), times);
            store.put_server(&stdio_server("damaged", &[]), &offer(&["t"]), true).await.unwrap();
            assert_eq!(records(&store).await.len(), 2);
        }
    }
}
