//! All that is encrypted under the secret key, wherever in the database it lies. A table
//! that gets such values is added here, and so is tried at each start and goes along with a new key.

use std::fmt;

use sqlx::{AnyConnection, Row as _};

use crate::store::StoreError;
use crate::store::secrets::Place;

/// One encrypted value.
pub(super) struct SealedValue {
    pub(super) owner: Owner,
    pub(super) place: Place,
    pub(super) ciphertext: Vec<u8>,
    row: Row,
}

/// Whose a value is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// The MCP server of this name.
    Server(String),
    /// An administrator keeps it for plugins under this name.
    Plugins(String),
    /// The audit log, whose key it is.
    AuditLog,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => write!(f, "MCP server {name}"),
            Self::Plugins(name) => write!(f, "plugin secret {name}"),
            Self::AuditLog => f.write_str("the audit log"),
        }
    }
}

/// Which row holds a value.
enum Row {
    ServerSecret { server_id: i64, name: String },
    PluginSecret { name: String },
    AuditKey,
}

/// Every encrypted value there is.
pub(super) async fn read_sealed(connection: &mut AnyConnection) -> Result<Vec<SealedValue>, StoreError> {
    let mut values = read_server_secrets(connection).await?;
    values.extend(read_plugin_secrets(connection).await?);
    values.extend(read_audit_key(connection).await?);
    Ok(values)
}

async fn read_audit_key(connection: &mut AnyConnection) -> Result<Option<SealedValue>, StoreError> {
    let row = sqlx::query("SELECT sealed_key FROM audit_log WHERE id = 1").fetch_optional(connection).await?;
    let Some(row) = row else { return Ok(None) };
    let ciphertext = row.try_get(0)?;
    Ok(Some(SealedValue { owner: Owner::AuditLog, place: Place::of_audit_key(), ciphertext, row: Row::AuditKey }))
}

async fn read_server_secrets(connection: &mut AnyConnection) -> Result<Vec<SealedValue>, StoreError> {
    let query = "SELECT server_id, servers.name AS server_name, server_secrets.name AS secret_name, ciphertext \
                 FROM server_secrets JOIN servers ON servers.id = server_id ORDER BY servers.name, server_secrets.name";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let value = |row: &sqlx::any::AnyRow| {
        let (server, name): (String, String) = (row.try_get("server_name")?, row.try_get("secret_name")?);
        Ok(SealedValue {
            place: Place::of_server_secret(&server, &name),
            owner: Owner::Server(server),
            ciphertext: row.try_get("ciphertext")?,
            row: Row::ServerSecret { server_id: row.try_get("server_id")?, name },
        })
    };
    rows.iter().map(value).collect()
}

async fn read_plugin_secrets(connection: &mut AnyConnection) -> Result<Vec<SealedValue>, StoreError> {
    let query = "SELECT name, ciphertext FROM plugin_secrets ORDER BY name";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let value = |row: &sqlx::any::AnyRow| {
        let name: String = row.try_get("name")?;
        Ok(SealedValue {
            place: Place::of_plugin_secret(&name),
            owner: Owner::Plugins(name.clone()),
            ciphertext: row.try_get("ciphertext")?,
            row: Row::PluginSecret { name },
        })
    };
    rows.iter().map(value).collect()
}

impl SealedValue {
    /// Puts another ciphertext in the place of the one that was read.
    pub(super) async fn replace(&self, connection: &mut AnyConnection, ciphertext: Vec<u8>) -> Result<(), StoreError> {
        let statement = match &self.row {
            Row::ServerSecret { server_id, name } => {
                sqlx::query("UPDATE server_secrets SET ciphertext = $3 WHERE server_id = $1 AND name = $2")
                    .bind(*server_id)
                    .bind(name.as_str())
                    .bind(ciphertext)
            }
            Row::PluginSecret { name } => sqlx::query("UPDATE plugin_secrets SET ciphertext = $2 WHERE name = $1")
                .bind(name.as_str())
                .bind(ciphertext),
            Row::AuditKey => sqlx::query("UPDATE audit_log SET sealed_key = $1 WHERE id = 1").bind(ciphertext),
        };
        statement.execute(connection).await?;
        Ok(())
    }
}
