//! The store on real SQLite files: what it keeps, what it refuses, and what it never writes down.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use mcpjungle_host::group::ToolGroup;
use mcpjungle_host::names::{GroupName, ServerName};
use mcpjungle_host::pipeline::ItemKind;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::store::{
    Database, ItemRecord, KeyError, KeySource, OpenError, ServerRecord, Store, StoreError, StoredServer,
};
use mcpjungle_host::upstream::Offer;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;

const BEARER: &str = "bearer-s3cret-value";
const HEADER: &str = "header-s3cret-value";
const ENV: &str = "env-s3cret-value";

struct Home {
    folder: TempDir,
}

impl Home {
    fn new() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    fn database(&self) -> Database {
        Database::Sqlite(self.path("mcpjungle.db"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn open(&self) -> Store {
        self.try_open(None).await.unwrap()
    }

    async fn try_open(&self, key: Option<&str>) -> Result<Store, OpenError> {
        let key_file = self.database().default_key_file();
        Store::open(self.database(), KeySource { configured: key.map(Secret::new), key_file }).await
    }

    /// Changes the database behind the store's back.
    async fn damage(&self, statement: &'static str) {
        let options = SqliteConnectOptions::new().filename(self.path("mcpjungle.db"));
        let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
        assert!(sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected() > 0, "{statement}");
        connection.close().await.unwrap();
    }

    /// Everything that lies on the disk, the write-ahead log included.
    fn bytes(&self) -> Vec<u8> {
        let database = |path: &Path| path.file_name().unwrap().to_str().unwrap().starts_with("mcpjungle.db");
        let paths = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        paths.filter(|path| database(path)).flat_map(|path| fs::read(path).unwrap()).collect()
    }
}

fn name(name: &str) -> ServerName {
    ServerName::parse(name).unwrap()
}

fn http_server(server: &str) -> Server {
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
    }
}

fn stdio_server(server: &str, env: &[(&str, &str)]) -> Server {
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
    }
}

fn sse_server(server: &str) -> Server {
    let Transport::StreamableHttp { url, bearer_token, headers } = http_server(server).transport else { panic!() };
    Server { transport: Transport::Sse { url, bearer_token, headers }, ..http_server(server) }
}

fn tools(names: &[&str]) -> Vec<Bytes> {
    names.iter().map(|name| format!(r#"{{ "name":"{name}", "x": 1.50 }}"#).into()).collect()
}

fn offer(tool_names: &[&str]) -> Offer {
    Offer {
        initialize: Bytes::from_static(br#"{"serverInfo":{"name":"x"}}"#),
        tools: tools(tool_names),
        prompts: vec![Bytes::from_static(br#"{"name":"p"}"#)],
        resources: vec![Bytes::from_static(br#"{"uri":"file:///r","name":"r"}"#)],
        resource_templates: vec![Bytes::from_static(br#"{"uriTemplate":"file:///{id}"}"#)],
    }
}

async fn records(store: &Store) -> Vec<ServerRecord> {
    let stored = store.load(&HashMap::new()).await.unwrap();
    let changed = |server| match server {
        StoredServer::Changed(record) => *record,
        StoredServer::Unchanged(name) => panic!("`{name}` was not known before"),
    };
    stored.servers.into_iter().map(changed).collect()
}

async fn record(store: &Store, server: &str) -> ServerRecord {
    records(store).await.into_iter().find(|record| record.server.name.as_str() == server).unwrap()
}

async fn revision(store: &Store) -> u64 {
    store.load(&HashMap::new()).await.unwrap().revision
}

fn item<'r>(record: &'r ServerRecord, kind: ItemKind, key: &str) -> &'r ItemRecord {
    record.items.iter().find(|item| item.kind == kind && item.key == key).unwrap()
}

fn group(group: &str, included: &[&str]) -> ToolGroup {
    ToolGroup {
        name: GroupName::parse(group).unwrap(),
        description: "d".into(),
        included_tools: included.iter().map(|tool| (*tool).to_owned()).collect(),
        included_servers: vec!["not-there-yet".into()],
        excluded_tools: Vec::new(),
    }
}

#[tokio::test]
async fn what_was_stored_is_there_after_reopening() {
    let home = Home::new();
    let servers = [http_server("b-http"), stdio_server("a-stdio", &[("TOKEN", ENV)]), sse_server("c-sse")];
    let store = home.open().await;
    for server in &servers {
        store.put_server(server, &offer(&["t2", "t1"]), false).await.unwrap();
    }
    store.create_group(&group("g", &["a-stdio__t1"])).await.unwrap();
    let before = records(&store).await;
    store.close().await;

    let store = home.open().await;
    let stored = store.load(&HashMap::new()).await.unwrap();
    assert_eq!(stored.groups, [group("g", &["a-stdio__t1"])]);
    let after = records(&store).await;
    assert_eq!(
        after.iter().map(|record| record.server.clone()).collect::<Vec<_>>(),
        [servers[1].clone(), servers[0].clone(), servers[2].clone()]
    );
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before.items, after.items);
        assert_eq!(after.initialize, offer(&[]).initialize);
        assert!(after.enabled && after.created_at_ms > 1_600_000_000_000);
    }
    let listed: Vec<_> = after[0].items.iter().map(|item| (item.kind, item.key.as_str())).collect();
    assert_eq!(
        listed,
        [
            (ItemKind::Tool, "t2"),
            (ItemKind::Tool, "t1"),
            (ItemKind::Prompt, "p"),
            (ItemKind::Resource, "file:///r"),
            (ItemKind::ResourceTemplate, "file:///{id}"),
        ]
    );
    assert_eq!(after[0].items[0].definition, tools(&["t2"])[0], "byte for byte");
}

#[tokio::test]
async fn secrets_are_nowhere_in_the_database_in_clear() {
    let home = Home::new();
    let store = home.open().await;
    assert!(!home.path("mcpjungle.key").exists(), "no secret, no key");
    store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
    store.put_server(&stdio_server("s", &[("TOKEN", ENV)]), &offer(&[]), false).await.unwrap();
    for _ in 0..2 {
        let bytes = home.bytes();
        for secret in [BEARER, HEADER, ENV] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} in clear");
        }
        // The names of variables and the rest are not secret, so this looks in the right place.
        assert!(bytes.windows(9).any(|window| window == b"env:TOKEN"));
        store.close().await;
    }
}

#[tokio::test]
async fn the_key_file_is_made_at_first_need_and_for_its_owner_only() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&stdio_server("plain", &[]), &offer(&[]), false).await.unwrap();
    assert!(!home.path("mcpjungle.key").exists());
    store.put_server(&stdio_server("s", &[("A", "b")]), &offer(&[]), false).await.unwrap();
    let key = fs::read_to_string(home.path("mcpjungle.key")).unwrap();
    assert_eq!(key.trim().len(), 44, "32 bytes as base64");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        for file in ["mcpjungle.key", "mcpjungle.db"] {
            assert_eq!(fs::metadata(home.path(file)).unwrap().permissions().mode() & 0o777, 0o600, "{file}");
        }
    }
    let names = fs::read_dir(home.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().contains(".new")), "no draft is left");
}

#[tokio::test]
async fn a_wrong_key_stops_the_start_and_says_what_to_do() {
    let home = Home::new();
    let right = "ab".repeat(32);
    let store = home.try_open(Some(&right)).await.unwrap();
    store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap();
    store.close().await;
    assert!(!home.path("mcpjungle.key").exists(), "a configured key is not written down");

    let error = home.try_open(Some(&"cd".repeat(32))).await.err().unwrap().to_string();
    assert!(error.contains("MCPJUNGLE_SECRET_KEY") && error.contains("does not open"), "{error}");
    let error = home.try_open(Some("short")).await.err().unwrap();
    assert!(matches!(error, OpenError::Key(KeyError::Malformed { .. })), "{error}");
    let error = home.try_open(None).await.err().unwrap().to_string();
    assert!(error.contains("mcpjungle.key") && error.contains("put it back"), "{error}");
    assert!(!home.path("mcpjungle.key").exists(), "a lost key is not replaced by a new one");
    home.try_open(Some(&right)).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_or_cannot_be_written_is_said_by_name() {
    let home = Home::new();
    fs::write(home.path("mcpjungle.db"), "this is a diary, and not a short one: ".repeat(200)).unwrap();
    let error = home.try_open(None).await.err().unwrap();
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error}");
    assert!(fs::read_to_string(home.path("mcpjungle.db")).unwrap().starts_with("this is a diary"));

    for path in [home.path("missing/mcpjungle.db"), home.folder.path().to_owned()] {
        let error = Store::open(Database::Sqlite(path.clone()), KeySource::default()).await.err().unwrap();
        assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }
}

#[tokio::test]
async fn a_path_with_odd_characters_is_taken_as_it_is() {
    let home = Home::new();
    let path = home.path("a?b#c %41ü.db");
    Store::open(Database::Sqlite(path.clone()), KeySource::default()).await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn a_taken_name_is_refused_and_changes_nothing() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&http_server("s"), &offer(&["t"]), false).await.unwrap();
    let before = (revision(&store).await, record(&store, "s").await);
    let error = store.put_server(&stdio_server("s", &[]), &offer(&["u"]), false).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    let after = (revision(&store).await, record(&store, "s").await);
    assert_eq!(before.0, after.0);
    assert_eq!((before.1.server, before.1.items), (after.1.server, after.1.items));
}

#[tokio::test]
async fn a_replaced_server_keeps_its_age_its_ids_and_what_was_disabled() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&http_server("s"), &offer(&["kept", "gone", "off"]), false).await.unwrap();
    store.set_items_enabled(&name("s"), ItemKind::Tool, Some("off"), false).await.unwrap();
    let old = record(&store, "s").await;

    let changed = Offer { tools: tools(&["new", "off", "kept"]), ..offer(&[]) };
    store.put_server(&stdio_server("s", &[("A", "b")]), &changed, true).await.unwrap();
    let new = record(&store, "s").await;
    assert_eq!(new.server, stdio_server("s", &[("A", "b")]), "no secret of the old one is left");
    assert_eq!(new.created_at_ms, old.created_at_ms);
    assert!(new.updated_at_ms >= old.updated_at_ms && new.revision > old.revision);
    let keys: Vec<_> = new.items.iter().filter(|item| item.kind == ItemKind::Tool).map(|item| &*item.key).collect();
    assert_eq!(keys, ["new", "off", "kept"]);
    for key in ["kept", "off"] {
        assert_eq!(item(&new, ItemKind::Tool, key).id, item(&old, ItemKind::Tool, key).id);
    }
    assert!(!item(&new, ItemKind::Tool, "off").enabled);
    assert!(item(&new, ItemKind::Tool, "new").enabled && item(&new, ItemKind::Tool, "kept").enabled);
    assert!(old.items.iter().all(|old| old.key == "new" || old.id != item(&new, ItemKind::Tool, "new").id));
}

#[tokio::test]
async fn a_disabled_server_stays_disabled_when_it_is_replaced() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&stdio_server("s", &[]), &offer(&["t"]), false).await.unwrap();
    store.set_server_enabled(&name("s"), false).await.unwrap();
    store.put_server(&stdio_server("s", &[]), &offer(&["t", "u"]), true).await.unwrap();
    let record = record(&store, "s").await;
    assert!(!record.enabled && record.items.iter().all(|item| !item.enabled));
}

#[tokio::test]
async fn a_failed_replacement_leaves_the_old_one_whole() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&http_server("s"), &offer(&["t"]), false).await.unwrap();
    let before = (revision(&store).await, record(&store, "s").await);
    let broken = Offer { initialize: Bytes::from_static(b"\xff"), ..offer(&["u"]) };
    store.put_server(&stdio_server("s", &[]), &broken, true).await.unwrap_err();
    let after = (revision(&store).await, record(&store, "s").await);
    assert_eq!(before.0, after.0);
    assert_eq!((before.1.server, before.1.items), (after.1.server, after.1.items));
}

#[tokio::test]
async fn enabling_and_disabling_tells_what_changed() {
    let home = Home::new();
    let store = home.open().await;
    store.put_server(&stdio_server("s", &[]), &offer(&["a", "b"]), false).await.unwrap();
    let set = |kind, key, enabled| {
        let store = &store;
        async move { store.set_items_enabled(&name("s"), kind, key, enabled).await.unwrap() }
    };
    assert_eq!(set(ItemKind::Tool, Some("a"), false).await, Some(vec!["a".to_owned()]));
    let at = revision(&store).await;
    assert_eq!(set(ItemKind::Tool, Some("a"), false).await, Some(Vec::new()));
    assert_eq!(revision(&store).await, at, "nothing changed, so nobody needs to read anew");
    assert_eq!(set(ItemKind::Tool, None, false).await, Some(vec!["b".to_owned()]));
    assert_eq!(set(ItemKind::Prompt, None, true).await, Some(Vec::new()));
    assert_eq!(set(ItemKind::Tool, Some("c"), false).await, None);
    assert_eq!(store.set_items_enabled(&name("x"), ItemKind::Tool, None, true).await.unwrap(), None);

    let changed = store.set_server_enabled(&name("s"), false).await.unwrap().unwrap();
    let kinds: Vec<_> = changed.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate]);
    assert!(!record(&store, "s").await.enabled);
    assert_eq!(store.set_server_enabled(&name("s"), true).await.unwrap().unwrap().len(), 5);
    assert!(store.set_server_enabled(&name("x"), true).await.unwrap().is_none());
}

#[tokio::test]
async fn only_what_changed_is_read_again() {
    let home = Home::new();
    let store = home.open().await;
    for server in ["a", "b", "c"] {
        store.put_server(&stdio_server(server, &[("K", server)]), &offer(&["t"]), false).await.unwrap();
    }
    let known: HashMap<_, _> =
        records(&store).await.into_iter().map(|record| (record.server.name, record.revision)).collect();
    store.set_items_enabled(&name("b"), ItemKind::Tool, Some("t"), false).await.unwrap();
    assert!(store.delete_server(&name("c")).await.unwrap());
    assert!(!store.delete_server(&name("c")).await.unwrap());

    let stored = store.load(&known).await.unwrap();
    assert!(matches!(&stored.servers[0], StoredServer::Unchanged(unchanged) if unchanged.as_str() == "a"));
    let StoredServer::Changed(changed) = &stored.servers[1] else { panic!("b has changed") };
    assert_eq!(changed.server, stdio_server("b", &[("K", "b")]));
    assert_eq!(changed.items.len(), 4);
    assert_eq!(stored.servers.len(), 2);
    assert!(stored.revision > known.values().copied().max().unwrap());
}

#[tokio::test]
async fn groups_are_created_replaced_and_deleted() {
    let home = Home::new();
    let store = home.open().await;
    store.create_group(&group("g", &["s__a"])).await.unwrap();
    let error = store.create_group(&group("g", &[])).await.unwrap_err();
    assert!(matches!(error, StoreError::AlreadyExists { .. }), "{error}");
    assert_eq!(store.update_group(&group("g", &["s__b"])).await.unwrap(), Some(group("g", &["s__a"])));
    assert_eq!(store.update_group(&group("h", &[])).await.unwrap(), None);
    assert_eq!(store.load(&HashMap::new()).await.unwrap().groups, [group("g", &["s__b"])]);
    assert!(store.delete_group(&GroupName::parse("g").unwrap()).await.unwrap());
    assert!(!store.delete_group(&GroupName::parse("g").unwrap()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_on_two_gateways_take_turns_and_one_of_two_namesakes_wins() {
    let home = Home::new();
    let stores = [Arc::new(home.open().await), Arc::new(home.open().await)];
    let mut changes = Vec::new();
    for (at, store) in stores.iter().cycle().take(20).enumerate() {
        let store = Arc::clone(store);
        changes.push(tokio::spawn(async move {
            let own = format!("s{at}");
            store.put_server(&stdio_server(&own, &[("K", &own)]), &offer(&["t"]), false).await.unwrap();
            store.put_server(&stdio_server("contested", &[]), &offer(&["t"]), false).await.is_ok()
        }));
    }
    let mut winners = 0;
    for change in changes {
        winners += usize::from(change.await.unwrap());
    }
    assert_eq!(winners, 1);
    for store in &stores {
        let records = records(store).await;
        assert_eq!(records.len(), 21);
        for record in records.iter().filter(|record| record.server.name.as_str() != "contested") {
            let own = record.server.name.as_str();
            assert_eq!(record.server, stdio_server(own, &[("K", own)]), "both use the one key");
        }
        let mut revisions: Vec<_> = records.iter().map(|record| record.revision).collect();
        revisions.sort_unstable();
        revisions.dedup();
        assert_eq!(revisions.len(), 21, "every change has a revision of its own");
        assert_eq!(revision(store).await, *revisions.last().unwrap());
    }
}

#[tokio::test]
async fn a_change_that_is_dropped_halfway_never_happened() {
    let home = Home::new();
    let store = home.open().await;
    let before = revision(&store).await;
    let many: Vec<String> = (0..2000).map(|at| format!("t{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (server, offer) = (stdio_server("s", &[]), offer(&many));
    {
        let mut change = Box::pin(store.put_server(&server, &offer, false));
        let mut polls = 0;
        // Each poll but the first follows at least one answer of the database, so this is in the midst of the statements.
        std::future::poll_fn(|context| {
            assert!(change.as_mut().poll(context).is_pending(), "2000 items take more than this");
            polls += 1;
            if polls > 30 { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
    assert!(records(&store).await.is_empty());
    assert_eq!(revision(&store).await, before);
    store.put_server(&server, &offer, false).await.unwrap();
    assert_eq!(record(&store, "s").await.items.len(), 2003);
}

#[tokio::test]
async fn malformed_items_are_left_out_and_hide_no_others() {
    let home = Home::new();
    let store = home.open().await;
    let mut odd = offer(&["good", "good"]);
    odd.tools.push(Bytes::from_static(br#"{"description":"no name"}"#));
    odd.tools.push(Bytes::from_static(br#"{"name":"nul\u0000"}"#));
    store.put_server(&stdio_server("s", &[]), &odd, false).await.unwrap();
    let record = record(&store, "s").await;
    let keys: Vec<_> = record.items.iter().filter(|item| item.kind == ItemKind::Tool).map(|item| &*item.key).collect();
    assert_eq!(keys, ["good"]);
}

#[tokio::test]
async fn what_a_server_offers_by_now_replaces_what_it_offered_and_nothing_else() {
    let home = Home::new();
    let (store, server) = (home.open().await, http_server("s"));
    store.put_server(&server, &offer(&["a", "b", "off"]), false).await.unwrap();
    store.set_items_enabled(&server.name, ItemKind::Tool, Some("off"), false).await.unwrap();
    let before = record(&store, "s").await;

    // The same, however it is written and in whatever order.
    let same = Offer {
        tools: vec![r#"{"x":1.5,"name":"off"}"#.into(), r#"{"x":1.50,"name":"b"}"#.into(), tools(&["a"]).remove(0)],
        ..offer(&[])
    };
    let revision_before = revision(&store).await;
    assert!(!store.update_offer(&server, &same, &[]).await.unwrap());
    assert_eq!(revision(&store).await, revision_before);

    // Registered otherwise, or not at all.
    for other in [http_server("gone"), Server { description: "other".into(), ..server.clone() }, sse_server("s")] {
        assert!(!store.update_offer(&other, &offer(&["new"]), &[]).await.unwrap());
    }
    assert_eq!(revision(&store).await, revision_before);

    let changed = Offer { prompts: Vec::new(), ..offer(&["new", "off", "a"]) };
    assert!(store.update_offer(&server, &changed, &[ItemKind::Prompt]).await.unwrap());
    let after = record(&store, "s").await;
    let state = |record: &ServerRecord| -> Vec<(String, bool)> {
        let tools = record.items.iter().filter(|item| item.kind == ItemKind::Tool);
        tools.map(|item| (item.key.clone(), item.enabled)).collect()
    };
    assert_eq!(state(&after), [("new".to_owned(), true), ("off".to_owned(), false), ("a".to_owned(), true)]);
    assert_eq!(item(&after, ItemKind::Tool, "a").id, item(&before, ItemKind::Tool, "a").id);
    assert!(after.items.iter().any(|item| item.kind == ItemKind::Prompt), "what could not be read stays");
    assert_eq!((after.server, after.created_at_ms), (before.server, before.created_at_ms));

    store.set_server_enabled(&server.name, false).await.unwrap();
    assert!(store.update_offer(&server, &offer(&["newer"]), &[]).await.unwrap());
    assert_eq!(state(&record(&store, "s").await), [("newer".to_owned(), false)]);
}

#[tokio::test]
async fn a_shared_database_without_a_key_stores_no_secret() {
    let home = Home::new();
    let store = Store::open(home.database(), KeySource::default()).await.unwrap();
    store.put_server(&stdio_server("plain", &[]), &offer(&[]), false).await.unwrap();
    let error = store.put_server(&http_server("h"), &offer(&[]), false).await.unwrap_err().to_string();
    assert!(error.contains("MCPJUNGLE_SECRET_KEY"), "{error}");
    assert_eq!(records(&store).await.len(), 1);
    assert!(Database::Postgres(Secret::new("postgres://x")).default_key_file().is_none());
}

#[tokio::test]
async fn a_server_that_cannot_be_read_is_left_out_and_the_others_are_served() {
    let home = Home::new();
    let store = home.open().await;
    for server in ["config", "item", "secret", "sound"] {
        store.put_server(&stdio_server(server, &[("K", server)]), &offer(&["t"]), false).await.unwrap();
    }
    for damage in [
        "UPDATE servers SET config = '{' WHERE name = 'config'",
        "UPDATE items SET kind = 'gadget' WHERE server_id = (SELECT id FROM servers WHERE name = 'item')",
        "UPDATE server_secrets SET ciphertext = x'00' WHERE server_id = (SELECT id FROM servers WHERE name = 'secret')",
        "INSERT INTO servers SELECT 99, 'a__b', revision, description, transport, config, session_mode, enabled, \
         initialize, created_at, updated_at, tool_sync_interval_seconds FROM servers WHERE name = 'sound'",
    ] {
        home.damage(damage).await;
    }
    let served = async |store: &Store| -> Vec<String> {
        records(store).await.into_iter().map(|record| record.server.name.to_string()).collect()
    };
    assert_eq!(served(&store).await, ["sound"]);
    let store = home.open().await;
    assert_eq!(served(&store).await, ["sound"], "one secret that opens shows that the key is right");

    store.put_server(&stdio_server("secret", &[("K", "new")]), &offer(&["t"]), true).await.unwrap();
    assert!(store.delete_server(&name("config")).await.unwrap());
    assert_eq!(served(&store).await, ["secret", "sound"], "what is left out can be replaced and removed");

    home.damage("UPDATE server_secrets SET ciphertext = x'00'").await;
    let error = home.try_open(None).await.err().unwrap();
    assert!(matches!(error, OpenError::Store(StoreError::Key(KeyError::Wrong { .. }))), "{error}");
}
