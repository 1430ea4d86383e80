//! The catalog follows its upstreams: each enabled server has a follower that reads
//! its lists again when it says that they changed, when it is up again after having
//! been down, and now and then in any case.
//!
//! - `follower`: one server, one refresh at a time.
//! - `ear`: hearing that its lists have changed.
//! - `pace`: when to look again.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

use crate::catalog::Snapshot;
use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::sync::follower::Follower;
use crate::upstream::ListHints;

mod ear;
mod follower;
mod pace;

pub(crate) use follower::{FollowError, headers_of_gateway};

/// The followers of all servers. They end with it.
#[derive(Default)]
pub struct CatalogSync {
    /// Tells that other servers may be served now.
    published: Arc<Notify>,
    task: OnceLock<AbortOnDropHandle<()>>,
}

impl CatalogSync {
    /// Starts following. To be called once.
    pub(crate) fn start(&self, gateway: &Arc<Gateway>) {
        let (hints, published) = (Arc::clone(gateway.upstreams.hints()), Arc::clone(&self.published));
        let following = follow_all(Arc::downgrade(gateway), hints, published);
        self.task.get_or_init(|| AbortOnDropHandle::new(tokio::spawn(following)));
    }

    /// Says that a new snapshot is served.
    pub(crate) fn snapshot_published(&self) {
        self.published.notify_one();
    }
}

async fn follow_all(gateway: Weak<Gateway>, hints: Arc<ListHints>, published: Arc<Notify>) {
    let mut followers = HashMap::new();
    loop {
        let Some(strong) = gateway.upgrade() else { return };
        follow_what_is_served(&mut followers, &strong);
        drop(strong);
        loop {
            tokio::select! {
                () = published.notified() => break,
                changed = hints.next() => {
                    for server in &changed {
                        followers.get(server).into_iter().for_each(Follower::hint);
                    }
                }
            }
        }
    }
}

/// One follower for each server that is enabled, as it is registered now.
fn follow_what_is_served(followers: &mut HashMap<ServerName, Follower>, gateway: &Arc<Gateway>) {
    let snapshot: Arc<Snapshot> = gateway.snapshot();
    followers.retain(|name, follower| {
        snapshot.servers.get(name).is_some_and(|server| server.enabled && follower.follows(&server.server))
    });
    for (name, server) in snapshot.servers.iter().filter(|(_, server)| server.enabled) {
        if !followers.contains_key(name) {
            followers.insert(name.clone(), Follower::start(gateway, server));
        }
    }
}
