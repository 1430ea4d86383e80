//! The policies' view of what is stored, answered from the snapshot.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::Snapshot;
use crate::names::GroupName;
use crate::pipeline::{Directory, GroupDefinition, Identity, Mode};

/// Answers from whatever snapshot is current.
pub struct SnapshotDirectory {
    mode: Mode,
    snapshot: Arc<ArcSwap<Snapshot>>,
}

impl SnapshotDirectory {
    /// `snapshot` is the cell that the gateway publishes to.
    pub fn new(mode: Mode, snapshot: Arc<ArcSwap<Snapshot>>) -> Self {
        Self { mode, snapshot }
    }
}

impl Directory for SnapshotDirectory {
    fn mode(&self) -> Mode {
        self.mode
    }

    // No clients or users are stored in development mode, the only one there is so far.
    fn find_by_token(&self, _token: &str) -> Option<Identity> {
        None
    }

    fn find_client(&self, _name: &str) -> Option<Identity> {
        None
    }

    fn find_user(&self, _name: &str) -> Option<Identity> {
        None
    }

    fn find_group(&self, name: &str) -> Option<GroupDefinition> {
        let snapshot = self.snapshot.load();
        let group = snapshot.groups.get(&GroupName::parse(name).ok()?)?;
        Some(GroupDefinition {
            name: group.name.to_string(),
            included_tools: group.included_tools.clone(),
            included_servers: group.included_servers.clone(),
            excluded_tools: group.excluded_tools.clone(),
        })
    }
}
