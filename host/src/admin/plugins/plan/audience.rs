//! Who is looked at by a plan, and where: everybody whose view policies can tell from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::catalog::Snapshot;
use crate::gateway::Gateway;
use crate::identity::IdentityRecord;
use crate::pipeline::{Endpoint, Mode, Principal, PrincipalKind};

/// Clients that are looked at one by one; where there are more, one for each different allow-list.
const MOST_CLIENTS: usize = 500;

/// Somebody, and all who are taken to see the same.
pub(super) struct Viewer {
    pub(super) principal: Arc<Principal>,
    /// Names, for the answer.
    pub(super) who: Vec<String>,
}

/// All viewers, and what must be said about the choice.
pub(super) fn viewers(gateway: &Gateway, snapshot: &Snapshot) -> (Vec<Viewer>, Vec<String>) {
    if gateway.mode == Mode::Development {
        let everybody = Viewer { principal: Arc::new(Principal::anonymous()), who: vec!["everybody".to_owned()] };
        return (vec![everybody], Vec::new());
    }
    let clients = snapshot.identities.clients();
    let number = clients.len();
    if number <= MOST_CLIENTS {
        return (clients.into_iter().map(|client| viewer(client, vec![shown(client)])).collect(), Vec::new());
    }
    let mut alike: BTreeMap<&[String], Vec<&Arc<IdentityRecord>>> = BTreeMap::new();
    for client in clients {
        alike.entry(&client.allow).or_default().push(client);
    }
    let lists = alike.len();
    let chosen = alike.into_values().take(MOST_CLIENTS);
    let viewers = chosen.map(|clients| viewer(clients[0], clients.iter().map(|client| shown(client)).collect()));
    let mut notes = vec![format!(
        "there are {number} clients: of those with the same allow-list one was asked about, so policies that go by \
         names may decide otherwise about the others"
    )];
    if lists > MOST_CLIENTS {
        notes.push(format!("only {MOST_CLIENTS} of {lists} different allow-lists were looked at"));
    }
    (viewers.collect(), notes)
}

/// Where they are looked at: the main endpoint and every group's.
pub(super) fn endpoints(snapshot: &Snapshot) -> Vec<Endpoint> {
    std::iter::once(Endpoint::Main).chain(snapshot.groups.keys().cloned().map(Endpoint::Group)).collect()
}

/// As the stock authenticator says who they are.
fn viewer(client: &IdentityRecord, who: Vec<String>) -> Viewer {
    let principal = Principal {
        kind: PrincipalKind::Client,
        name: client.name.to_string(),
        allow: client.allow.clone(),
        attributes: Vec::new(),
    };
    Viewer { principal: Arc::new(principal), who }
}

fn shown(client: &IdentityRecord) -> String {
    client.name.to_string()
}
