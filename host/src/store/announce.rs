//! Word of changes: PostgreSQL tells every gateway on a database when one of them has changed it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use crate::store::Store;
use crate::store::error::with_sources;

/// What a change says when it is committed. Without payload: the revision is read from its row.
pub(super) const ANNOUNCE: &str = "NOTIFY mcpjungle_revision";
const CHANNEL: &str = "mcpjungle_revision";
/// How long after a lost connection a new one is tried.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How long one attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection of its own that listens, for as long as this lives.
pub(super) struct Announcements {
    arrived: Arc<Notify>,
    listener: AbortHandle,
}

impl Announcements {
    /// Starts to listen.
    pub(super) fn listen(url: &str) -> Result<Self, sqlx::Error> {
        // A pool of one, because it is what the driver's listener takes a connection from.
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_lazy(url)?;
        let arrived = Arc::new(Notify::new());
        let listener = tokio::spawn(keep_listening(pool, Arc::clone(&arrived))).abort_handle();
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
    /// this was last called. For ever where no other gateway can tell: on SQLite.
    pub async fn announced(&self) {
        match &self.announcements {
            Some(announcements) => announcements.arrived.notified().await,
            None => pending().await,
        }
    }
}

async fn keep_listening(pool: PgPool, arrived: Arc<Notify>) {
    let mut is_failing = false;
    loop {
        let lost = match listen(&pool).await {
            Ok(mut listener) => {
                is_failing = false;
                loop {
                    // Also right after connecting: what was announced before that went unheard.
                    arrived.notify_one();
                    // `None` is a connection that was lost and made anew.
                    match listener.try_recv().await {
                        Ok(_) => {}
                        Err(error) => break error,
                    }
                }
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

async fn listen(pool: &PgPool) -> Result<PgListener, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}
