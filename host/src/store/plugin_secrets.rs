//! Secrets that administrators keep for plugins, by name.

use std::collections::HashMap;

use sqlx::{AnyConnection, Row as _};

use crate::secret::Secret;
use crate::store::error::bounded;
use crate::store::secrets::Place;
use crate::store::{KeyError, Store, StoreError};

/// One secret, as it is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginSecret {
    /// What grants and plugins call it.
    pub name: String,
    /// `None` if the key does not open it; the log says so.
    pub value: Option<Secret>,
    /// When it was last set, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// One secret, as it lies in the database.
pub(super) struct SealedSecret {
    name: String,
    ciphertext: Vec<u8>,
    revision: i64,
    updated_at_ms: i64,
}

/// What was opened before, by name, with the revision at which it was set: served on when the database has gone
/// under a key that this gateway does not have. `None` for what could not be opened, so that it is told of once.
pub(super) type OpenedPluginSecrets = HashMap<String, (i64, Option<Secret>)>;

impl Store {
    /// Sets a secret; whether there was none of this name.
    pub async fn put_plugin_secret(&self, name: &str, value: &Secret) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let created = bounded(async {
            self.claim_key(change.connection()).await?;
            let sealed = self.secrets.seal(&Place::of_plugin_secret(name), value)?;
            let (revision, now_ms) = (change.revision, change.now_ms);
            let replaced = sqlx::query("DELETE FROM plugin_secrets WHERE name = $1").bind(name);
            let is_new = replaced.execute(change.connection()).await?.rows_affected() == 0;
            let insert = "INSERT INTO plugin_secrets (name, ciphertext, revision, updated_at) VALUES ($1, $2, $3, $4)";
            let insert = sqlx::query(insert).bind(name).bind(sealed).bind(revision).bind(now_ms);
            insert.execute(change.connection()).await?;
            Ok::<_, StoreError>(is_new)
        });
        let created = created.await?;
        change.end(Some(())).await?;
        Ok(created)
    }

    /// Removes a secret; `false` if there was none.
    pub async fn delete_plugin_secret(&self, name: &str) -> Result<bool, StoreError> {
        let mut change = self.begin_change().await?;
        let delete = sqlx::query("DELETE FROM plugin_secrets WHERE name = $1").bind(name);
        let deleted = bounded(delete.execute(change.connection())).await?.rows_affected();
        Ok(change.end((deleted > 0).then_some(())).await?.is_some())
    }

    /// Opens what was read. What cannot be opened is listed without its value.
    pub(super) fn open_plugin_secrets(&self, sealed: Vec<SealedSecret>) -> Vec<PluginSecret> {
        let mut known = self.opened_plugin_secrets.lock();
        let before = std::mem::take(&mut *known);
        let open = |sealed: SealedSecret| {
            let SealedSecret { name, ciphertext, revision, updated_at_ms } = sealed;
            let earlier = before.get(&name).filter(|(known, _)| *known == revision).map(|(_, value)| value);
            let value = match self.secrets.unseal(&Place::of_plugin_secret(&name), &ciphertext) {
                Ok(value) => Some(value),
                Err(error) => {
                    if earlier.is_none() {
                        tell_unreadable(&name, &error);
                    }
                    earlier.cloned().flatten()
                }
            };
            known.insert(name.clone(), (revision, value.clone()));
            PluginSecret { name, value, updated_at_ms }
        };
        sealed.into_iter().map(open).collect()
    }
}

fn tell_unreadable(name: &str, error: &KeyError) {
    let error: &(dyn std::error::Error + 'static) = error;
    tracing::error!(
        secret = name,
        error,
        "a secret for plugins cannot be read, and so is not served: set it again with `mcpjungle plugin secret set`, \
         or start the gateway with the key that it was stored with"
    );
}

/// All secrets, sorted by name.
pub(super) async fn read_plugin_secrets(connection: &mut AnyConnection) -> Result<Vec<SealedSecret>, StoreError> {
    let rows = sqlx::query("SELECT name, ciphertext, revision, updated_at FROM plugin_secrets");
    let rows = rows.fetch_all(connection).await?;
    let secret = |row: &sqlx::any::AnyRow| {
        Ok::<_, StoreError>(SealedSecret {
            name: row.try_get("name")?,
            ciphertext: row.try_get("ciphertext")?,
            revision: row.try_get("revision")?,
            updated_at_ms: row.try_get("updated_at")?,
        })
    };
    let mut secrets = rows.iter().map(secret).collect::<Result<Vec<_>, _>>()?;
    // Sorted here: how a database orders text depends on its collation.
    secrets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(secrets)
}
