//! Failures of the store: what the caller can mend, what passes by itself, and what is broken.

use std::error::Error;
use std::io;
use std::time::Duration;

use thiserror::Error;

use crate::store::secrets::KeyError;

/// How long an answer, or those to a whole change, may take: longer than any wait of the database's own for a lock.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// PostgreSQL's own code for a lock that another transaction holds for too long.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// The databases' own codes for a disk without space: PostgreSQL's, SQLite's, and SQLite's for
/// a write that the system refuses for another reason, such as a limit.
const FULL: [&str; 3] = ["53100", "13", "778"];

/// Why the store did not do as told.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum StoreError {
    #[error("{kind} {name} already exists")]
    AlreadyExists { kind: &'static str, name: String },
    #[error("this access token is in use already: choose another one")]
    TokenTaken,
    #[error("cannot delete an admin user")]
    AdminIsKept,
    #[error("cannot take the role from the last admin: make another user an admin first")]
    LastAdmin,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the database holds something unreadable: {0}")]
    Unreadable(String),
    /// Nothing was changed.
    #[error("the database cannot be reached")]
    Unreachable(#[source] sqlx::Error),
    /// Nothing was changed.
    #[error("another change to the database takes too long")]
    Busy(#[source] sqlx::Error),
    /// Nothing was changed.
    #[error("the database cannot be written to: its disk is full, or its files may not grow any more")]
    Full(#[source] sqlx::Error),
    /// The connection was lost while the change was being confirmed.
    #[error("the database was lost before it confirmed the change, which may or may not have been made")]
    Unconfirmed(#[source] sqlx::Error),
    #[error("the database did not answer as it should")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match database_code(&error).as_deref() {
            _ if is_unreachable(&error) => Self::Unreachable(error),
            Some(LOCK_NOT_AVAILABLE) => Self::Busy(error),
            Some(code) if FULL.contains(&code) => Self::Full(error),
            _ => Self::Database(error),
        }
    }
}

impl StoreError {
    /// A failure of `COMMIT`: one that cannot tell whether the change was made must not say that it was not.
    pub(super) fn of_commit(error: sqlx::Error) -> Self {
        if is_unreachable(&error) { Self::Unconfirmed(error) } else { error.into() }
    }
}

/// Gives up on a database that has stopped to answer on a connection that is open. `work`
/// is a statement, or some that belong together.
pub(super) async fn bounded<T, E: From<sqlx::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    match tokio::time::timeout(ANSWER_TIMEOUT, work).await {
        Ok(outcome) => outcome,
        Err(_) => Err(sqlx::Error::from(io::Error::new(io::ErrorKind::TimedOut, "no answer from the database")).into()),
    }
}

/// Whether nobody is there to answer, or nobody yet, rather than something being wrong with the question.
pub(super) fn is_unreachable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => true,
        // Connection exceptions; too many connections; shutting down, crashed, starting up.
        sqlx::Error::Database(_) => database_code(error).is_some_and(|code| {
            code.starts_with("08") || matches!(code.as_str(), "53300" | "57P01" | "57P02" | "57P03")
        }),
        _ => false,
    }
}

/// The database's own code for an error.
pub(super) fn database_code(error: &sqlx::Error) -> Option<String> {
    Some(error.as_database_error()?.code()?.into_owned())
}

/// An error with what it came from, on one line.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        // Some errors repeat their source.
        let deeper = error.to_string();
        if !text.ends_with(&deeper) {
            text.push_str(&format!(": {deeper}"));
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost() -> sqlx::Error {
        io::Error::from(io::ErrorKind::ConnectionReset).into()
    }

    #[test]
    fn only_a_lost_commit_leaves_open_whether_the_change_was_made() {
        assert!(matches!(lost().into(), StoreError::Unreachable(_)));
        assert!(matches!(sqlx::Error::PoolTimedOut.into(), StoreError::Unreachable(_)));
        assert!(matches!(sqlx::Error::RowNotFound.into(), StoreError::Database(_)));
        assert!(matches!(StoreError::of_commit(lost()), StoreError::Unconfirmed(_)));
        assert!(matches!(StoreError::of_commit(sqlx::Error::RowNotFound), StoreError::Database(_)));
    }
}
