//! PostgreSQL: where it is, waiting until it is there, and what its refusals mean.

use std::fmt;
use std::time::Duration;

use sqlx::Connection as _;
use sqlx::any::AnyConnectOptions;
use sqlx::migrate::MigrateError;
use sqlx::postgres::PgConnectOptions;
use thiserror::Error;
use tokio::time::Instant;
use url::{Host, Url};

use crate::secret::Secret;
use crate::store::error::{database_code, is_unreachable, with_sources};

/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait between attempts, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// PostgreSQL's own codes for what an administrator can mend.
const WRONG_PASSWORD: &str = "28P01";
const NOT_ADMITTED: &str = "28000";
const NO_SUCH_DATABASE: &str = "3D000";
const INSUFFICIENT_PRIVILEGE: &str = "42501";

/// Which settings say where the database is; messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostgresSettings {
    /// `DATABASE_URL`.
    Url,
    /// `POSTGRES_HOST` and its like.
    Variables,
}

/// A database in a PostgreSQL server. Shown without its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresDatabase {
    url: Secret,
    /// `host:port`, or the folder of a Unix socket.
    address: String,
    user: String,
    name: String,
    settings: PostgresSettings,
    patience: Duration,
}

/// Why a URL is not one of a PostgreSQL database. Never holds the URL: it has a password.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PostgresUrlError {
    #[error("is not a PostgreSQL URL: write it as {URL_FORM}")]
    Scheme,
    #[error(
        "cannot be read ({0}): write it as {URL_FORM}, \
         with special characters in the password percent-encoded (`@` as `%40`, `/` as `%2F`, `#` as `%23`)"
    )]
    Malformed(String),
}

const URL_FORM: &str = "`postgres://USER:PASSWORD@HOST:PORT/DATABASE`";

/// Why PostgreSQL cannot be used.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum PostgresError {
    #[error("cannot reach PostgreSQL at {address} ({reason}): start it, or check {variables}")]
    Unreachable { address: String, reason: String, variables: &'static str },
    #[error("PostgreSQL at {address} does not accept user `{user}` with this password: check {variables}")]
    WrongPassword { address: String, user: String, variables: &'static str },
    #[error("PostgreSQL at {address} does not admit user `{user}` ({reason}): check {variables}, and its pg_hba.conf")]
    NotAdmitted { address: String, user: String, reason: String, variables: &'static str },
    #[error("PostgreSQL at {address} has no database `{name}`: create it (`createdb {name}`), or check {variables}")]
    NoDatabase { address: String, name: String, variables: &'static str },
    #[error(
        "PostgreSQL user `{user}` may not create tables in database `{name}` ({reason}): \
         make it the owner of the database, or choose another user"
    )]
    NotAllowed { user: String, name: String, reason: String },
}

impl PostgresDatabase {
    /// Reads `postgres://…` or `postgresql://…`. `settings` is where it came from.
    pub fn parse(url: &str, settings: PostgresSettings) -> Result<Self, PostgresUrlError> {
        let malformed = |reason: &dyn fmt::Display| PostgresUrlError::Malformed(reason.to_string());
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(PostgresUrlError::Scheme);
        }
        let mut url: Url = url.parse().map_err(|error| malformed(&error))?;
        if url.fragment().is_some() {
            return Err(malformed(&"it has a `#`"));
        }
        if let Some(Host::Ipv6(host)) = url.host() {
            // The driver would look for a host whose name has brackets.
            url.query_pairs_mut().append_pair("host", &host.to_string());
        }
        let options: PgConnectOptions = url.as_str().parse().map_err(|error: sqlx::Error| malformed(&error))?;
        let address = match options.get_socket() {
            Some(folder) => folder.display().to_string(),
            None if options.get_host().contains(':') => format!("[{}]:{}", options.get_host(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        let user = options.get_username().to_owned();
        let name = options.get_database().unwrap_or(&user).to_owned();
        Ok(Self { url: Secret::new(url), address, user, name, settings, patience: Duration::ZERO })
    }

    /// How long a start waits for the server to be there; not at all if nobody says.
    #[must_use]
    pub fn waiting_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The URL, password included.
    pub(super) fn url(&self) -> &str {
        self.url.expose()
    }

    /// Waits until the server accepts connections, as long as there is patience: what
    /// starts them both together may start the gateway first.
    pub(super) async fn await_ready(&self, options: &AnyConnectOptions) -> Result<(), sqlx::Error> {
        let deadline = Instant::now() + self.patience;
        let (mut pause, longest) = PAUSES;
        let mut told = None;
        loop {
            let error = match self.try_connect(options).await {
                Err(error) if is_unreachable(&error) => error,
                outcome => return outcome,
            };
            if Instant::now() + pause > deadline {
                return Err(error);
            }
            let reason = with_sources(&error);
            // Once for each reason, not at each attempt.
            if told.as_ref() != Some(&reason) {
                let within_s = self.patience.as_secs();
                tracing::warn!(database = %self, reason, within_s, "waiting for PostgreSQL to accept connections");
                told = Some(reason);
            }
            tokio::time::sleep(pause).await;
            pause = longest.min(pause * 2);
        }
    }

    async fn try_connect(&self, options: &AnyConnectOptions) -> Result<(), sqlx::Error> {
        let connecting = sqlx::AnyConnection::connect_with(options);
        let connection = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| no_answer())??;
        connection.close().await
    }

    /// What an error while opening means to an administrator; `None` if nothing more than it says.
    pub(super) fn explain(&self, error: &MigrateError) -> Option<PostgresError> {
        let error = match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
            _ => return None,
        };
        let (address, user, name) = (self.address.clone(), self.user.clone(), self.name.clone());
        let reason = || match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            sqlx::Error::Io(error) => error.to_string(),
            error => with_sources(error),
        };
        let [server, credentials, database] = self.settings.names();
        Some(match database_code(error).as_deref() {
            _ if is_unreachable(error) => PostgresError::Unreachable { address, reason: reason(), variables: server },
            Some(WRONG_PASSWORD) => PostgresError::WrongPassword { address, user, variables: credentials },
            Some(NOT_ADMITTED) => {
                PostgresError::NotAdmitted { address, user, reason: reason(), variables: credentials }
            }
            Some(NO_SUCH_DATABASE) => PostgresError::NoDatabase { address, name, variables: database },
            Some(INSUFFICIENT_PRIVILEGE) => PostgresError::NotAllowed { user, name, reason: reason() },
            _ => return None,
        })
    }
}

impl PostgresSettings {
    /// What to check for the server, for who connects, and for the database.
    fn names(self) -> [&'static str; 3] {
        match self {
            Self::Url => ["DATABASE_URL"; 3],
            Self::Variables => [
                "POSTGRES_HOST and POSTGRES_PORT",
                "POSTGRES_USER and POSTGRES_PASSWORD (or their _FILE forms)",
                "POSTGRES_DB (or POSTGRES_DB_FILE)",
            ],
        }
    }
}

impl fmt::Display for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgreSQL at {}, database `{}`", self.address, self.name)
    }
}

fn no_answer() -> sqlx::Error {
    let seconds = CONNECT_TIMEOUT.as_secs();
    std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer within {seconds} s")).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<PostgresDatabase, PostgresUrlError> {
        PostgresDatabase::parse(url, PostgresSettings::Url)
    }

    #[test]
    fn a_database_is_shown_by_its_address_and_never_with_its_password() {
        for (url, shown) in [
            ("postgres://u:hidden@h:6543/d", "PostgreSQL at h:6543, database `d`"),
            (
                "postgresql://u:hid%40den@h.example:5432/my%20db?sslmode=disable",
                "PostgreSQL at h.example:5432, database `my db`",
            ),
            ("postgres://u:hidden@h:5432", "PostgreSQL at h:5432, database `u`"),
            ("postgres://u:hidden@[::1]:5432/d", "PostgreSQL at [::1]:5432, database `d`"),
            ("postgres://u:hidden@%2Frun%2Fpostgresql/d", "PostgreSQL at /run/postgresql, database `d`"),
            ("postgres:///?host=h&port=1&user=u&password=hidden&dbname=d", "PostgreSQL at h:1, database `d`"),
        ] {
            let database = parse(url).unwrap();
            assert_eq!(database.to_string(), shown);
            assert!(!format!("{database:?}").contains("hid"), "{database:?}");
        }
    }

    #[test]
    fn what_is_no_postgresql_url_is_refused_without_showing_it() {
        for bad in [
            "mysql://u:hidden@h/d",
            "hidden",
            "host=h password=hidden",
            "postgres:/hidden",
            "postgres://u:hid#den@h/d",
            "postgres://u:hid/den@h/d",
            "postgres://u:hid?den@h/d",
            "postgres://u:hidden@h:port/d",
            "postgres://u:1#hidden@h/d",
        ] {
            let message = parse(bad).unwrap_err().to_string();
            assert!(message.contains(URL_FORM) && !message.contains("hid"), "{bad}: {message}");
        }
    }
}
