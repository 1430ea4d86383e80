//! What outlives the process: SQLite (and PostgreSQL) through sqlx.
//!
//! - `open`: finding the database, connecting, migrating; `postgres`: where it is, and waiting for it.
//! - `secrets`: the key, and values encrypted under it; `key_file`: where it is kept if nobody provides it.
//! - `sealed`: all such values; `secret_key`: which key they are under; `rekey`: putting them under another.
//! - `change`: a transaction that bumps the revision.
//! - `servers`, `items`, `offers`, `groups`: what is changed in such transactions.
//! - `identities`: clients and users, initialisation among them; `lost_admin`: when the administrator's token is lost.
//! - `server_secrets`: reading the secrets of servers.
//! - `plugin_secrets`: secrets for plugins; `key_value`: what plugins keep from call to call.
//! - `item_rows`: reading and writing items, many at once.
//! - `installations`: which plugins are installed, and their components.
//! - `config_dir`: which of them a watched folder brought here.
//! - `load`: everything, read in one transaction.
//! - `audit`: the rows of the audit log.
//! - `announce`: word of changes that other gateways make.
//! - `error`: what can fail, and whether that passes by itself.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use sqlx::{Connection as _, Row as _};
use tokio::sync::Mutex;

use crate::group::ToolGroup;
use crate::names::ServerName;
use crate::pipeline::{ItemKind, Mode};
use crate::secret::Secret;
use crate::server::Server;

mod announce;
mod audit;
mod change;
mod config_dir;
mod error;
mod groups;
mod identities;
mod installations;
mod item_rows;
mod items;
mod key_file;
mod key_value;
mod load;
mod lost_admin;
mod offers;
mod open;
mod plugin_secrets;
mod postgres;
mod rekey;
mod sealed;
mod secret_key;
mod secrets;
mod server_secrets;
mod servers;

pub use audit::{AuditLogRow, AuditQuery, AuditRecordRow, AuditWriterRow};
pub use config_dir::Entry;
pub use error::StoreError;
pub use identities::{
    IdentityKey, IdentityRef, IdentityUpdate, Initialization, NewIdentity, NewToken, StoredIdentities,
};
pub use installations::{InstallationChange, NextInstallation, StoredInstallation};
pub use key_value::{PluginValues, ValueRefused, expires_at};
pub use load::Known;
pub use lost_admin::{ResetError, ResetToken};
pub use open::{Database, OpenError};
pub use plugin_secrets::{PluginSecret, StoredPluginSecrets};
pub use postgres::{PostgresDatabase, PostgresError, PostgresSettings, PostgresUrlError};
pub use rekey::{NewKey, RekeyError, Rekeyed, Unreadable};
pub use secrets::{ConfiguredKey, KeyError, KeySource};

/// The database, with its migrations applied.
pub struct Store {
    pool: sqlx::AnyPool,
    /// For what plugins keep.
    values_pool: sqlx::AnyPool,
    /// On SQLite, closed last.
    anchor: Mutex<Option<sqlx::AnyConnection>>,
    dialect: Dialect,
    secrets: secrets::SecretBox,
    /// Held by the one change that is under way on SQLite, which has one writer:
    /// waiting here is cheaper and fairer than its busy handler.
    writer: Arc<Mutex<()>>,
    /// Where there may be other gateways on the database.
    announcements: Option<announce::Announcements>,
    /// Servers that could not be read, by name and revision, so that each is told of once.
    left_out: parking_lot::Mutex<HashSet<(String, i64)>>,
    /// The secrets of servers as they were read last, by the server's id: served on when the
    /// database has gone under a key that this gateway does not have.
    opened: parking_lot::Mutex<HashMap<i64, OpenedSecrets>>,
}

/// The secrets of a server.
struct OpenedSecrets {
    /// The store's revision when they were stored.
    revision: i64,
    values: BTreeMap<String, Secret>,
}

/// Where the two databases need different words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// All that the gateway serves from memory, read in one consistent transaction.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// Grows with every change.
    pub revision: u64,
    /// All servers, sorted by name.
    pub servers: Vec<StoredServer>,
    /// All groups, sorted by name.
    pub groups: Vec<ToolGroup>,
    /// Clients and users that the caller does not know as they are.
    pub identities: StoredIdentities,
    /// Secrets for plugins that the caller does not know as they are.
    pub plugin_secrets: StoredPluginSecrets,
    /// How the gateway was initialised, if it was.
    pub initialized: Option<Mode>,
    /// The id of what is installed; see [`StoredInstallation::id`].
    pub installation: i64,
}

/// One server, or only word that it has not changed.
#[derive(Debug, Clone)]
pub enum StoredServer {
    /// Still at the revision that the caller knows.
    Unchanged(ServerName),
    /// Read anew.
    Changed(Box<ServerRecord>),
}

/// A server with all that belongs to it.
#[derive(Debug, Clone)]
pub struct ServerRecord {
    /// The store's revision when anything of it last changed.
    pub revision: u64,
    /// How it was registered, secrets decrypted.
    pub server: Server,
    /// Whether the server as a whole is enabled.
    pub enabled: bool,
    /// The result of `initialize`, JSON text.
    pub initialize: Bytes,
    /// Its items, kind by kind, in the upstream's order.
    pub items: Vec<ItemRecord>,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When anything of it last changed, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// One item as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRecord {
    /// What it is.
    pub kind: ItemKind,
    /// What tells it from others of its kind and server: the name of a tool or
    /// prompt, the URI of a resource, the URI template of a template.
    pub key: String,
    /// The upstream's definition, JSON text as it came.
    pub definition: Bytes,
    /// Whether it is enabled.
    pub enabled: bool,
    /// A number for the API's `ID`, unique within its kind.
    pub id: i64,
}

impl Store {
    /// Closes all connections, after what is under way on them.
    pub async fn close(&self) {
        tokio::join!(self.pool.close(), self.values_pool.close());
        if let Some(anchor) = self.anchor.lock().await.take()
            && let Err(error) = anchor.close().await
        {
            tracing::warn!(error = error::with_sources(&error), "the database was not closed properly");
        }
    }

    /// The revision now, whoever made the last change.
    pub async fn revision(&self) -> Result<u64, StoreError> {
        let query = sqlx::query("SELECT revision FROM revision WHERE id = 1");
        let row = error::bounded(query.fetch_one(&self.pool)).await?;
        Ok(u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0))
    }
}
