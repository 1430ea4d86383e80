//! What only SQLite has: a file.

use std::fs;

use mcpjungle_host::store::{Database, KeySource, OpenError, Store};

use crate::home::Home;

#[tokio::test]
async fn what_is_no_database_or_cannot_be_written_is_said_by_name() {
    let home = Home::sqlite();
    fs::write(home.path("mcpjungle.db"), "this is a diary, and not a short one: ".repeat(200)).unwrap();
    let error = home.try_open(None).await.err().unwrap();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    assert!(fs::read_to_string(home.path("mcpjungle.db")).unwrap().starts_with("this is a diary"));

    for path in [home.path("missing/mcpjungle.db"), home.folder().to_owned()] {
        let error = Store::open(Database::Sqlite(path.clone()), KeySource::default()).await.err().unwrap();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_path_with_odd_characters_is_taken_as_it_is() {
    let home = Home::sqlite();
    let path = home.path("a?b#c %41ü.db");
    Store::open(Database::Sqlite(path.clone()), KeySource::default()).await.unwrap();
    assert!(path.exists());
}
