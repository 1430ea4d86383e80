//! Secrets that administrators keep for plugins, by name.

use std::collections::BTreeSet;

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

/// What has changed about secrets.
#[derive(Debug, Clone, Default)]
pub struct StoredPluginSecrets {
    /// The names of all that there are: what has none of these was deleted.
    pub names: BTreeSet<String>,
    /// Those that were set since the caller looked.
    pub changed: Vec<PluginSecret>,
}

/// The same, with values as they lie in the database.
pub(super) struct SealedSecrets {
    names: BTreeSet<String>,
    changed: Vec<SealedSecret>,
}

struct SealedSecret {
    name: String,
    ciphertext: Vec<u8>,
    updated_at_ms: i64,
}

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

    /// Opens what was read. What cannot be opened is listed without its value, and told of: it is read once.
    pub(super) fn open_plugin_secrets(&self, sealed: SealedSecrets) -> StoredPluginSecrets {
        let open = |SealedSecret { name, ciphertext, updated_at_ms }| {
            let opened = self.secrets.unseal(&Place::of_plugin_secret(&name), &ciphertext);
            let value = opened.inspect_err(|error| tell_unreadable(&name, error)).ok();
            PluginSecret { name, value, updated_at_ms }
        };
        StoredPluginSecrets { names: sealed.names, changed: sealed.changed.into_iter().map(open).collect() }
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

/// The names of all secrets, and those that were set after a revision.
pub(super) async fn read_plugin_secrets(
    connection: &mut AnyConnection,
    after: i64,
) -> Result<SealedSecrets, StoreError> {
    let rows = sqlx::query("SELECT name FROM plugin_secrets").fetch_all(&mut *connection).await?;
    let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let rows = sqlx::query("SELECT name, ciphertext, updated_at FROM plugin_secrets WHERE revision > $1");
    let rows = rows.bind(after).fetch_all(connection).await?;
    let secret = |row: &sqlx::any::AnyRow| {
        Ok::<_, StoreError>(SealedSecret {
            name: row.try_get("name")?,
            ciphertext: row.try_get("ciphertext")?,
            updated_at_ms: row.try_get("updated_at")?,
        })
    };
    Ok(SealedSecrets { names, changed: rows.iter().map(secret).collect::<Result<_, _>>()? })
}
