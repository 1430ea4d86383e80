//! What plugins keep from call to call. Each thing done is one statement, so gateways on the same database
//! never lose each other's work; nothing here touches the revision.

use std::sync::Arc;
use std::time::Duration;

use sqlx::any::AnyRow;
use sqlx::{AnyPool, Row as _};
use tokio::sync::{Mutex, MutexGuard};

use crate::clock::now_ms;
use crate::plugin::{MOST_BYTES, MOST_KEYS, NUMBER_SIZE, number_of};
use crate::store::error::bounded;
use crate::store::{Dialect, Store, StoreError};

/// Expired values that one statement removes.
const SWEPT_AT_ONCE: i64 = 1_000;

/// The values of all plugins. Cheap to clone.
#[derive(Clone)]
pub struct PluginValues {
    /// Connections of their own: policies that ask all the time keep no administrator waiting.
    pool: AnyPool,
    dialect: Dialect,
    /// SQLite's one writer; see [`Store`].
    writer: Arc<Mutex<()>>,
}

/// Why a value was not written.
#[derive(Debug)]
pub enum ValueRefused {
    /// There are as many keys or bytes as there may be.
    Quota,
    /// It is no number, or the sum would be too large for one.
    NoNumber,
}

impl Store {
    /// What plugins keep.
    pub fn plugin_values(&self) -> PluginValues {
        PluginValues { pool: self.values_pool.clone(), dialect: self.dialect, writer: Arc::clone(&self.writer) }
    }
}

impl PluginValues {
    /// The value of a key, if it is there and has not expired.
    pub async fn get(&self, plugin: &str, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let query = "SELECT value, number FROM plugin_values \
                     WHERE plugin = $1 AND key = $2 AND (expires_at IS NULL OR expires_at > $3)";
        let query = sqlx::query(query).bind(plugin).bind(key.as_bytes()).bind(now_ms());
        let row = bounded(query.fetch_optional(&self.pool)).await?;
        row.map(|row| read_value(&row)).transpose()
    }

    /// Sets a key, whatever it was; times in milliseconds since 1970.
    pub async fn set(
        &self,
        plugin: &str,
        key: &str,
        value: &[u8],
        expires_at: Option<i64>,
    ) -> Result<Result<(), ValueRefused>, StoreError> {
        if self.try_set(plugin, key, value, expires_at).await? {
            return Ok(Ok(()));
        }
        // Somebody else may remove it at the same time, so how much that was says nothing.
        self.remove_expired(plugin).await?;
        let is_set = self.try_set(plugin, key, value, expires_at).await?;
        Ok(if is_set { Ok(()) } else { Err(ValueRefused::Quota) })
    }

    /// Whether there was room for it, with what has expired and is not removed yet.
    async fn try_set(
        &self,
        plugin: &str,
        key: &str,
        value: &[u8],
        expires_at: Option<i64>,
    ) -> Result<bool, StoreError> {
        let number = number_of(value);
        let value = if number.is_none() { Some(value) } else { None };
        let size = size(key.len() + value.map_or(NUMBER_SIZE, <[u8]>::len));
        // What takes no more room than what it replaces needs no count.
        let query = "INSERT INTO plugin_values (plugin, key, value, number, expires_at, size) \
                     SELECT $1, $2, $3, $4, $5, $6 \
                     WHERE EXISTS (SELECT 1 FROM plugin_values WHERE plugin = $1 AND key = $2 AND size >= $6) \
                     OR (SELECT COUNT(*) < $7 AND COALESCE(SUM(size), 0) + $6 <= $8 FROM plugin_values \
                         WHERE plugin = $1 AND key <> $2) \
                     ON CONFLICT (plugin, key) DO UPDATE SET value = excluded.value, number = excluded.number, \
                     expires_at = excluded.expires_at, size = excluded.size";
        let query = sqlx::query(query)
            .bind(plugin)
            .bind(key.as_bytes())
            .bind(value)
            .bind(number)
            .bind(expires_at)
            .bind(size)
            .bind(MOST_KEYS as i64)
            .bind(MOST_BYTES as i64);
        let _turn = self.turn().await;
        Ok(bounded(query.execute(&self.pool)).await?.rows_affected() > 0)
    }

    /// Removes a key, if it is there.
    pub async fn delete(&self, plugin: &str, key: &str) -> Result<(), StoreError> {
        let delete = sqlx::query("DELETE FROM plugin_values WHERE plugin = $1 AND key = $2");
        let _turn = self.turn().await;
        bounded(delete.bind(plugin).bind(key.as_bytes()).execute(&self.pool)).await?;
        Ok(())
    }

    /// Adds to a number and returns the sum. A key that is not there, or has expired, counts as 0
    /// and then expires at `expires_at`; one that is there keeps its time.
    pub async fn increment(
        &self,
        plugin: &str,
        key: &str,
        by: i64,
        expires_at: Option<i64>,
    ) -> Result<Result<i64, ValueRefused>, StoreError> {
        if let Some(sum) = self.try_increment(plugin, key, by, expires_at).await? {
            return Ok(Ok(sum));
        }
        if self.get(plugin, key).await?.is_some() {
            return Ok(Err(ValueRefused::NoNumber));
        }
        self.remove_expired(plugin).await?;
        Ok(self.try_increment(plugin, key, by, expires_at).await?.ok_or(ValueRefused::Quota))
    }

    /// The sum, if there was room for it, with what has expired and is not removed yet, and a number to add to.
    async fn try_increment(
        &self,
        plugin: &str,
        key: &str,
        by: i64,
        expires_at: Option<i64>,
    ) -> Result<Option<i64>, StoreError> {
        // Numbers that can be added to: the databases differ in what they make of others.
        let (least, most) = (i64::MIN.saturating_sub(by.min(0)), i64::MAX.saturating_sub(by.max(0)));
        let query = "INSERT INTO plugin_values (plugin, key, value, number, expires_at, size) \
                     SELECT $1, $2, NULL, $3, $4, $5 \
                     WHERE EXISTS (SELECT 1 FROM plugin_values WHERE plugin = $1 AND key = $2 AND size >= $5) \
                     OR (SELECT COUNT(*) < $7 AND COALESCE(SUM(size), 0) + $5 <= $8 FROM plugin_values \
                         WHERE plugin = $1 AND key <> $2) \
                     ON CONFLICT (plugin, key) DO UPDATE SET value = NULL, size = excluded.size, \
                     number = CASE WHEN plugin_values.expires_at <= $6 THEN excluded.number \
                                   ELSE plugin_values.number + excluded.number END, \
                     expires_at = CASE WHEN plugin_values.expires_at <= $6 THEN excluded.expires_at \
                                       ELSE plugin_values.expires_at END \
                     WHERE plugin_values.expires_at <= $6 OR plugin_values.number BETWEEN $9 AND $10 \
                     RETURNING number";
        let query = sqlx::query(query)
            .bind(plugin)
            .bind(key.as_bytes())
            .bind(by)
            .bind(expires_at)
            .bind(size(key.len() + NUMBER_SIZE))
            .bind(now_ms())
            .bind(MOST_KEYS as i64)
            .bind(MOST_BYTES as i64)
            .bind(least)
            .bind(most);
        let _turn = self.turn().await;
        // To its last row, without which SQLite does not commit.
        let rows = bounded(query.fetch_all(&self.pool)).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
    }

    /// Makes room: until it is removed, what has expired counts, so that a plugin never fills the disk with it.
    async fn remove_expired(&self, plugin: &str) -> Result<(), StoreError> {
        let delete = "DELETE FROM plugin_values WHERE plugin = $1 AND expires_at <= $2";
        let delete = sqlx::query(delete).bind(plugin).bind(now_ms());
        let _turn = self.turn().await;
        bounded(delete.execute(&self.pool)).await?;
        Ok(())
    }

    /// Removes what has expired, a little at a time; how many values that were.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let query = "DELETE FROM plugin_values WHERE (plugin, key) IN \
                     (SELECT plugin, key FROM plugin_values WHERE expires_at <= $1 LIMIT $2) AND expires_at <= $1";
        let now_ms = now_ms();
        let mut swept = 0;
        loop {
            let removed = {
                let _turn = self.turn().await;
                bounded(sqlx::query(query).bind(now_ms).bind(SWEPT_AT_ONCE).execute(&self.pool)).await?.rows_affected()
            };
            swept += removed;
            if removed < SWEPT_AT_ONCE.unsigned_abs() {
                return Ok(swept);
            }
        }
    }

    async fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        match self.dialect {
            Dialect::Sqlite => Some(self.writer.lock().await),
            Dialect::Postgres => None,
        }
    }
}

/// What a plugin's time to live comes to, for [`PluginValues`].
pub fn expires_at(expires_in: Option<Duration>) -> Option<i64> {
    crate::plugin::expiry(now_ms(), expires_in)
}

fn size(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

fn read_value(row: &AnyRow) -> Result<Vec<u8>, StoreError> {
    match row.try_get::<Option<i64>, _>("number")? {
        Some(number) => Ok(number.to_string().into_bytes()),
        None => Ok(row.try_get::<Option<Vec<u8>>, _>("value")?.unwrap_or_default()),
    }
}
