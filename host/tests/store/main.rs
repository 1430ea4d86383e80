//! The store on real databases: what it keeps, what it refuses, and what it never writes down.
//!
//! What holds for both databases is one test, run on an SQLite file and, with the feature
//! `e2e`, on a PostgreSQL server.

/// Tests of what holds for both databases.
macro_rules! on_both {
    ($(async fn $name:ident($home:ident: Home) $body:block)+) => { $(
        async fn $name($home: Home) $body

        mod $name {
            use crate::home::Home;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_sqlite() {
                super::$name(Home::sqlite()).await;
            }

            #[cfg(feature = "e2e")]
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_postgres() {
                super::$name(Home::postgres()).await;
            }
        }
    )+ };
}

mod audit;
mod changes;
mod files;
mod home;
mod identities;
mod installations;
mod key_value;
mod keys;
mod log;
mod lost_admin;
mod plugin_secrets;
mod rekey;
#[cfg(feature = "e2e")]
mod schema;
#[cfg(feature = "e2e")]
mod server;
mod servers;
mod unreadable;

#[cfg(feature = "e2e")]
#[path = "../../../tests/fixtures/postgres.rs"]
#[expect(dead_code, reason = "each test target uses its part")]
mod postgres;
