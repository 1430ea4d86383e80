//! One change: a transaction that bumps the revision, so that every gateway on this database notices.

use sqlx::{Any, AnyConnection, Row, Transaction};
use tokio::sync::MutexGuard;

use crate::clock::now_ms;
use crate::store::announce::ANNOUNCE;
use crate::store::error::bounded;
use crate::store::{Dialect, Store, StoreError};

/// A change under way. Dropped without [`Change::commit`] it has never happened.
pub(super) struct Change<'s> {
    transaction: Transaction<'static, Any>,
    /// The store's revision once this is committed.
    pub(super) revision: i64,
    /// The time that this change gives to what it touches, in milliseconds since 1970.
    pub(super) now_ms: i64,
    dialect: Dialect,
    _writer: Option<MutexGuard<'s, ()>>,
}

impl Store {
    /// Starts a change, after the one that is under way. The revision is bumped
    /// first: on PostgreSQL its row is the lock that changes queue for.
    pub(super) async fn begin_change(&self) -> Result<Change<'_>, StoreError> {
        let (writer, begin) = match self.dialect {
            // Taking the write lock at once cannot fail halfway, as upgrading a read lock can.
            Dialect::Sqlite => (Some(self.writer.lock().await), "BEGIN IMMEDIATE"),
            // Not in turn: while the database is away each would wait for the failure of all before it.
            Dialect::Postgres => (None, "BEGIN"),
        };
        let mut transaction = bounded(self.pool.begin_with(begin)).await?;
        let bump = sqlx::query("UPDATE revision SET revision = revision + 1 WHERE id = 1 RETURNING revision");
        let row = bounded(bump.fetch_one(&mut *transaction)).await?;
        Ok(Change { transaction, revision: row.try_get(0)?, now_ms: now_ms(), dialect: self.dialect, _writer: writer })
    }
}

impl Change<'_> {
    /// The connection that the change is made on.
    pub(super) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.transaction
    }

    /// Makes it so, and lets other gateways know.
    async fn commit(mut self) -> Result<(), StoreError> {
        if self.dialect == Dialect::Postgres {
            bounded(sqlx::query(ANNOUNCE).execute(self.connection())).await?;
        }
        bounded(self.transaction.commit()).await.map_err(StoreError::of_commit)
    }

    /// Nothing to change after all; the revision stays as it was.
    async fn abandon(self) -> Result<(), StoreError> {
        Ok(bounded(self.transaction.rollback()).await?)
    }

    /// Makes it so if there was something to change, which is then returned.
    pub(super) async fn end<T>(self, changed: Option<T>) -> Result<Option<T>, StoreError> {
        match changed {
            Some(_) => self.commit().await?,
            None => self.abandon().await?,
        }
        Ok(changed)
    }
}
