//! The policies' view of what is stored, answered from the snapshot.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::{ResourceAddress, Snapshot};
use crate::clock::now_ms;
use crate::group::ToolGroup;
use crate::identity::IdentityRecord;
use crate::names::{GroupName, SEPARATOR};
use crate::pipeline::{Directory, GroupDefinition, Identity, Mode};
use crate::store::IdentityRef;

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

    fn find_by_token(&self, token: &str) -> Option<Identity> {
        self.snapshot.load().identities.find_by_token(token, now_ms).map(|record| identity(record))
    }

    fn find_client(&self, name: &str) -> Option<Identity> {
        self.snapshot.load().identities.find(IdentityRef::Client(name)).map(|record| identity(record))
    }

    fn find_user(&self, name: &str) -> Option<Identity> {
        self.snapshot.load().identities.find(IdentityRef::User(name)).map(|record| identity(record))
    }

    fn find_group(&self, name: &str) -> Option<GroupDefinition> {
        let snapshot = self.snapshot.load();
        snapshot.groups.get(&GroupName::parse(name).ok()?).map(|group| definition(group))
    }
}

fn identity(record: &IdentityRecord) -> Identity {
    Identity { kind: record.kind.principal_kind(), name: record.name.to_string(), allow: record.allow.clone() }
}

fn definition(group: &ToolGroup) -> GroupDefinition {
    GroupDefinition {
        name: group.name.to_string(),
        included_tools: group.included_tools.clone(),
        included_servers: group.included_servers.clone(),
        excluded_tools: group.excluded_tools.clone(),
        included_prompts: group.included_prompts.clone(),
        excluded_prompts: group.excluded_prompts.clone(),
        included_resources: group.included_resources.iter().map(|entry| resource_entry(entry)).collect(),
        excluded_resources: group.excluded_resources.iter().map(|entry| resource_entry(entry)).collect(),
        allowed_clients: group.allowed_clients.clone(),
    }
}

/// Our own URI of a resource means nothing to policies; the server's means the same.
fn resource_entry(entry: &str) -> String {
    match ResourceAddress::parse(entry) {
        Some(ResourceAddress::OfServer(server, original)) => format!("{server}{SEPARATOR}{original}"),
        Some(ResourceAddress::Foreign) | None => entry.to_owned(),
    }
}
