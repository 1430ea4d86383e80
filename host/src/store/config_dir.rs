//! Which servers and groups a watched folder brought here. No part of what is served, so the revision stays.

use std::collections::BTreeSet;

use sqlx::{AnyConnection, Row as _};

use crate::store::error::bounded;
use crate::store::{Store, StoreError};

/// A server or group by its kind, `server` or `group`, and its name.
pub type Entry = (String, String);

impl Store {
    /// What came from this folder.
    pub async fn entries_of_folder(&self, folder: &str) -> Result<BTreeSet<Entry>, StoreError> {
        let query = sqlx::query("SELECT kind, name FROM config_dir_entries WHERE folder = $1").bind(folder);
        let rows = bounded(query.fetch_all(&self.pool)).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
    }

    /// Remembers that a server or group comes from this folder, wherever it came from before.
    pub async fn add_entry_of_folder(&self, folder: &str, (kind, name): &Entry) -> Result<(), StoreError> {
        let _turn = self.writer.lock().await;
        let statement = "INSERT INTO config_dir_entries (kind, name, folder) VALUES ($1, $2, $3) \
                         ON CONFLICT (kind, name) DO UPDATE SET folder = excluded.folder";
        let statement = sqlx::query(statement).bind(kind.as_str()).bind(name.as_str()).bind(folder);
        bounded(statement.execute(&self.pool)).await?;
        Ok(())
    }

    /// Forgets where it came from.
    pub async fn remove_entry_of_folder(&self, folder: &str, (kind, name): &Entry) -> Result<(), StoreError> {
        let _turn = self.writer.lock().await;
        let statement = "DELETE FROM config_dir_entries WHERE kind = $1 AND name = $2 AND folder = $3";
        let statement = sqlx::query(statement).bind(kind.as_str()).bind(name.as_str()).bind(folder);
        bounded(statement.execute(&self.pool)).await?;
        Ok(())
    }
}

/// What is deregistered belongs to no folder: what is registered under its name later did not come from one.
pub(super) async fn forget_folder(connection: &mut AnyConnection, kind: &str, name: &str) -> Result<(), StoreError> {
    let statement = sqlx::query("DELETE FROM config_dir_entries WHERE kind = $1 AND name = $2");
    statement.bind(kind).bind(name).execute(connection).await?;
    Ok(())
}
