//! Finding the database, connecting, migrating, and trying the key.

use std::fmt;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AnyConnection, AnyPool, Connection};
use thiserror::Error;
use tokio::sync::Mutex;

use crate::store::announce::Announcements;
use crate::store::postgres::{PostgresDatabase, PostgresError};
use crate::store::secrets::{KeyError, KeySource, SecretBox};
use crate::store::{Dialect, Store, StoreError};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// How long an operation waits for a connection, and so how long an administrator
/// waits to be told that PostgreSQL is away.
const POSTGRES_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a plugin's question waits for a connection, if its deadline is later.
const VALUES_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// SQLite's own code for a file that is none of its databases.
const SQLITE_NOT_A_DATABASE: &str = "26";
/// PostgreSQL's own code for a table that is not there.
const POSTGRES_UNDEFINED_TABLE: &str = "42P01";

/// Which database.
#[derive(Debug, Clone)]
pub enum Database {
    /// A file, created if it is missing; its folder must exist.
    Sqlite(PathBuf),
    /// A database in a PostgreSQL server, which several gateways may share.
    Postgres(PostgresDatabase),
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

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "SQLite file {}", path.display()),
            Self::Postgres(postgres) => postgres.fmt(f),
        }
    }
}

/// Why the store could not be opened.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum OpenError {
    #[error("cannot open the database {} for writing", .path.display())]
    NotWritable { path: PathBuf, source: io::Error },
    #[error("the path of the database, {}, is not UTF-8", .path.display())]
    PathNotUtf8 { path: PathBuf },
    #[error("no gateway has used the {database} yet: name its database as `mcpjungle start` is told of it")]
    Missing { database: String },
    #[error("{} is not an SQLite database", .path.display())]
    NotADatabase { path: PathBuf },
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    #[error("cannot connect to the database")]
    Connect(#[source] sqlx::Error),
    #[error("the database was last used by a newer version of mcpjungle, which left migration {0} in it")]
    Newer(i64),
    #[error("cannot bring the database up to date")]
    Migrate(#[source] MigrateError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Connects, applies migrations, and makes sure that the key opens the
    /// secrets that are there, so that a wrong key stops the start and not a call.
    pub async fn open(database: Database, key: KeySource) -> Result<Self, OpenError> {
        let store = Self::open_untried(database, key).await?;
        store.try_key().await?;
        Ok(store)
    }

    /// As [`Self::open`], for a database that some gateway has used before, and whatever the key opens.
    pub async fn open_existing(database: Database, key: KeySource) -> Result<Self, OpenError> {
        database.find().await?;
        Self::open_untried(database, key).await
    }

    async fn open_untried(database: Database, key: KeySource) -> Result<Self, OpenError> {
        sqlx::any::install_default_drivers();
        let secrets = SecretBox::new(key)?;
        let (options, dialect) = database.connect_options()?;
        migrate(&database, &options, dialect).await.map_err(|error| database.explain(error))?;
        let announcements = match &database {
            Database::Sqlite(_) => None,
            Database::Postgres(postgres) => Some(Announcements::listen(postgres.url()).map_err(OpenError::Connect)?),
        };
        let anchor = match dialect {
            Dialect::Sqlite => Some(anchor(&options).await.map_err(OpenError::Connect)?),
            Dialect::Postgres => None,
        };
        let store = Self {
            values_pool: values_pool(options.clone(), dialect),
            pool: pool(options, dialect),
            anchor: Mutex::new(anchor),
            dialect,
            secrets,
            writer: Arc::default(),
            announcements,
            left_out: Default::default(),
            opened: Default::default(),
        };
        store.finish_succession().await?;
        Ok(store)
    }
}

/// On a connection of its own: a pool would try again and again what cannot succeed.
async fn migrate(database: &Database, options: &AnyConnectOptions, dialect: Dialect) -> Result<(), MigrateError> {
    let migrations = match database {
        Database::Sqlite(_) => &SQLITE_MIGRATIONS,
        Database::Postgres(postgres) => {
            postgres.await_ready(options).await?;
            &POSTGRES_MIGRATIONS
        }
    };
    let mut connection = AnyConnection::connect_with(options).await?;
    if dialect == Dialect::Sqlite {
        // Not on PostgreSQL: another gateway may be migrating, and that may take its time.
        prepare(&mut connection, dialect).await?;
    }
    migrations.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}

fn pool(options: AnyConnectOptions, dialect: Dialect) -> AnyPool {
    let pool = AnyPoolOptions::new().after_connect(move |connection, _| Box::pin(prepare(connection, dialect)));
    let pool = match dialect {
        // One for the change under way, one for reading meanwhile; each is a thread.
        Dialect::Sqlite => pool
            .max_connections(2)
            .acquire_timeout(Duration::from_secs(10))
            .idle_timeout(None)
            .max_lifetime(None)
            .test_before_acquire(false)
            .after_release(|connection, _| Box::pin(is_clean(connection))),
        Dialect::Postgres => pool.max_connections(8).acquire_timeout(POSTGRES_ACQUIRE_TIMEOUT),
    };
    pool.connect_lazy_with(options)
}

/// For what plugins keep: single statements, whose callers do not wait long.
fn values_pool(options: AnyConnectOptions, dialect: Dialect) -> AnyPool {
    let pool = AnyPoolOptions::new().acquire_timeout(VALUES_ACQUIRE_TIMEOUT).after_connect(move |connection, _| {
        Box::pin(async move {
            prepare(connection, dialect).await?;
            if dialect == Dialect::Sqlite {
                // A count may be lost with the power, but not with the process; it need not wait for the disk.
                sqlx::query("PRAGMA synchronous = NORMAL").execute(connection).await?;
            }
            Ok(())
        })
    });
    let pool = match dialect {
        Dialect::Sqlite => {
            let pool = pool.max_connections(1).idle_timeout(Duration::from_secs(60)).max_lifetime(None);
            pool.test_before_acquire(false).after_release(|connection, _| Box::pin(is_clean(connection)))
        }
        Dialect::Postgres => pool.max_connections(4),
    };
    pool.connect_lazy_with(options)
}

/// SQLite itself rolls back what fails for want of space. The driver's own rollback then
/// fails, and it takes the connection for one that is in a transaction still, for ever.
async fn is_clean(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    // Comes after the rollback of a transaction that was dropped.
    connection.ping().await?;
    Ok(!connection.is_in_transaction())
}

/// A connection that keeps SQLite's log and index open, however often others are closed: to
/// make them anew takes space, and there may be none.
async fn anchor(options: &AnyConnectOptions) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = AnyConnection::connect_with(options).await?;
    prepare(&mut connection, Dialect::Sqlite).await?;
    sqlx::query("SELECT revision FROM revision").fetch_one(&mut connection).await?;
    Ok(connection)
}

/// Sets what a connection does not keep from one opening to the next.
async fn prepare(connection: &mut AnyConnection, dialect: Dialect) -> Result<(), sqlx::Error> {
    let settings: &[&'static str] = match dialect {
        Dialect::Sqlite => &[
            "PRAGMA busy_timeout = 5000",
            "PRAGMA journal_mode = WAL",
            "PRAGMA synchronous = FULL",
            "PRAGMA foreign_keys = ON",
        ],
        // A gateway that hangs in the midst of a change must not hold up the others for ever.
        Dialect::Postgres => &["SET lock_timeout = '5s'", "SET idle_in_transaction_session_timeout = '30s'"],
    };
    for setting in settings {
        sqlx::query(*setting).execute(&mut *connection).await?;
    }
    Ok(())
}

impl Database {
    /// Makes sure that it is there, with tables of ours in it.
    async fn find(&self) -> Result<(), OpenError> {
        let missing = || OpenError::Missing { database: self.to_string() };
        if matches!(self, Self::Sqlite(path) if !path.exists()) {
            return Err(missing());
        }
        sqlx::any::install_default_drivers();
        let (options, _) = self.connect_options()?;
        if let Self::Postgres(postgres) = self {
            let ready = postgres.await_ready(&options).await;
            ready.map_err(|error| self.explain(MigrateError::Execute(error)))?;
        }
        let reading = async {
            let mut connection = AnyConnection::connect_with(&options).await?;
            let found = sqlx::query("SELECT revision FROM revision").fetch_optional(&mut connection).await;
            let closed = connection.close().await;
            found.and_then(|row| closed.map(|()| row))
        };
        match reading.await {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(missing()),
            Err(error) if is_without_table(&error) => Err(missing()),
            Err(error) => Err(self.explain(MigrateError::Execute(error))),
        }
    }

    fn connect_options(&self) -> Result<(AnyConnectOptions, Dialect), OpenError> {
        let (url, dialect) = match self {
            Self::Sqlite(path) => {
                create_if_missing(path).map_err(|source| OpenError::NotWritable { path: path.clone(), source })?;
                (sqlite_url(path)?, Dialect::Sqlite)
            }
            Self::Postgres(postgres) => (postgres.url().to_owned(), Dialect::Postgres),
        };
        Ok((url.parse().map_err(OpenError::Connect)?, dialect))
    }

    fn explain(&self, error: MigrateError) -> OpenError {
        let is_not_a_database = match &error {
            MigrateError::Execute(sqlx::Error::Database(error))
            | MigrateError::ExecuteMigration(sqlx::Error::Database(error), _) => {
                error.code().as_deref() == Some(SQLITE_NOT_A_DATABASE)
            }
            _ => false,
        };
        if let Self::Postgres(postgres) = self
            && let Some(explained) = postgres.explain(&error)
        {
            return explained.into();
        }
        match (self, error) {
            (Self::Sqlite(path), _) if is_not_a_database => OpenError::NotADatabase { path: path.clone() },
            (_, MigrateError::VersionMissing(version)) => OpenError::Newer(version),
            (_, MigrateError::Execute(error)) => OpenError::Connect(error),
            (_, error) => OpenError::Migrate(error),
        }
    }
}

/// PostgreSQL has a code for it, SQLite only words.
fn is_without_table(error: &sqlx::Error) -> bool {
    let Some(error) = error.as_database_error() else { return false };
    error.code().as_deref() == Some(POSTGRES_UNDEFINED_TABLE) || error.message().starts_with("no such table")
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
