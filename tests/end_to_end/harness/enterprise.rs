//! A gateway in enterprise mode, and identities whose tokens the test knows.

use std::path::Path;
use std::sync::Arc;

use mcpjungle_host::identity::{AccessToken, IdentityKind, Role, TokenDigest};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::{Database, KeySource, NewIdentity, Store};
#[cfg(feature = "e2e")]
use mcpjungle_host::store::{PostgresDatabase, PostgresSettings};
use tempfile::TempDir;

use super::gateway::{Gateway, new_home};

/// The administrator's, also in the conf file of the home, where commands find it.
pub(crate) const ADMIN_TOKEN: &str = "token-of-the-administrator";

/// Who there is to be: an identity by its kind, name, token and allow-list.
pub(crate) type Person<'a> = (IdentityKind, &'a str, &'a str, &'a [&'a str]);

/// An MCP client with an allow-list.
pub(crate) fn client<'a>(name: &'a str, token: &'a str, allow: &'a [&'a str]) -> Person<'a> {
    (IdentityKind::Client, name, token, allow)
}

/// A user who is no administrator.
pub(crate) fn user<'a>(name: &'a str, token: &'a str) -> Person<'a> {
    (IdentityKind::User(Role::User), name, token, &[])
}

/// Starts a gateway that is initialised, in a home of its own, with these identities besides the administrator.
pub(crate) async fn start(people: &[Person<'_>]) -> Gateway {
    start_in(home(people).await, &[])
}

/// Starts a gateway in such a home, with more arguments for `start`.
pub(crate) fn start_in(home: Arc<TempDir>, arguments: &[&str]) -> Gateway {
    Gateway::start_in(home, &[&["--enterprise", "--host", "127.0.0.1"], arguments].concat())
}

/// A home whose database is initialised.
pub(crate) async fn home(people: &[Person<'_>]) -> Arc<TempDir> {
    let home = new_home();
    let store = open(home.path()).await;
    settle(&home, store, people).await;
    home
}

/// A home whose database is on a PostgreSQL server, and initialised; its `.env` says so.
#[cfg(feature = "e2e")]
pub(crate) async fn home_on(cluster: &crate::postgres::Cluster, people: &[Person<'_>]) -> Arc<TempDir> {
    let home = new_home();
    let url = cluster.url(&cluster.create_database());
    let variables = format!("DATABASE_URL={url}\nMCPJUNGLE_SECRET_KEY={}\n", "5a".repeat(32));
    std::fs::write(home.path().join(".env"), variables).expect("the home is writable");
    let database = PostgresDatabase::parse(&url, PostgresSettings::Url).expect("it is a URL");
    // Without the key: no secret is stored.
    let store = Store::open(Database::Postgres(database), KeySource::default()).await.expect("the server runs");
    settle(&home, store, people).await;
    home
}

async fn settle(home: &TempDir, store: Store, people: &[Person<'_>]) {
    std::fs::write(home.path().join(".mcpjungle.conf"), format!("access_token: {ADMIN_TOKEN}\n"))
        .expect("the home is writable");
    store.initialize(Mode::Enterprise, Some(digest(ADMIN_TOKEN))).await.expect("the database is new");
    add(&store, people).await;
    store.close().await;
}

/// The database of a home, which a gateway may be running on.
pub(crate) async fn open(home: &Path) -> Store {
    let database = Database::Sqlite(home.join("mcpjungle.db"));
    let keys = KeySource { configured: None, key_file: database.default_key_file() };
    Store::open(database, keys).await.expect("a database can be made there")
}

/// Adds identities.
pub(crate) async fn add(store: &Store, people: &[Person<'_>]) {
    for (kind, name, token, allow) in people {
        let allow: Vec<String> = allow.iter().map(|&pattern| pattern.to_owned()).collect();
        let identity = NewIdentity { kind: *kind, name, description: "", allow: &allow, digest: digest(token) };
        store.create_identity(&identity).await.expect("name and token are new");
    }
}

/// What is stored of a token.
pub(crate) fn digest(token: &str) -> TokenDigest {
    AccessToken::parse(token).expect("a token of the test's is a good one").digest()
}
