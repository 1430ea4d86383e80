//! What outlives the process: SQLite (and PostgreSQL) through sqlx.

use std::collections::HashMap;

use bytes::Bytes;
use thiserror::Error;

use crate::group::ToolGroup;
use crate::names::{GroupName, ServerName};
use crate::pipeline::ItemKind;
use crate::server::Server;
use crate::upstream::Offer;

/// The database, with its migrations applied.
pub struct Store {}

/// All that the gateway serves from memory, read in one consistent transaction.
#[derive(Debug, Clone)]
pub struct Stored {
    /// Grows with every change.
    pub revision: u64,
    /// All servers, sorted by name.
    pub servers: Vec<StoredServer>,
    /// All groups, sorted by name.
    pub groups: Vec<ToolGroup>,
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

/// Why the store did not do as told.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StoreError {
    #[error("{kind} `{name}` already exists")]
    AlreadyExists { kind: &'static str, name: String },
    #[error("todo")]
    Todo,
}

impl Store {
    /// Reads everything, except servers that are still at the revision in `known`.
    pub async fn load(&self, known: &HashMap<ServerName, u64>) -> Result<Stored, StoreError> {
        let _ = known;
        Err(StoreError::Todo)
    }

    /// Stores a server with what it offers, all enabled. With `replace`, an old
    /// one of that name goes in the same transaction, and items that were
    /// disabled stay so; without, a taken name is [`StoreError::AlreadyExists`].
    pub async fn put_server(&self, server: &Server, offer: &Offer, replace: bool) -> Result<(), StoreError> {
        let _ = (server, offer, replace);
        Err(StoreError::Todo)
    }

    /// Removes a server and all its items; `false` if there was none.
    pub async fn delete_server(&self, name: &ServerName) -> Result<bool, StoreError> {
        let _ = name;
        Err(StoreError::Todo)
    }

    /// Enables or disables a server and every item of it. Returns the items
    /// whose state changed; `None` if there is no such server.
    pub async fn set_server_enabled(
        &self,
        name: &ServerName,
        enabled: bool,
    ) -> Result<Option<Vec<(ItemKind, String)>>, StoreError> {
        let _ = (name, enabled);
        Err(StoreError::Todo)
    }

    /// Enables or disables one item, or all of a kind (`key` is `None`). Returns
    /// the keys whose state changed; `None` if there is no such server or item.
    pub async fn set_items_enabled(
        &self,
        server: &ServerName,
        kind: ItemKind,
        key: Option<&str>,
        enabled: bool,
    ) -> Result<Option<Vec<String>>, StoreError> {
        let _ = (server, kind, key, enabled);
        Err(StoreError::Todo)
    }

    /// Stores a group that is new; a taken name is [`StoreError::AlreadyExists`].
    pub async fn create_group(&self, group: &ToolGroup) -> Result<(), StoreError> {
        let _ = group;
        Err(StoreError::Todo)
    }

    /// Replaces a group; returns the old one, `None` (and stores nothing) if there was none.
    pub async fn update_group(&self, group: &ToolGroup) -> Result<Option<ToolGroup>, StoreError> {
        let _ = group;
        Err(StoreError::Todo)
    }

    /// Removes a group; `false` if there was none.
    pub async fn delete_group(&self, name: &GroupName) -> Result<bool, StoreError> {
        let _ = name;
        Err(StoreError::Todo)
    }
}

#[expect(missing_docs, reason = "sketch")]
pub enum Database {
    Sqlite(std::path::PathBuf),
    Postgres(String),
}
#[expect(missing_docs, reason = "sketch")]
pub struct KeySource {
    pub configured: Option<crate::secret::Secret>,
    pub key_file: Option<std::path::PathBuf>,
}
impl Store {
    #[expect(missing_docs, reason = "sketch")]
    pub async fn open(_database: Database, _keys: KeySource) -> Result<Self, StoreError> {
        Ok(Self {})
    }
}
