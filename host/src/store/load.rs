//! Reading everything that the gateway serves, in one consistent transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::group::ToolGroup;
use crate::names::ServerName;
use crate::pipeline::Mode;
use crate::secret::Secret;
use crate::store::error::bounded;
use crate::store::groups::read_groups;
use crate::store::identities::{read_identities, read_initialization};
use crate::store::installations::read_installation_id;
use crate::store::item_rows::read_item;
use crate::store::plugin_secrets::{SealedSecrets, read_plugin_secrets};
use crate::store::servers::{read_name, read_server};
use crate::store::{
    Dialect, ItemRecord, KeyError, ServerRecord, Store, StoreError, Stored, StoredIdentities, StoredServer,
};

/// What a caller of [`Store::load`] has read before.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// At which revision; 0 for nothing at all.
    pub revision: u64,
    /// At which revision of its own each server is known.
    pub servers: HashMap<ServerName, u64>,
}

impl Store {
    /// Reads everything, except servers, identities and secrets for plugins that are as in `known`.
    /// A server that cannot be read is left out, and the log says so: the others
    /// are served, and an administrator can reach the API to mend it.
    pub async fn load(&self, known: &Known) -> Result<Stored, StoreError> {
        let mut left_out = LeftOut::default();
        let Everything { revision, heads, mut parts, groups, identities, plugin_secrets, initialized, installation } =
            bounded(self.read_all(known, &mut left_out)).await?;
        let ids: HashSet<i64> = heads.iter().map(|head| head.id).collect();
        self.opened.lock().retain(|id, _| ids.contains(id));
        let mut servers = Vec::with_capacity(heads.len());
        for head in heads {
            if head.is_known(&known.servers) {
                servers.push(StoredServer::Unchanged(head.name));
                continue;
            }
            match parts.take_record(&head) {
                Ok(record) => servers.push(StoredServer::Changed(Box::new(record))),
                Err(error) => left_out.push((head.name.to_string(), head.revision, error)),
            }
        }
        self.tell_of(left_out);
        let plugin_secrets = self.open_plugin_secrets(plugin_secrets);
        Ok(Stored { revision, servers, groups, identities, plugin_secrets, initialized, installation })
    }

    async fn read_all(&self, known: &Known, left_out: &mut LeftOut) -> Result<Everything, StoreError> {
        let begin = match self.dialect {
            // In WAL mode the first read fixes what all later ones see.
            Dialect::Sqlite => "BEGIN",
            Dialect::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
        };
        let mut transaction = self.pool.begin_with(begin).await?;
        let revision = read_revision(&mut transaction).await?;
        let heads = read_heads(&mut transaction, left_out).await?;
        let oldest_change = heads.iter().filter(|head| !head.is_known(&known.servers)).map(|head| head.revision).min();
        let parts = match oldest_change {
            Some(since) => self.read_parts(&mut transaction, since).await?,
            None => Parts::default(),
        };
        let groups = read_groups(&mut transaction).await?;
        let known_revision = i64::try_from(known.revision).unwrap_or(i64::MAX);
        let identities = read_identities(&mut transaction, known_revision).await?;
        let plugin_secrets = read_plugin_secrets(&mut transaction, known_revision).await?;
        let initialized = read_initialization(&mut transaction).await?;
        let installation = read_installation_id(&mut transaction).await?;
        transaction.rollback().await?;
        Ok(Everything { revision, heads, parts, groups, identities, plugin_secrets, initialized, installation })
    }

    /// The rows, secrets and items of all servers changed at `since` or later:
    /// three queries, however many servers there are.
    async fn read_parts(&self, connection: &mut AnyConnection, since: i64) -> Result<Parts, StoreError> {
        let mut parts = Parts::default();
        let query = "SELECT id, name, revision, description, transport, config, session_mode, \
                     tool_sync_interval_seconds, audit, enabled, initialize, created_at, updated_at FROM servers WHERE revision >= $1";
        for row in sqlx::query(query).bind(since).fetch_all(&mut *connection).await? {
            parts.servers.insert(row.try_get("id")?, row);
        }
        for (id, secrets) in self.read_secrets(connection, since).await? {
            match secrets {
                Ok(secrets) => drop(parts.secrets.insert(id, secrets)),
                Err(error) => parts.set_unreadable(id, error),
            }
        }
        let query = "SELECT items.id AS id, server_id, kind, item_key, definition, items.enabled AS enabled \
                     FROM items JOIN servers ON servers.id = server_id WHERE revision >= $1 AND offered = 1 ORDER BY position";
        for row in sqlx::query(query).bind(since).fetch_all(&mut *connection).await? {
            let id = row.try_get("server_id")?;
            match read_item(&row) {
                Ok(item) => parts.items.entry(id).or_default().push(item),
                Err(error) => parts.set_unreadable(id, error),
            }
        }
        Ok(parts)
    }

    /// Logs those that were not left out the last time: once each, not at every change.
    fn tell_of(&self, left_out: LeftOut) {
        let mut known = self.left_out.lock();
        let before = std::mem::take(&mut *known);
        for (server, revision, error) in left_out {
            let key = (server, revision);
            if !before.contains(&key) {
                let advice = advice(&error);
                let error: &(dyn std::error::Error + 'static) = &error;
                let server = key.0.as_str();
                tracing::error!(
                    upstream.server = server,
                    error,
                    "an MCP server in the database cannot be read and is left out: {advice}"
                );
            }
            known.insert(key);
        }
    }
}

/// How to mend a server that cannot be read.
fn advice(error: &StoreError) -> &'static str {
    match error {
        // Its secrets may be damaged, or stored under the key of another gateway.
        StoreError::Key(KeyError::Wrong { .. }) => {
            "if the other gateways on this database read it, give this one their key; \
             else register it again with `--force`, or deregister it"
        }
        StoreError::Key(KeyError::Replaced { .. }) => {
            "it was registered anew by a gateway that has the new key; this one serves it after a start with that key"
        }
        // Registering it again would take it from the gateways that have the key.
        StoreError::Key(_) => "it is served after a start with the key",
        _ => "register it again with `--force`, or deregister it",
    }
}

/// What one transaction read.
struct Everything {
    revision: u64,
    heads: Vec<Head>,
    parts: Parts,
    groups: Vec<ToolGroup>,
    identities: StoredIdentities,
    plugin_secrets: SealedSecrets,
    initialized: Option<Mode>,
    installation: i64,
}

/// What tells whether a server must be read.
struct Head {
    id: i64,
    name: ServerName,
    revision: i64,
}

impl Head {
    fn is_known(&self, known: &HashMap<ServerName, u64>) -> bool {
        known.get(&self.name).is_some_and(|known| *known == self.revision.unsigned_abs())
    }
}

/// Servers that cannot be read: name, revision and why.
type LeftOut = Vec<(String, i64, StoreError)>;

/// What was read, by the server's id.
#[derive(Default)]
struct Parts {
    servers: HashMap<i64, AnyRow>,
    secrets: HashMap<i64, BTreeMap<String, Secret>>,
    items: HashMap<i64, Vec<ItemRecord>>,
    /// Why a server cannot be read, where it cannot: what was found first.
    unreadable: HashMap<i64, StoreError>,
}

impl Parts {
    fn set_unreadable(&mut self, server_id: i64, error: StoreError) {
        self.unreadable.entry(server_id).or_insert(error);
    }

    fn take_record(&mut self, head: &Head) -> Result<ServerRecord, StoreError> {
        if let Some(error) = self.unreadable.remove(&head.id) {
            // Not served without what is missing: half its secrets or tools may mean something else.
            return Err(error);
        }
        let row = self
            .servers
            .remove(&head.id)
            .ok_or_else(|| StoreError::Unreadable(format!("server `{}` is gone halfway", head.name)))?;
        let server = read_server(&row, self.secrets.remove(&head.id).unwrap_or_default())?;
        let mut items = self.items.remove(&head.id).unwrap_or_default();
        items.sort_by_key(|item| item.kind);
        Ok(ServerRecord {
            revision: head.revision.unsigned_abs(),
            server,
            enabled: row.try_get::<i64, _>("enabled")? != 0,
            initialize: row.try_get::<String, _>("initialize")?.into(),
            items,
            created_at_ms: row.try_get("created_at")?,
            updated_at_ms: row.try_get("updated_at")?,
        })
    }
}

async fn read_revision(connection: &mut AnyConnection) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT revision FROM revision WHERE id = 1").fetch_one(connection).await?;
    Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
}

async fn read_heads(connection: &mut AnyConnection, left_out: &mut LeftOut) -> Result<Vec<Head>, StoreError> {
    let rows = sqlx::query("SELECT id, name, revision FROM servers").fetch_all(connection).await?;
    let mut heads = Vec::with_capacity(rows.len());
    for row in &rows {
        let (name, revision): (&str, _) = (row.try_get(1)?, row.try_get(2)?);
        match read_name(name) {
            Ok(name) => heads.push(Head { id: row.try_get(0)?, name, revision }),
            Err(error) => left_out.push((name.to_owned(), revision, error)),
        }
    }
    heads.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(heads)
}
