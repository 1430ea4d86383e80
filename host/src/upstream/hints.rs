//! Word that a server's lists may have changed. Saying it again before it was
//! heard changes nothing, so nobody can flood the gateway with it.

use std::collections::HashSet;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::names::ServerName;

/// Which servers have said so since somebody last asked.
#[derive(Default)]
pub struct ListHints {
    changed: Mutex<HashSet<ServerName>>,
    told: Notify,
}

impl ListHints {
    /// Says that the lists of a server may have changed.
    pub fn tell(&self, server: &ServerName) {
        self.changed.lock().insert(server.clone());
        self.told.notify_one();
    }

    /// Waits until there are such servers, and takes them.
    pub async fn next(&self) -> HashSet<ServerName> {
        loop {
            let changed = std::mem::take(&mut *self.changed.lock());
            if !changed.is_empty() {
                return changed;
            }
            self.told.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_said_twice_is_heard_once() {
        let hints = ListHints::default();
        let name = ServerName::parse("a").unwrap();
        hints.tell(&name);
        hints.tell(&name);
        assert_eq!(hints.next().await.len(), 1);
        assert!(futures_util::FutureExt::now_or_never(hints.next()).is_none());
    }
}
