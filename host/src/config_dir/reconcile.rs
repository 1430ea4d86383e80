//! Making what is registered as the files say, as far as it came from the folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use futures_util::StreamExt as _;

use crate::admin::make_change;
use crate::catalog::Snapshot;
use crate::configuration::{Change, State, difference};
use crate::gateway::Gateway;
use crate::store::{Entry, StoreError};

/// How many servers are connected to at a time: one that hangs must not keep the others waiting.
const AT_ONCE: usize = 8;

/// What is to be done, and what is not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    changes: Vec<Change>,
    /// Registered just as a file says: from now on it comes from the folder.
    adopted: Vec<Entry>,
    /// Came from the folder once, and is neither in it nor registered any more.
    forgotten: Vec<Entry>,
    /// Registered by somebody else, and other than a file says.
    foreign: Vec<Change>,
}

/// Compares what is registered with the files.
fn plan(current: &State, desired: &State, owned: &BTreeSet<Entry>) -> Plan {
    let is_owned = |change: &Change| owned.contains(&entry_of(change));
    let (foreign, mut changes): (Vec<_>, Vec<_>) =
        difference(current, desired).into_iter().partition(|change| is_there(change) && !is_owned(change));
    changes.extend(current.leftovers(desired).into_iter().filter(is_owned));
    let touched: BTreeSet<Entry> = changes.iter().chain(&foreign).map(entry_of).collect();
    let (registered, described) = (entries(current), entries(desired));
    Plan {
        adopted: described
            .iter()
            .filter(|entry| !owned.contains(*entry) && !touched.contains(*entry))
            .cloned()
            .collect(),
        forgotten: owned.iter().filter(|e| !registered.contains(*e) && !described.contains(*e)).cloned().collect(),
        changes,
        foreign,
    }
}

/// Whether a change is to something that is registered.
fn is_there(change: &Change) -> bool {
    change.action() == "change"
}

fn entry_of(change: &Change) -> Entry {
    (change.kind().to_owned(), change.name().to_owned())
}

fn entries(state: &State) -> BTreeSet<Entry> {
    let servers = state.servers.keys().map(|name| ("server".to_owned(), name.to_string()));
    servers.chain(state.groups.keys().map(|name| ("group".to_owned(), name.to_string()))).collect()
}

/// Makes the changes, and tells each failure once.
pub(super) struct Reconciler {
    /// The folder as the store and the log name it.
    folder: String,
    /// What was told last of a server or group that is not as its file says.
    told: BTreeMap<Entry, String>,
    /// What was other than its file says, and not the folder's to change.
    foreign: BTreeSet<Entry>,
}

impl Reconciler {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.display().to_string(), told: BTreeMap::new(), foreign: BTreeSet::new() }
    }

    /// Whether something that was not the folder's to change has been deregistered
    /// since, or made what its file says.
    pub(super) fn is_foreign_settled(&self, gateway: &Gateway, desired: &State) -> bool {
        if self.foreign.is_empty() {
            return false;
        }
        let differences = difference(&registered(&gateway.snapshot()), desired);
        let changed: BTreeSet<Entry> = differences.iter().filter(|change| is_there(change)).map(entry_of).collect();
        !self.foreign.is_subset(&changed)
    }

    /// Whether all is as the files say, but for what is not the folder's to change.
    pub(super) async fn reconcile(&mut self, gateway: &Arc<Gateway>, desired: &State) -> bool {
        match self.try_reconcile(gateway, desired).await {
            Ok(is_done) => is_done,
            Err(error) => {
                let entry = ("database".to_owned(), String::new());
                self.tell(entry, &error.to_string(), "the config directory cannot be kept to");
                false
            }
        }
    }

    async fn try_reconcile(&mut self, gateway: &Arc<Gateway>, desired: &State) -> Result<bool, StoreError> {
        let owned = gateway.store.entries_of_folder(&self.folder).await?;
        let plan = plan(&registered(&gateway.snapshot()), desired, &owned);
        self.foreign = plan.foreign.iter().map(entry_of).collect();
        if desired.servers.is_empty() && desired.groups.is_empty() && !plan.changes.is_empty() {
            tracing::warn!(config.dir = %self.folder, "the config directory is empty: what came from it is removed");
        }
        self.told.retain(|entry, _| plan.changes.iter().chain(&plan.foreign).any(|change| entry_of(change) == *entry));
        for entry in &plan.adopted {
            gateway.store.add_entry_of_folder(&self.folder, entry).await?;
        }
        for entry in &plan.forgotten {
            gateway.store.remove_entry_of_folder(&self.folder, entry).await?;
        }
        for change in &plan.foreign {
            let why =
                "it was not registered from this folder: deregister it, or make it the same with `mcpjungle apply`";
            self.tell(entry_of(change), why, &format!("not changed, though its file says otherwise: {change}"));
        }
        let (servers, others): (Vec<_>, Vec<_>) =
            plan.changes.into_iter().partition(|change| matches!(change, Change::PutServer { .. }));
        let connecting = servers.into_iter().map(|change| async move {
            let made = make_change(gateway, &change).await;
            (change, made)
        });
        let mut is_done = true;
        let mut connected = futures_util::stream::iter(connecting).buffer_unordered(AT_ONCE);
        while let Some((change, made)) = connected.next().await {
            is_done &= self.finish(gateway, &change, made).await?;
        }
        // What a group includes is there by now, or its failure is told.
        for change in others {
            let made = make_change(gateway, &change).await;
            is_done &= self.finish(gateway, &change, made).await?;
        }
        Ok(is_done)
    }

    /// Remembers what was done, or tells that it was not.
    async fn finish(
        &mut self,
        gateway: &Gateway,
        change: &Change,
        made: Result<(), String>,
    ) -> Result<bool, StoreError> {
        let entry = entry_of(change);
        if let Err(error) = made
            && !is_made_by_another(gateway, change).await
        {
            self.tell(entry, &error, &format!("a change by the config directory failed and is tried again: {change}"));
            return Ok(false);
        }
        match change.action() {
            "remove" => gateway.store.remove_entry_of_folder(&self.folder, &entry).await?,
            _ => gateway.store.add_entry_of_folder(&self.folder, &entry).await?,
        }
        self.told.remove(&entry);
        tracing::info!(config.dir = %self.folder, "changed by the config directory: {change}");
        Ok(true)
    }

    /// Once, not at every try.
    fn tell(&mut self, entry: Entry, error: &str, what: &str) {
        if self.told.get(&entry).is_none_or(|told| told != error) {
            tracing::warn!(config.dir = %self.folder, error, "{what}");
            self.told.insert(entry, error.to_owned());
        }
    }
}

/// Whether a change that failed has been made all the same, by another gateway that keeps to
/// the same folder.
async fn is_made_by_another(gateway: &Gateway, change: &Change) -> bool {
    // It may have been made a moment ago.
    if gateway.refresh().await.is_err() {
        return false;
    }
    let now = registered(&gateway.snapshot());
    match change {
        Change::PutServer { new, .. } => now.servers.get(&new.name) == Some(new),
        Change::PutGroup { new, .. } => now.groups.get(&new.name) == Some(new),
        Change::RemoveServer(name) => !now.servers.contains_key(name),
        Change::RemoveGroup(name) => !now.groups.contains_key(name),
    }
}

fn registered(snapshot: &Snapshot) -> State {
    State {
        servers: snapshot.servers.iter().map(|(name, server)| (name.clone(), server.server.as_ref().clone())).collect(),
        groups: snapshot.groups.iter().map(|(name, group)| (name.clone(), group.definition.clone())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::admin::read_server;

    /// Each word is a server, `name=command`, or with a `/` before it a group of that server.
    fn state(words: &str) -> State {
        let mut state = State::default();
        for word in words.split_whitespace() {
            let (name, of) = word.trim_start_matches('/').split_once('=').unwrap();
            if word.starts_with('/') {
                let group = json!({"name": name, "included_servers": [of]});
                let group: crate::group::ToolGroup = serde_json::from_value(group).unwrap();
                state.groups.insert(group.name.clone(), group);
            } else {
                let server = json!({"name": name, "transport": "stdio", "command": of});
                let server = read_server(serde_json::from_value(server).unwrap()).unwrap();
                state.servers.insert(server.name.clone(), server);
            }
        }
        state
    }

    fn owned(words: &str) -> BTreeSet<Entry> {
        let entry = |word: &str| match word.strip_prefix('/') {
            Some(group) => ("group".to_owned(), group.to_owned()),
            None => ("server".to_owned(), word.to_owned()),
        };
        words.split_whitespace().map(entry).collect()
    }

    #[test]
    fn only_what_came_from_the_folder_is_changed_or_removed() {
        for (current, desired, of_folder, changes, foreign, adopted, forgotten) in [
            ("", "a=1 /g=a", "", "+ server a|+ group g", "", "", ""),
            ("a=1 /g=a", "", "a /g", "- group g|- server a", "", "", ""),
            // By hand: not named in a file, named just so, named otherwise.
            ("a=1 /g=a", "", "", "", "", "", ""),
            ("a=1 /g=a", "a=1 /g=a", "", "", "", "a /g", ""),
            (
                "a=1 /g=a",
                "a=2 /g=b",
                "",
                "",
                "~ server a (command changed)|~ group g (included_servers changed)",
                "",
                "",
            ),
            ("a=1", "a=2", "a", "~ server a (command changed)", "", "", ""),
            // Deregistered by hand: it comes back, unless its file is gone too.
            ("", "a=1", "a", "+ server a", "", "", ""),
            ("", "", "a /g", "", "", "", "a /g"),
            ("a=1 b=1", "a=1", "a b", "- server b", "", "", ""),
        ] {
            let lines = |changes: &[Change]| changes.iter().map(Change::to_string).collect::<Vec<_>>().join("|");
            let plan = plan(&state(current), &state(desired), &owned(of_folder));
            let entries = |entries: Vec<Entry>| entries.into_iter().collect::<BTreeSet<_>>();
            assert_eq!((lines(&plan.changes), lines(&plan.foreign)), (changes.to_owned(), foreign.to_owned()));
            assert_eq!((entries(plan.adopted), entries(plan.forgotten)), (owned(adopted), owned(forgotten)));
        }
    }
}
