//! What only PostgreSQL has: a server that is shared, refuses, stops and comes back.

use std::sync::Arc;
use std::time::Duration;

use mcpjungle_host::store::{
    Database, KeySource, Known, OpenError, PostgresDatabase, PostgresError, PostgresSettings, Store, StoreError,
};
use sqlx::{Connection, PgConnection};

use crate::home::{Home, offer, records, stdio_server};
use crate::postgres::{Cluster, USER};

/// How long something may take that takes a moment.
const PATIENCE: Duration = Duration::from_secs(60);

async fn announced(store: &Store) {
    tokio::time::timeout(PATIENCE, store.announced()).await.expect("the store is told");
}

async fn refusal(url: &str) -> PostgresError {
    let database = PostgresDatabase::parse(url, PostgresSettings::Url).unwrap();
    match Store::open(Database::Postgres(database), KeySource::default()).await.err().unwrap() {
        OpenError::Postgres(error) => error,
        error => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_change_is_announced_to_every_gateway_also_after_a_lost_connection() {
    let home = Home::postgres();
    let (one, other) = (home.open().await, home.open().await);
    // That it listens now; what came before is read anyway.
    announced(&other).await;
    one.put_server(&stdio_server("s", &[]), &offer(&["t"]), false).await.unwrap();
    announced(&other).await;

    let mut connection = PgConnection::connect(home.url()).await.unwrap();
    let lost = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' \
                AND datname = current_database()";
    assert_eq!(sqlx::query(lost).execute(&mut connection).await.unwrap().rows_affected(), 2);
    announced(&other).await;
    let before = other.revision().await.unwrap();
    one.put_server(&stdio_server("t", &[]), &offer(&["t"]), false).await.unwrap();
    announced(&other).await;
    assert_eq!(other.revision().await.unwrap(), before + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_start_at_once_on_an_empty_database_make_its_tables_once() {
    let home = Arc::new(Home::postgres());
    let open = |home: &Arc<Home>| {
        let home = Arc::clone(home);
        tokio::spawn(async move { home.open().await })
    };
    for opening in [open(&home), open(&home), open(&home)] {
        assert!(records(&opening.await.unwrap()).await.is_empty());
    }
}

#[tokio::test]
async fn a_server_that_refuses_is_named_with_what_to_check() {
    let cluster = Cluster::shared();
    let url = cluster.url("no_such_db");
    let error = refusal(&url).await;
    assert!(matches!(error, PostgresError::NoDatabase { .. }), "{error}");
    let address = cluster.socket();
    let message = "has no database `no_such_db`: create it (`createdb no_such_db`), or check DATABASE_URL";
    assert_eq!(error.to_string(), format!("PostgreSQL at {address} {message}"));

    let (_, rest) = url.split_once('@').unwrap();
    let error = refusal(&format!("postgres://{USER}:wrong-hidden@{rest}")).await;
    let message = "does not accept user `postgres` with this password: check DATABASE_URL";
    assert_eq!(error.to_string(), format!("PostgreSQL at {address} {message}"));

    // Nobody listens on a port that was free a moment ago, and is held without listening.
    let held = socket_without_listener();
    let port = held.local_addr().unwrap().port();
    let error = refusal(&format!("postgres://u:hidden@127.0.0.1:{port}/d")).await.to_string();
    let start = format!("cannot reach PostgreSQL at 127.0.0.1:{port} (");
    assert!(error.starts_with(&start) && error.ends_with("): start it, or check DATABASE_URL"), "{error}");
}

/// A bound TCP socket on which nobody can connect.
fn socket_without_listener() -> tokio::net::TcpSocket {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    socket
}

#[tokio::test]
async fn a_user_who_may_not_make_tables_is_told_so() {
    let home = Home::postgres();
    let mut connection = PgConnection::connect(home.url()).await.unwrap();
    let statements = "CREATE ROLE reader LOGIN PASSWORD 'r'; REVOKE CREATE ON SCHEMA public FROM PUBLIC";
    sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    let (_, rest) = home.url().split_once('@').unwrap();
    let error = refusal(&format!("postgres://reader:r@{rest}")).await;
    assert!(matches!(error, PostgresError::NotAllowed { .. }), "{error}");
    assert!(error.to_string().starts_with("PostgreSQL user `reader` may not create tables in database"), "{error}");
}

#[tokio::test]
async fn a_stopped_server_is_a_clear_error_and_is_used_again_when_it_is_back() {
    let cluster = Cluster::start();
    let home = Home::postgres_in(&cluster);
    let store = home.open().await;
    store.put_server(&stdio_server("before", &[]), &offer(&["t"]), false).await.unwrap();
    cluster.stop();
    for _ in 0..2 {
        let error = store.put_server(&stdio_server("during", &[]), &offer(&["t"]), false).await.unwrap_err();
        assert!(matches!(error, StoreError::Unreachable(_)), "{error:?}");
    }
    assert!(matches!(store.revision().await.unwrap_err(), StoreError::Unreachable(_)));
    cluster.resume();
    store.put_server(&stdio_server("after", &[]), &offer(&["t"]), false).await.unwrap();
    let names: Vec<_> = records(&store).await.into_iter().map(|record| record.server.name.to_string()).collect();
    assert_eq!(names, ["after", "before"]);
}

#[tokio::test]
async fn a_server_that_hangs_holds_up_nobody_for_long_and_is_used_again() {
    let cluster = Cluster::start();
    let home = Home::postgres_in(&cluster);
    let store = home.open().await;
    store.put_server(&stdio_server("before", &[]), &offer(&["t"]), false).await.unwrap();
    cluster.freeze();
    let (server, offer) = (stdio_server("during", &[]), offer(&["t"]));
    let change = tokio::time::timeout(PATIENCE, store.put_server(&server, &offer, false));
    let (change, revision) = tokio::join!(change, tokio::time::timeout(PATIENCE, store.revision()));
    assert!(matches!(change, Ok(Err(StoreError::Unreachable(_)))), "{change:?}");
    assert!(matches!(revision, Ok(Err(StoreError::Unreachable(_)))), "{revision:?}");
    cluster.thaw();
    store.put_server(&stdio_server("after", &[]), &offer, false).await.unwrap();
    assert_eq!(records(&store).await.len(), 2);
}

#[tokio::test]
async fn a_server_that_stops_to_answer_halfway_holds_up_nobody_for_long() {
    let home = Home::postgres();
    let store = home.open().await;
    let server = stdio_server("s", &[]);
    store.put_server(&server, &offer(&["t"]), false).await.unwrap();
    // The first statements are answered, these are not: a read of groups or of entries, a write of items.
    let hang =
        "CREATE FUNCTION hang() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3600); RETURN NEW; END';
                CREATE TRIGGER hang BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION hang();
                ALTER TABLE tool_groups RENAME TO groups_behind;
                CREATE VIEW tool_groups AS SELECT groups_behind.* FROM groups_behind, pg_sleep(3600);
                ALTER TABLE config_dir_entries RENAME TO entries_behind;
                CREATE VIEW config_dir_entries AS SELECT entries_behind.* FROM entries_behind, pg_sleep(3600);";
    let mut connection = PgConnection::connect(home.url()).await.unwrap();
    sqlx::raw_sql(hang).execute(&mut connection).await.unwrap();
    let (known, more) = (Known::default(), offer(&["t", "u"]));
    let (read, written, entries) = tokio::join!(
        tokio::time::timeout(PATIENCE, store.load(&known)),
        tokio::time::timeout(PATIENCE, store.update_offer(&server, &more, &[])),
        tokio::time::timeout(PATIENCE, store.entries_of_folder("/conf")),
    );
    assert!(matches!(read, Ok(Err(StoreError::Unreachable(_)))), "{read:?}");
    assert!(matches!(written, Ok(Err(StoreError::Unreachable(_)))), "{written:?}");
    assert!(matches!(entries, Ok(Err(StoreError::Unreachable(_)))), "{entries:?}");
}
