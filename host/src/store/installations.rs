//! Storing which plugins are installed: each change is a row, so that it can be undone, and
//! components are kept once by their digest for as long as a row speaks of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AnyConnection, Row};

use crate::clock::now_ms;
use crate::installation::Installation;
use crate::store::error::bounded;
use crate::store::{Dialect, Store, StoreError};

/// Changes that are kept.
const MOST_KEPT: i64 = 100;
/// How long a component waits for a change that installs it, in milliseconds.
const UPLOAD_LIFE_MS: i64 = 3_600_000;
/// Bytes of a component that are written at a time: SQLite lets nobody else write meanwhile.
const PART: usize = 1 << 20;

/// What is installed, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredInstallation {
    /// Grows with each change; 0 before the first.
    pub id: i64,
    /// Where undoing the last change goes; `None` if there is none to undo.
    pub undone_to: Option<i64>,
    /// The plugins.
    pub installation: Installation,
}

/// One change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstallationChange {
    /// See [`StoredInstallation::id`].
    pub id: i64,
    /// What was done.
    pub summary: String,
    /// By whom; empty where nobody has a name.
    pub author: String,
    /// When, in milliseconds since 1970.
    pub created_at_ms: i64,
}

/// What to store next.
#[derive(Debug, Clone, Copy)]
pub struct NextInstallation<'a> {
    /// What it was made from: what is stored must still be that.
    pub base: i64,
    /// See [`StoredInstallation::undone_to`].
    pub undone_to: Option<i64>,
    /// The plugins.
    pub installation: &'a Installation,
    /// What is done.
    pub summary: &'a str,
    /// By whom.
    pub author: &'a str,
}

impl Store {
    /// What is installed.
    pub async fn installation(&self) -> Result<StoredInstallation, StoreError> {
        let query = "SELECT id, undone_to, plugins FROM installations ORDER BY id DESC LIMIT 1";
        let row = bounded(sqlx::query(query).fetch_optional(&self.pool)).await?;
        row.map_or_else(|| Ok(nothing_changed()), |row| read_installation(&row))
    }

    /// What was installed after the change of this id; 0 is before any. `None` if it is not kept any more.
    pub async fn installation_of(&self, id: i64) -> Result<Option<StoredInstallation>, StoreError> {
        if id == 0 {
            return Ok(Some(nothing_changed()));
        }
        let query = sqlx::query("SELECT id, undone_to, plugins FROM installations WHERE id = $1").bind(id);
        let row = bounded(query.fetch_optional(&self.pool)).await?;
        row.map(|row| read_installation(&row)).transpose()
    }

    /// Installs what comes next, and returns its id; `None`, and nothing is stored, if another change came first.
    pub async fn install(&self, next: NextInstallation<'_>) -> Result<Option<i64>, StoreError> {
        let plugins = serde_json::to_string(next.installation).expect("plugins are text and numbers, which serialise");
        let mut change = self.begin_change().await?;
        let installed = bounded(async {
            let now_ms = change.now_ms;
            if read_installation_id(change.connection()).await? != next.base {
                return Ok::<_, StoreError>(None);
            }
            let id = next.base + 1;
            sqlx::query(
                "INSERT INTO installations (id, undone_to, plugins, summary, author, created_at) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(id)
            .bind(next.undone_to.unwrap_or(-1))
            .bind(plugins)
            .bind(next.summary)
            .bind(next.author)
            .bind(now_ms)
            .execute(change.connection())
            .await?;
            note_mentions(change.connection(), id, next.installation).await?;
            tidy_up(change.connection(), id, now_ms).await?;
            Ok(Some(id))
        });
        let installed = installed.await?;
        change.end(installed).await
    }

    /// The changes that were made, the last one first.
    pub async fn installation_changes(&self, most: i64) -> Result<Vec<InstallationChange>, StoreError> {
        let query = "SELECT id, summary, author, created_at FROM installations ORDER BY id DESC LIMIT $1";
        let rows = bounded(sqlx::query(query).bind(most).fetch_all(&self.pool)).await?;
        let read = |row: &AnyRow| {
            Ok(InstallationChange {
                id: row.try_get(0)?,
                summary: row.try_get(1)?,
                author: row.try_get(2)?,
                created_at_ms: row.try_get(3)?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Keeps a component; one that is not installed within the hour goes, and so does one that was cut short.
    pub async fn put_component(&self, digest: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let upsert = sqlx::query(
            "INSERT INTO plugin_components (digest, size, added_at) VALUES ($1, $2, $3) \
             ON CONFLICT (digest) DO UPDATE SET added_at = excluded.added_at",
        );
        let size = i64::try_from(bytes.len()).expect("what is in memory is no longer than that");
        self.write_component(upsert.bind(digest).bind(size).bind(now_ms())).await?;
        if self.component(digest).await?.is_some() {
            return Ok(());
        }
        for (number, part) in (0_i64..).zip(bytes.chunks(PART)) {
            let upsert = sqlx::query(
                "INSERT INTO plugin_component_parts (digest, number, bytes) VALUES ($1, $2, $3) \
                 ON CONFLICT (digest, number) DO UPDATE SET bytes = excluded.bytes",
            );
            self.write_component(upsert.bind(digest).bind(number).bind(part)).await?;
        }
        Ok(())
    }

    /// Runs a statement that is no change of what is served: nobody need look at it.
    async fn write_component(&self, statement: Query<'_, Any, AnyArguments>) -> Result<(), StoreError> {
        let _writer = match self.dialect {
            Dialect::Sqlite => Some(self.writer.lock().await),
            Dialect::Postgres => None,
        };
        bounded(statement.execute(&self.pool)).await?;
        Ok(())
    }

    /// The bytes of a component, if all of them are there.
    pub async fn component(&self, digest: &str) -> Result<Option<Arc<[u8]>>, StoreError> {
        let query = sqlx::query(
            "SELECT size, bytes FROM plugin_components JOIN plugin_component_parts USING (digest) \
             WHERE digest = $1 ORDER BY number",
        );
        let rows = bounded(query.bind(digest).fetch_all(&self.pool)).await?;
        let Some(first) = rows.first() else { return Ok(None) };
        let size: i64 = first.try_get(0)?;
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        for row in &rows {
            bytes.extend_from_slice(row.try_get(1)?);
        }
        let is_whole = i64::try_from(bytes.len()).is_ok_and(|found| found == size);
        Ok(is_whole.then(|| bytes.into()))
    }
}

/// The id of the last change; 0 before the first.
pub(super) async fn read_installation_id(connection: &mut AnyConnection) -> Result<i64, StoreError> {
    let row = sqlx::query("SELECT id FROM installations ORDER BY id DESC LIMIT 1").fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or(0))
}

/// Notes what a change speaks of, by kind and name.
async fn note_mentions(connection: &mut AnyConnection, id: i64, installation: &Installation) -> Result<(), StoreError> {
    let components = installation.digests().map(|digest| ("component", Arc::clone(digest)));
    // What is kept under a name alone may be that of a policies file, too, which no change speaks of.
    let added = installation.plugins.iter().filter(|plugin| plugin.added > 0);
    let values = added.map(|plugin| ("values", plugin.keeps_as()));
    for (kind, name) in components.chain(values).collect::<BTreeSet<_>>() {
        let upsert = "INSERT INTO installation_mentions (kind, name, installation_id) VALUES ($1, $2, $3) \
                      ON CONFLICT (kind, name) DO UPDATE SET installation_id = excluded.installation_id";
        sqlx::query(upsert).bind(kind).bind(&*name).bind(id).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes changes that are too old, and what only they spoke of: components, and what plugins kept.
/// No change is read for that: they are many, and each has all settings of all plugins in it.
async fn tidy_up(connection: &mut AnyConnection, id: i64, now_ms: i64) -> Result<(), StoreError> {
    let last_gone = id - MOST_KEPT;
    for statement in [
        "DELETE FROM installations WHERE id <= $1",
        "DELETE FROM plugin_values WHERE plugin IN \
         (SELECT name FROM installation_mentions WHERE kind = 'values' AND installation_id <= $1)",
        "DELETE FROM installation_mentions WHERE installation_id <= $1",
    ] {
        sqlx::query(statement).bind(last_gone).execute(&mut *connection).await?;
    }
    // In one statement: a component that is uploaded again meanwhile is not old any more.
    let delete = "DELETE FROM plugin_components WHERE added_at < $1 AND NOT EXISTS \
                  (SELECT 1 FROM installation_mentions WHERE kind = 'component' AND name = digest)";
    sqlx::query(delete).bind(now_ms - UPLOAD_LIFE_MS).execute(connection).await?;
    Ok(())
}

fn nothing_changed() -> StoredInstallation {
    StoredInstallation { id: 0, undone_to: None, installation: Installation::stock() }
}

fn read_installation(row: &AnyRow) -> Result<StoredInstallation, StoreError> {
    Ok(StoredInstallation {
        id: row.try_get(0)?,
        undone_to: Some(row.try_get(1)?).filter(|id| *id >= 0),
        installation: parse(row.try_get(2)?)?,
    })
}

fn parse(plugins: &str) -> Result<Installation, StoreError> {
    serde_json::from_str(plugins).map_err(|error| StoreError::Unreadable(format!("the installed plugins: {error}")))
}
