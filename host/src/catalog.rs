//! What the upstreams offer, who there is, and who may see what: an immutable snapshot,
//! shared server by server so that one change costs one part, and the lists made of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use crate::group::ToolGroup;
use crate::names::{CanonicalName, GroupName, ServerName};
use crate::pipeline::{Item, ItemKind, Mode};
use crate::server::Server;
use crate::store::{Known, PluginSecret, ServerRecord, Stored, StoredPluginSecrets, StoredServer};

mod definition;
mod directory;
mod group;
mod identities;
mod presence;
mod tokens;
mod uri;
mod views;

pub use definition::{OfferedItem, read_offer};
pub use directory::{FixedDirectory, SnapshotDirectory};
pub use group::CatalogGroup;
pub use identities::Identities;
pub use uri::{ResourceAddress, resource_uri, template_uri};
pub(crate) use views::visible_items;
pub use views::{View, ViewScope, Views};

/// Everything that requests are served from.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// The store's revision that this was read at.
    pub revision: u64,
    /// All registered servers.
    pub servers: BTreeMap<ServerName, Arc<CatalogServer>>,
    /// All tool groups.
    pub groups: BTreeMap<GroupName, Arc<CatalogGroup>>,
    /// All clients and users.
    pub identities: Identities,
    /// Secrets for plugins, by name.
    pub plugin_secrets: Arc<BTreeMap<String, PluginSecret>>,
    /// How the gateway was initialised, if it was.
    pub initialized: Option<Mode>,
    /// Which plugins are installed: the id of the last change of them.
    pub installation: i64,
}

/// One server with what it offers.
#[derive(Debug)]
pub struct CatalogServer {
    /// The store's revision when anything of it last changed.
    pub revision: u64,
    /// How it was registered.
    pub server: Arc<Server>,
    /// What header-injectors may refer to; see [`Server::header_secret_names`].
    pub secret_names: Vec<String>,
    /// Whether the server as a whole is enabled.
    pub enabled: bool,
    /// The result of `initialize`, JSON text.
    pub initialize: Bytes,
    /// All items, kind by kind, in the upstream's order. Malformed ones are not here.
    pub items: Vec<Arc<CatalogItem>>,
    /// Where in `items` something stands, by its kind and key.
    index: HashMap<(ItemKind, Arc<str>), usize>,
    /// When it was registered, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// When anything of it last changed, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// One item.
#[derive(Debug)]
pub struct CatalogItem {
    /// What policies see of it.
    pub item: Item,
    /// What tells it from others of its kind and server: the name of a tool or
    /// prompt, the URI of a resource, the URI template of a template.
    pub key: Arc<str>,
    /// The upstream's definition, JSON text as it came.
    pub definition: Bytes,
    /// The definition as it stands in our lists: with the canonical name, and
    /// for resources and templates our URI.
    pub listed: Bytes,
    /// Whether it is enabled. A disabled one can be reached over the admin API only.
    pub enabled: bool,
    /// A number for the API's `ID`, unique within its kind.
    pub id: i64,
}

impl Snapshot {
    /// What the store holds, sharing with `previous` every server that has not changed.
    pub fn build(stored: Stored, previous: &Self) -> Self {
        let server = |stored| match stored {
            StoredServer::Changed(record) => Some(Arc::new(CatalogServer::build(*record))),
            StoredServer::Unchanged(name) => previous.servers.get(&name).map(Arc::clone),
        };
        let servers = stored.servers.into_iter().filter_map(server);
        let group = |stored: ToolGroup| {
            let unchanged = previous.groups.get(&stored.name).filter(|known| known.definition == stored);
            let name = stored.name.clone();
            (name, unchanged.cloned().unwrap_or_else(|| Arc::new(CatalogGroup::new(stored))))
        };
        Self {
            revision: stored.revision,
            servers: servers.map(|server| (server.server.name.clone(), server)).collect(),
            groups: stored.groups.into_iter().map(group).collect(),
            identities: previous.identities.with(stored.identities),
            plugin_secrets: follow_plugin_secrets(&previous.plugin_secrets, stored.plugin_secrets),
            initialized: stored.initialized,
            installation: stored.installation,
        }
    }

    /// The tool or prompt of this canonical name, enabled or not.
    pub fn find(&self, kind: ItemKind, name: &CanonicalName) -> Option<(&Arc<CatalogServer>, &Arc<CatalogItem>)> {
        let server = self.servers.get(&name.server)?;
        Some((server, server.find(kind, &name.name)?))
    }

    /// Whether the servers are the very ones of another snapshot, so that what follows from them is too.
    pub fn has_servers_of(&self, other: &Self) -> bool {
        self.servers.len() == other.servers.len()
            && self.servers.values().zip(other.servers.values()).all(|(mine, theirs)| Arc::ptr_eq(mine, theirs))
    }

    /// What need not be read again, for [`crate::store::Store::load`].
    pub fn known(&self) -> Known {
        let servers = self.servers.iter().map(|(name, server)| (name.clone(), server.revision)).collect();
        Known { revision: self.revision, servers }
    }
}

/// The secrets for plugins as they are now: the very same ones, if nothing has changed about them.
fn follow_plugin_secrets(
    previous: &Arc<BTreeMap<String, PluginSecret>>,
    stored: StoredPluginSecrets,
) -> Arc<BTreeMap<String, PluginSecret>> {
    if stored.changed.is_empty() && previous.keys().eq(&stored.names) {
        return Arc::clone(previous);
    }
    let mut secrets = BTreeMap::clone(previous);
    secrets.retain(|name, _| stored.names.contains(name));
    secrets.extend(stored.changed.into_iter().map(|secret| (secret.name.clone(), secret)));
    Arc::new(secrets)
}

impl CatalogItem {
    /// Whether this is the resource of this URI, or a template that it expands.
    pub fn offers(&self, uri: &str) -> bool {
        match self.item.kind {
            ItemKind::Resource => *self.key == *uri,
            ItemKind::ResourceTemplate => uri::template_matches(&self.key, uri),
            ItemKind::Tool | ItemKind::Prompt => false,
        }
    }
}

impl CatalogServer {
    fn build(record: ServerRecord) -> Self {
        let server = Arc::new(record.server);
        let item = |stored| definition::catalog_item(&server.name, stored).map(Arc::new);
        let items: Vec<_> = record.items.into_iter().filter_map(item).collect();
        let index = items.iter().enumerate().map(|(at, item)| ((item.item.kind, Arc::clone(&item.key)), at)).collect();
        Self {
            revision: record.revision,
            secret_names: server.header_secret_names(),
            enabled: record.enabled,
            initialize: record.initialize,
            items,
            index,
            created_at_ms: record.created_at_ms,
            updated_at_ms: record.updated_at_ms,
            server,
        }
    }

    /// The item of this kind and key, enabled or not.
    pub fn find(&self, kind: ItemKind, key: &Arc<str>) -> Option<&Arc<CatalogItem>> {
        self.index.get(&(kind, Arc::clone(key))).map(|at| &self.items[*at])
    }

    /// All items of a kind, in the upstream's order, enabled or not.
    pub fn items_of(&self, kind: ItemKind) -> impl Iterator<Item = &Arc<CatalogItem>> {
        self.items.iter().filter(move |item| item.item.kind == kind)
    }

    /// The templates that this URI can be an expansion of, enabled or not.
    pub fn templates_of<'a>(&'a self, uri: &'a str) -> impl Iterator<Item = &'a Arc<CatalogItem>> {
        self.items_of(ItemKind::ResourceTemplate).filter(move |template| template.offers(uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::{SessionMode, Transport};

    fn changed(name: &str) -> StoredServer {
        StoredServer::Changed(Box::new(ServerRecord {
            revision: 1,
            server: Server {
                name: ServerName::parse(name).unwrap(),
                description: String::new(),
                transport: Transport::Stdio { command: "c".to_owned(), args: Vec::new(), env: BTreeMap::new() },
                session_mode: SessionMode::Stateless,
                tool_sync_interval_seconds: None,
                audit: None,
            },
            enabled: true,
            initialize: Bytes::new(),
            items: Vec::new(),
            created_at_ms: 0,
            updated_at_ms: 0,
        }))
    }

    fn unchanged(name: &str) -> StoredServer {
        StoredServer::Unchanged(ServerName::parse(name).unwrap())
    }

    #[test]
    fn only_a_change_of_servers_gives_others() {
        let stored = |revision, servers| Stored { revision, servers, ..Stored::default() };
        let first = Snapshot::build(stored(1, vec![changed("a"), changed("b")]), &Snapshot::default());
        assert!(!first.has_servers_of(&Snapshot::default()));
        let next = |servers| Snapshot::build(stored(2, servers), &first);
        assert!(next(vec![unchanged("a"), unchanged("b")]).has_servers_of(&first));
        for others in [
            vec![unchanged("a"), changed("b")],
            vec![unchanged("a")],
            vec![unchanged("a"), changed("c")],
            vec![unchanged("a"), unchanged("b"), changed("c")],
        ] {
            assert!(!next(others).has_servers_of(&first));
        }
    }
}
