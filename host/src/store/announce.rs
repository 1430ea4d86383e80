//! Word of changes: PostgreSQL tells every gateway on a database when one of them has changed it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::store::Store;
use crate::store::error::with_sources;

/// What a change says when it is committed. Without payload: the revision is read from its row.
pub(super) const ANNOUNCE: &str = "NOTIFY mcpjungle_revision";
const CHANNEL: &str = "mcpjungle_revision";
/// How long after a lost connection a new one is tried.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// After this long without word the connection is tried: one that a network has
/// swallowed does not end by itself.
const SILENCE: Duration = Duration::from_secs(60);

/// A connection of its own that listens, for as long as this lives.
pub(super) struct Announcements {
    arrived: Arc<Notify>,
    listener: AbortHandle,
}

impl Announcements {
    /// Starts to listen.
    pub(super) fn listen(url: &str) -> Result<Self, sqlx::Error> {
        let options = url.parse()?;
        let arrived = Arc::new(Notify::new());
        let listener = tokio::spawn(keep_listening(options, Arc::clone(&arrived))).abort_handle();
        Ok(Self { arrived, listener })
    }
}

impl Drop for Announcements {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Store {
    /// Waits for word that the database may have changed, by whichever gateway, since
    /// this was last waited for. For ever on SQLite, where no other gateway can tell.
    pub fn announced(&self) -> impl Future<Output = ()> + Send + use<> {
        let arrived = self.announcements.as_ref().map(|announcements| Arc::clone(&announcements.arrived));
        async move {
            match arrived {
                Some(arrived) => arrived.notified().await,
                None => pending().await,
            }
        }
    }
}

async fn keep_listening(options: PgConnectOptions, arrived: Arc<Notify>) {
    let mut is_failing = false;
    loop {
        let lost = match connect(&options).await {
            Ok(listener) => {
                is_failing = false;
                pass_on(listener, &arrived).await
            }
            Err(error) => error,
        };
        // Once, not every second.
        if !std::mem::replace(&mut is_failing, true) {
            let error = with_sources(&lost);
            tracing::warn!(error, "not told of changes by other gateways: they are seen within a second instead");
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn connect(options: &PgConnectOptions) -> Result<PgListener, sqlx::Error> {
    // A pool, because the driver's listener takes its connection from one; a new one each
    // time, because a connection that hangs may still hold the place in the last one.
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Tells of each announcement until the connection fails.
async fn pass_on(mut listener: PgListener, arrived: &Notify) -> sqlx::Error {
    // Also right after connecting: what was announced before that went unheard.
    arrived.notify_one();
    loop {
        let outcome = match timeout(SILENCE, listener.try_recv()).await {
            // `None` is a connection that was lost and made anew.
            Ok(received) => received.map(|_| arrived.notify_one()),
            Err(_) => try_connection(&mut listener).await,
        };
        if let Err(error) = outcome {
            return error;
        }
    }
}

async fn try_connection(listener: &mut PgListener) -> Result<(), sqlx::Error> {
    let answer = timeout(CONNECT_TIMEOUT, sqlx::query("SELECT 1").execute(listener)).await;
    answer.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(drop)
}
