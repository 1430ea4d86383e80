//! The policies' view of what is stored, answered from the snapshot.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::catalog::group::resource_entry;
use crate::catalog::{CatalogGroup, Snapshot};
use crate::clock::now_ms;
use crate::group::ToolGroup;
use crate::identity::IdentityRecord;
use crate::names::GroupName;
use crate::pipeline::{Directory, GroupDefinition, GroupEntry, Identity, Item, Mode, PrincipalKind};
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
        self.in_group(name, |group| definition(&group.definition))
    }

    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>> {
        self.in_group(group, |group| items.iter().map(|item| group.entry(item)).collect())
    }

    fn group_admits(&self, group: &str, client: &str) -> Option<bool> {
        self.in_group(group, |group| group.admits(client))
    }
}

impl SnapshotDirectory {
    fn in_group<T>(&self, name: &str, look: impl FnOnce(&CatalogGroup) -> T) -> Option<T> {
        let snapshot = self.snapshot.load();
        snapshot.groups.get(&GroupName::parse(name).ok()?).map(|group| look(group))
    }
}

/// Answers from what it was given once: for components that run without a gateway around them.
pub struct FixedDirectory {
    mode: Mode,
    identities: Vec<(Identity, Option<String>)>,
    groups: Vec<CatalogGroup>,
}

impl FixedDirectory {
    /// With nobody in it.
    pub fn new(mode: Mode) -> Self {
        Self { mode, identities: Vec::new(), groups: Vec::new() }
    }

    /// With one more client or user, and the token that names it.
    pub fn with_identity(mut self, identity: Identity, token: Option<String>) -> Self {
        self.identities.push((identity, token));
        self
    }

    /// With one more group.
    pub fn with_group(mut self, group: ToolGroup) -> Self {
        self.groups.push(CatalogGroup::new(group));
        self
    }

    fn find(&self, is_wanted: impl Fn(&Identity, Option<&str>) -> bool) -> Option<Identity> {
        let mut found = self.identities.iter().filter(|(identity, token)| is_wanted(identity, token.as_deref()));
        found.next().map(|(identity, _)| identity.clone())
    }

    fn group(&self, name: &str) -> Option<&CatalogGroup> {
        self.groups.iter().find(|group| group.definition.name.as_str() == name)
    }
}

impl Directory for FixedDirectory {
    fn mode(&self) -> Mode {
        self.mode
    }

    fn find_by_token(&self, token: &str) -> Option<Identity> {
        self.find(|_, known| known == Some(token))
    }

    fn find_client(&self, name: &str) -> Option<Identity> {
        self.find(|identity, _| identity.kind == PrincipalKind::Client && identity.name == name)
    }

    fn find_user(&self, name: &str) -> Option<Identity> {
        self.find(|identity, _| {
            matches!(identity.kind, PrincipalKind::User | PrincipalKind::Admin) && identity.name == name
        })
    }

    fn find_group(&self, name: &str) -> Option<GroupDefinition> {
        self.group(name).map(|group| definition(&group.definition))
    }

    fn find_in_group(&self, group: &str, items: &[Item]) -> Option<Vec<GroupEntry>> {
        self.group(group).map(|group| items.iter().map(|item| group.entry(item)).collect())
    }

    fn group_admits(&self, group: &str, client: &str) -> Option<bool> {
        self.group(group).map(|group| group.admits(client))
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
        included_resources: group.included_resources.iter().map(|entry| resource_entry(entry).into_owned()).collect(),
        excluded_resources: group.excluded_resources.iter().map(|entry| resource_entry(entry).into_owned()).collect(),
        allowed_clients: group.allowed_clients.clone(),
    }
}
