//! Which key the database is under: noted with the first secret, so that no gateway stores
//! one that the others could not open.

use std::path::Path;

use sqlx::{AnyConnection, Row as _};

use crate::store::error::bounded;
use crate::store::key_file::{self, Succession};
use crate::store::sealed::{Owner, read_sealed};
use crate::store::secrets::Opened;
use crate::store::{KeyError, Store, StoreError};

/// The fingerprint of the key that the database is under; `None` before the first secret.
pub(super) async fn read_fingerprint(connection: &mut AnyConnection) -> Result<Option<String>, StoreError> {
    let row = sqlx::query("SELECT fingerprint FROM secret_key WHERE id = 1").fetch_optional(connection).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Notes that the database is under another key.
pub(super) async fn write_fingerprint(
    connection: &mut AnyConnection,
    fingerprint: Option<&str>,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM secret_key").execute(&mut *connection).await?;
    if let Some(fingerprint) = fingerprint {
        let insert = sqlx::query("INSERT INTO secret_key (id, fingerprint) VALUES (1, $1)").bind(fingerprint);
        insert.execute(connection).await?;
    }
    Ok(())
}

impl Store {
    /// For the transaction of every change that stores an encrypted value: makes sure that the
    /// database is under the key that the value was encrypted with, and stays so.
    pub(super) async fn claim_key(&self, connection: &mut AnyConnection) -> Result<(), StoreError> {
        let own = self.secrets.open_for_storing()?;
        match read_fingerprint(connection).await? {
            None => write_fingerprint(connection, Some(&own.fingerprint)).await,
            Some(noted) if noted == own.fingerprint => Ok(()),
            Some(_) => Err(KeyError::Replaced { origin: own.origin }.into()),
        }
    }

    /// One value that opens proves the key; others may be damaged. None that opens is a wrong key.
    /// The key of the audit log alone is no reason to stop: whoever keeps a log finds out, nobody else needs it.
    pub(super) async fn try_key(&self) -> Result<(), StoreError> {
        let mut connection = bounded(self.pool.acquire()).await?;
        let noted = bounded(read_fingerprint(&mut connection)).await?;
        let values = bounded(read_sealed(&mut connection)).await?;
        drop(connection);
        if values.is_empty() {
            return self.adopt_key(noted).await;
        }
        let is_needed = values.iter().any(|value| value.owner != Owner::AuditLog);
        let own = match self.secrets.open_for_reading() {
            Err(KeyError::Lost { .. } | KeyError::NotProvided) if !is_needed => return Ok(()),
            own => own?,
        };
        if !values.iter().any(|value| own.unseal(&value.place, &value.ciphertext).is_ok()) {
            return if is_needed { Err(KeyError::Wrong { origin: own.origin }.into()) } else { Ok(()) };
        }
        // Stored before keys were noted.
        if noted.is_none() { self.note_key(Some(&own), false).await } else { Ok(()) }
    }

    /// Without a secret there is nothing to lose: the database goes under whatever key it is started with.
    async fn adopt_key(&self, noted: Option<String>) -> Result<(), StoreError> {
        let Some(noted) = noted else { return Ok(()) };
        match self.secrets.find_key()? {
            Some(own) if own.fingerprint == noted => Ok(()),
            Some(own) => self.note_key(Some(&own), true).await,
            // The key file is made anew at the next need.
            None if self.secrets.key_file().is_some() => self.note_key(None, true).await,
            // This gateway stores no secrets, but others may.
            None => Ok(()),
        }
    }

    /// In turn with other changes. With `if_empty`, only if there is no encrypted value still.
    async fn note_key(&self, key: Option<&Opened>, if_empty: bool) -> Result<(), StoreError> {
        let mut change = self.begin_change().await?;
        let noted = bounded(async {
            let is_due = match if_empty {
                true => read_sealed(change.connection()).await?.is_empty(),
                false => read_fingerprint(change.connection()).await?.is_none(),
            };
            if !is_due {
                return Ok::<_, StoreError>(None);
            }
            write_fingerprint(change.connection(), key.map(|key| key.fingerprint.as_str())).await?;
            Ok(Some(()))
        });
        let noted = noted.await?;
        change.end(noted).await?;
        Ok(())
    }

    /// Finishes the replacing of a key file that was cut short after the database had gone under the new key.
    pub(super) async fn finish_succession(&self) -> Result<(), StoreError> {
        let Some(path) = self.secrets.key_file() else { return Ok(()) };
        if !Succession::successor_of(path).exists() {
            return Ok(());
        }
        let succession = Succession::begin(path)?;
        if self.is_due(&succession, path).await? {
            succession.complete()?;
            tracing::info!(file = %path.display(), "put the new key in place, which an interrupted rekey had left to do");
        }
        Ok(())
    }

    /// Whether the database is under the new key already. What else was left behind stays
    /// until the next new key: it is nobody's.
    pub(super) async fn is_due(&self, succession: &Succession<'_>, path: &Path) -> Result<bool, StoreError> {
        let Some(text) = succession.left_behind()? else { return Ok(false) };
        // Cut short while it was written, and so before anything was changed.
        let Ok(successor) = Opened::of_file(&text, path) else { return Ok(false) };
        let is_in_place = match key_file::read(path)? {
            Some(text) => Opened::of_file(&text, path)?.fingerprint == successor.fingerprint,
            None => false,
        };
        let mut connection = bounded(self.pool.acquire()).await?;
        let noted = bounded(read_fingerprint(&mut connection)).await?;
        Ok(!is_in_place && noted.as_deref() == Some(successor.fingerprint.as_str()))
    }
}
