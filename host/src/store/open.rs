//! Finding the database, connecting, migrating, and trying the key.

use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyPool, Connection, Row};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::names::ServerName;
use crate::secret::Secret;
use crate::store::secrets::{KeyError, KeySource, SecretBox};
use crate::store::{Dialect, Store, StoreError};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// SQLite's own code for a file that is none of its databases.
const SQLITE_NOT_A_DATABASE: &str = "26";

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, created if it is missing; its folder must exist.
    Sqlite(PathBuf),
    /// A connection URL, `postgres://…`. May hold a password.
    Postgres(Secret),
}

impl Database {
    /// Where the secret key is kept when none is configured: `mcpjungle.key`
    /// beside an SQLite file. Beside a shared database there is no such place.
    pub fn default_key_file(&self) -> Option<PathBuf> {
        match self {
            Self::Sqlite(path) => Some(path.with_file_name("mcpjungle.key")),
            Self::Postgres(_) => None,
        }
    }
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("cannot open the database {} for writing: {source}", .path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("the path of the database, {}, is not UTF-8", .path.display())]
    PathNotUtf8 { path: PathBuf },
    #[error("{} is not an SQLite database", .path.display())]
    NotADatabase { path: PathBuf },
    #[error("cannot connect to the database: {0}")]
    Connect(sqlx::Error),
    #[error("the database was last used by a newer version of mcpjungle, which left migration {0} in it")]
    Newer(i64),
    #[error("cannot bring the database up to date: {0}")]
    Migrate(MigrateError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Connects, applies migrations, and makes sure that the key opens the
    /// secrets that are there, so that a wrong key stops the start and not a call.
    pub async fn open(database: Database, key: KeySource) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let secrets = SecretBox::new(key)?;
        let (pool, dialect) = match &database {
            Database::Sqlite(path) => (open_sqlite(path).await?, Dialect::Sqlite),
            Database::Postgres(url) => (open_postgres(url).await?, Dialect::Postgres),
        };
        migrate(&pool, dialect).await.map_err(|error| database.explain(error))?;
        let store = Self { pool, dialect, secrets, writer: Mutex::new(()) };
        store.try_key().await?;
        Ok(store)
    }

    async fn try_key(&self) -> Result<(), StoreError> {
        let any = "SELECT servers.name, server_secrets.name, ciphertext \
                   FROM server_secrets JOIN servers ON servers.id = server_id LIMIT 1";
        if let Some(row) = sqlx::query(any).fetch_optional(&self.pool).await? {
            let server =
                ServerName::parse(row.try_get(0)?).map_err(|error| StoreError::Unreadable(error.to_string()))?;
            self.secrets.unseal(&server, row.try_get(1)?, row.try_get(2)?)?;
        }
        Ok(())
    }
}

async fn open_sqlite(path: &Path) -> Result<AnyPool, OpenError> {
    create_if_missing(path).map_err(|source| OpenError::NotWritable { path: path.to_owned(), source })?;
    let options: AnyConnectOptions = sqlite_url(path)?.parse().map_err(OpenError::Connect)?;
    let pool = AnyPoolOptions::new()
        // One for the change under way, one for reading meanwhile; each is a thread.
        .max_connections(2)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(|connection, _| {
            Box::pin(async move {
                for pragma in [
                    "PRAGMA busy_timeout = 5000",
                    "PRAGMA journal_mode = WAL",
                    "PRAGMA synchronous = FULL",
                    "PRAGMA foreign_keys = ON",
                ] {
                    sqlx::query(pragma).execute(&mut *connection).await?;
                }
                Ok(())
            })
        })
        .connect_with(options)
        .await;
    pool.map_err(|error| Database::Sqlite(path.to_owned()).explain(MigrateError::Execute(error)))
}

async fn open_postgres(url: &Secret) -> Result<AnyPool, OpenError> {
    let options: AnyConnectOptions = url.expose().parse().map_err(OpenError::Connect)?;
    AnyPoolOptions::new()
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(10))
        .connect_with(options)
        .await
        .map_err(OpenError::Connect)
}

async fn migrate(pool: &AnyPool, dialect: Dialect) -> Result<(), MigrateError> {
    let migrations = match dialect {
        Dialect::Sqlite => &SQLITE_MIGRATIONS,
        Dialect::Postgres => &POSTGRES_MIGRATIONS,
    };
    let mut connection = pool.acquire().await?;
    migrations.run_direct(None, &mut *connection, false).await?;
    connection.ping().await.map_err(MigrateError::Execute)
}

impl Database {
    fn explain(&self, error: MigrateError) -> OpenError {
        let is_not_a_database = match &error {
            MigrateError::Execute(sqlx::Error::Database(error))
            | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) => {
                error.code().as_deref() == Some(SQLITE_NOT_A_DATABASE)
            }
            _ => false,
        };
        match (self, error) {
            (Self::Sqlite(path), _) if is_not_a_database => OpenError::NotADatabase { path: path.clone() },
            (_, MigrateError::VersionMissing(version)) => OpenError::Newer(version),
            (_, error) => OpenError::Migrate(error),
        }
    }
}

/// For the owner only: what upstreams are registered is nobody else's business.
fn create_if_missing(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

/// The file exists, so its path can be made canonical; a URL would otherwise
/// resolve `..` without regard to links.
fn sqlite_url(path: &Path) -> Result<String, OpenError> {
    let whole = path.canonicalize().map_err(|source| OpenError::NotWritable { path: path.to_owned(), source })?;
    let text = whole.to_str().ok_or_else(|| OpenError::PathNotUtf8 { path: path.to_owned() })?;
    let mut url = String::from("sqlite://");
    for byte in text.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(url)
}
