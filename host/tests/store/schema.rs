//! The two databases hold the same tables.

use sqlx::{Connection, PgConnection, Row, SqliteConnection};

use crate::home::Home;

#[tokio::test]
async fn both_databases_have_the_same_migrations_tables_and_columns() {
    let (sqlite, postgres) = (Home::sqlite(), Home::postgres());
    sqlite.open().await.close().await;
    postgres.open().await.close().await;

    let mut connection = SqliteConnection::connect(sqlite.url()).await.unwrap();
    let columns = "SELECT t.name || '.' || c.name FROM sqlite_master AS t JOIN pragma_table_info(t.name) AS c \
                   WHERE t.type = 'table' AND t.name NOT IN ('sqlite_sequence', '_sqlx_migrations')";
    let migrations = "SELECT version || ' ' || description FROM _sqlx_migrations";
    let mut in_sqlite = Vec::new();
    for query in [columns, migrations] {
        let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
        in_sqlite.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }

    let mut connection = PgConnection::connect(postgres.url()).await.unwrap();
    let columns = "SELECT table_name || '.' || column_name FROM information_schema.columns \
                   WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'";
    let mut in_postgres = Vec::new();
    for query in [columns, migrations] {
        let rows = sqlx::query(query).fetch_all(&mut connection).await.unwrap();
        in_postgres.extend(rows.iter().map(|row| row.get::<String, _>(0)));
    }

    in_sqlite.sort();
    in_postgres.sort();
    assert!(in_sqlite.contains(&"servers.name".to_owned()), "{in_sqlite:?}");
    assert_eq!(in_sqlite, in_postgres);
}
