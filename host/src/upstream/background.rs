//! Work that goes on when nobody waits for it any more: ends of sessions, children
//! not reaped yet. Waited for when a server is forgotten and when the gateway ends.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// The background work of one server, which is part of the gateway's.
#[derive(Debug, Clone, Default)]
pub(super) struct Background {
    server: TaskTracker,
    gateway: TaskTracker,
}

/// As long as it exists, there is more work to come.
pub(super) struct WorkToCome {
    _server: TaskTrackerToken,
    _gateway: TaskTrackerToken,
}

impl Background {
    /// That of a server, within the same gateway's.
    pub(super) fn for_server(&self) -> Self {
        Self { server: TaskTracker::new(), gateway: self.gateway.clone() }
    }

    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Without a runtime the process is ending, and its work with it.
        if let Ok(runtime) = Handle::try_current() {
            self.server.spawn_on(self.gateway.track_future(work), &runtime);
        }
    }

    pub(super) fn expect_work(&self) -> WorkToCome {
        WorkToCome { _server: self.server.token(), _gateway: self.gateway.token() }
    }

    /// Waits until this server's work is done; `false` if that took too long.
    pub(super) async fn finish_server(&self, bound: Duration) -> bool {
        self.server.close();
        tokio::time::timeout(bound, self.server.wait()).await.is_ok()
    }

    /// Waits until the work of all servers is done; `false` if that took too long.
    pub(super) async fn finish_gateway(&self, bound: Duration) -> bool {
        self.gateway.close();
        tokio::time::timeout(bound, self.gateway.wait()).await.is_ok()
    }
}
