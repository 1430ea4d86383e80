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
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(name) => write!(f, "MCP server {name}"),
        }
    }
}

/// Which row holds a value.
enum Row {
    ServerSecret { server_id: i64, name: String },
}

/// Every encrypted value there is.
pub(super) async fn read_sealed(connection: &mut AnyConnection) -> Result<Vec<SealedValue>, StoreError> {
    read_server_secrets(connection).await
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
        };
        statement.execute(connection).await?;
        Ok(())
    }
}
