//! A database of the test's own, and what is put into it.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use mcpjungle_host::group::ToolGroup;
use mcpjungle_host::names::{GroupName, ServerName};
use mcpjungle_host::pipeline::ItemKind;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::store::{
    ConfiguredKey, Database, ItemRecord, KeySource, Known, OpenError, ServerRecord, Store, StoredServer,
};
#[cfg(feature = "e2e")]
use mcpjungle_host::store::{PostgresDatabase, PostgresSettings};
use mcpjungle_host::upstream::Offer;
use sqlx::{AnyConnection, Connection};
use tempfile::TempDir;

#[cfg(feature = "e2e")]
use crate::postgres::Cluster;

pub const BEARER: &str = "bearer-s3cret-value";
pub const HEADER: &str = "header-s3cret-value";
pub const ENV: &str = "env-s3cret-value";

/// A key, as an administrator writes it.
pub fn key(value: &str) -> ConfiguredKey {
    ConfiguredKey { value: Secret::new(value), variable: "MCPJUNGLE_SECRET_KEY_FILE" }
}

pub struct Home {
    folder: TempDir,
    database: Database,
    url: String,
    /// What a store is opened with here: on PostgreSQL there is no place for a key file.
    key: Option<ConfiguredKey>,
}

impl Home {
    pub fn sqlite() -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("mcpjungle.db");
        let url = format!("sqlite://{}", path.display());
        Self { folder, database: Database::Sqlite(path), url, key: None }
    }

    #[cfg(feature = "e2e")]
    pub fn postgres() -> Self {
        Self::postgres_in(Cluster::shared())
    }

    #[cfg(feature = "e2e")]
    pub fn postgres_in(cluster: &Cluster) -> Self {
        let url = cluster.url(&cluster.create_database());
        let database = Database::Postgres(PostgresDatabase::parse(&url, PostgresSettings::Url).unwrap());
        Self { folder: TempDir::new().unwrap(), database, url, key: Some(key(&"5a".repeat(32))) }
    }

    pub fn database(&self) -> Database {
        self.database.clone()
    }

    #[cfg(feature = "e2e")]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The key that [`Self::open`] opens it with; `None` for the key file.
    pub fn key(&self) -> Option<ConfiguredKey> {
        self.key.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub async fn open(&self) -> Store {
        self.try_open(self.key.clone()).await.unwrap()
    }

    pub async fn try_open(&self, key: Option<ConfiguredKey>) -> Result<Store, OpenError> {
        let key_file = self.database.default_key_file();
        Store::open(self.database(), KeySource { configured: key, key_file }).await
    }

    /// Changes the database behind the store's back.
    pub async fn damage(&self, statement: &'static str) {
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        assert!(sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected() > 0, "{statement}");
        connection.close().await.unwrap();
    }

    /// As [`Self::damage`], where nobody counts what that changes.
    pub async fn execute(&self, statement: &'static str) {
        let mut connection = AnyConnection::connect(&self.url).await.unwrap();
        sqlx::query(statement).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    /// Everything that lies on the disk, the write-ahead log included.
    pub fn bytes(&self) -> Vec<u8> {
        let database = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("mcpjungle.db");
        let paths = fs::read_dir(self.folder()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| database(path)).flat_map(|path| fs::read(path).unwrap()).collect()
    }
}

pub fn name(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

pub fn http_server(server: &str) -> Server {
    Server {
        name: name(server),
        description: "über HTTP".into(),
        transport: Transport::StreamableHttp {
            url: "http://127.0.0.1:9/mcp?x=1".parse().unwrap(),
            bearer_token: Some(Secret::new(BEARER)),
            headers: BTreeMap::from([("X-Key".to_owned(), Secret::new(HEADER))]),
        },
        session_mode: SessionMode::Stateful,
        tool_sync_interval_seconds: NonZeroU32::new(90),
        audit: None,
    }
}

pub fn stdio_server(server: &str, env: &[(&str, &str)]) -> Server {
    Server {
        name: name(server),
        description: String::new(),
        transport: Transport::Stdio {
            command: "program".into(),
            args: vec!["-y".into(), "a b".into()],
            env: env.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))).collect(),
        },
        session_mode: SessionMode::Stateless,
        tool_sync_interval_seconds: None,
        audit: None,
    }
}

pub fn sse_server(server: &str) -> Server {
    let Transport::StreamableHttp { url, bearer_token, headers } = http_server(server).transport else { panic!() };
    Server { transport: Transport::Sse { url, bearer_token, headers }, ..http_server(server) }
}

pub fn tools(names: &[&str]) -> Vec<Bytes> {
    names.iter().map(|name| format!(r#"{{ "name":"{name}", "x": 1.50 }}"#).into()).collect()
}

pub fn offer(tool_names: &[&str]) -> Offer {
    Offer {
        initialize: Bytes::from_static(br#"{"serverInfo":{"name":"x"}}"#),
        tools: tools(tool_names),
        prompts: vec![Bytes::from_static(br#"{"name":"p"}"#)],
        resources: vec![Bytes::from_static(br#"{"uri":"file:///r","name":"r"}"#)],
        resource_templates: vec![Bytes::from_static(br#"{"uriTemplate":"file:///{id}"}"#)],
    }
}

pub async fn records(store: &Store) -> Vec<ServerRecord> {
    let stored = store.load(&Known::default()).await.unwrap();
    let changed = |server| match server {
        StoredServer::Changed(record) => *record,
        StoredServer::Unchanged(name) => panic!("`{name}` was not known before"),
    };
    stored.servers.into_iter().map(changed).collect()
}

pub async fn record(store: &Store, server: &str) -> ServerRecord {
    records(store).await.into_iter().find(|record| record.server.name.as_str() == server).unwrap()
}

pub async fn revision(store: &Store) -> u64 {
    store.load(&Known::default()).await.unwrap().revision
}

pub fn item<'r>(record: &'r ServerRecord, kind: ItemKind, key: &str) -> &'r ItemRecord {
    record.items.iter().find(|item| item.kind == kind && item.key == key).unwrap()
}

pub fn group(group: &str, included: &[&str]) -> ToolGroup {
    ToolGroup {
        description: "d".into(),
        included_tools: included.iter().map(|tool| (*tool).to_owned()).collect(),
        included_servers: vec!["not-there-yet".into()],
        ..ToolGroup::new(GroupName::parse(group).unwrap())
    }
}
