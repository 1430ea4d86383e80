//! Whether an endpoint shows a principal anything at all: one that shows nothing is as
//! good as not there.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::RwLock;

use crate::catalog::views::{ViewScope, candidates, policy_items, retain_selected, retain_visible};
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{Denial, Endpoint, Item, ItemKind, Principal, Request, Validity};

/// Beyond this many, the answers are found anew.
const MAX_KEPT: usize = 20_000;
/// Policies are asked about so many items at a time: most principals see one of the first.
const CHUNK: usize = 64;
/// Stands for whatever a server may offer, where it offers nothing yet.
const ANY_ITEM: &str = "*";

/// What principal, where, and of which server; `None` is of all.
type Key = (Arc<Principal>, Endpoint, Option<ServerName>);

/// Answers found before. They are much smaller than the lists, of which few can be kept.
#[derive(Default)]
pub(super) struct Presence(RwLock<HashMap<Key, Kept>>);

#[derive(Clone, Copy)]
struct Kept {
    is_shown: bool,
    snapshot_revision: u64,
    pipeline_revision: u64,
    expires_at: Option<Instant>,
}

impl Presence {
    /// Whether the principal finds the request's endpoint: it sees something there, or nothing is
    /// enabled there that anybody could see, and it could use something if it were.
    pub(super) async fn shows_endpoint(&self, scope: ViewScope<'_>) -> Result<bool, Denial> {
        match scope.request.endpoint {
            Endpoint::Main | Endpoint::Api => Ok(true),
            Endpoint::Group(_) | Endpoint::Server(_) => self.shows(scope, None).await,
        }
    }

    /// Whether the principal sees anything of this server at the request's endpoint.
    pub(super) async fn shows_server(&self, scope: ViewScope<'_>, server: &ServerName) -> Result<bool, Denial> {
        match scope.request.endpoint {
            Endpoint::Server(_) => self.shows_endpoint(scope).await,
            Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => self.shows(scope, Some(server)).await,
        }
    }

    pub(super) fn clear(&self) {
        self.0.write().clear();
    }

    async fn shows(&self, scope: ViewScope<'_>, server: Option<&ServerName>) -> Result<bool, Denial> {
        let key = (Arc::clone(scope.principal), scope.request.endpoint.clone(), server.cloned());
        if let Some(kept) = self.0.read().get(&key).filter(|kept| kept.is_current(scope)) {
            return Ok(kept.is_shown);
        }
        let asked_at = Instant::now();
        let (is_shown, holds) = find(scope, server).await?;
        let expires_at = match holds {
            Validity::NotKept => return Ok(is_shown),
            Validity::UntilChange => None,
            Validity::Milliseconds(milliseconds) => Some(asked_at + Duration::from_millis(milliseconds.into())),
        };
        let (snapshot_revision, pipeline_revision) = (scope.snapshot.revision, scope.pipeline.revision());
        let mut kept = self.0.write();
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(key, Kept { is_shown, snapshot_revision, pipeline_revision, expires_at });
        Ok(is_shown)
    }
}

impl Kept {
    fn is_current(&self, scope: ViewScope<'_>) -> bool {
        self.snapshot_revision == scope.snapshot.revision
            && self.pipeline_revision == scope.pipeline.revision()
            && self.expires_at.is_none_or(|at| Instant::now() < at)
    }
}

async fn find(scope: ViewScope<'_>, server: Option<&ServerName>) -> Result<(bool, Validity), Denial> {
    let (sees_something, holds) = sees_anything(scope, server).await?;
    if sees_something || server.is_some() {
        return Ok((sees_something, holds));
    }
    // The gateway itself sees what there is to be seen by anybody.
    let gateway = Arc::new(Principal::gateway());
    let (is_something_there, also_holds) = sees_anything(ViewScope { principal: &gateway, ..scope }, None).await?;
    let holds = holds.shorter(also_holds);
    if is_something_there {
        return Ok((false, holds));
    }
    let (could_use, also_holds) = could_use_anything(scope).await?;
    Ok((could_use, holds.shorter(also_holds)))
}

async fn sees_anything(scope: ViewScope<'_>, server: Option<&ServerName>) -> Result<(bool, Validity), Denial> {
    let mut holds = Validity::UntilChange;
    for kind in ItemKind::ALL {
        let request = Request { method: kind.list_method().into(), ..scope.request.clone() };
        let scope = ViewScope { request: &request, ..scope };
        let mut items = candidates(scope, kind);
        items.retain(|(of, _)| server.is_none_or(|server| of.server.name == *server));
        for chunk in items.chunks(CHUNK) {
            let mut visible = chunk.to_vec();
            holds = holds.shorter(retain_selected(scope, &mut visible).await?);
            let items = policy_items(&visible);
            let listing = scope.pipeline.authorize_items(scope.request, scope.principal, &items).await?;
            holds = holds.shorter(listing.holds);
            retain_visible(&mut visible, &listing);
            if !visible.is_empty() {
                return Ok((true, holds));
            }
        }
    }
    Ok((false, holds))
}

/// Asks about all that the endpoint would show if it were enabled, or registered.
async fn could_use_anything(scope: ViewScope<'_>) -> Result<(bool, Validity), Denial> {
    let (mut items, mut holds) = (Vec::new(), Validity::UntilChange);
    match &scope.request.endpoint {
        Endpoint::Main | Endpoint::Api => return Ok((true, holds)),
        Endpoint::Server(name) => {
            let server = scope.snapshot.servers.get(name);
            items.extend(server.iter().flat_map(|server| &server.items).map(|item| item.item.clone()));
            if items.is_empty() {
                items.push(any_item(name.clone()));
            }
        }
        Endpoint::Group(name) => {
            let registered = scope.snapshot.servers.values().flat_map(|server| &server.items);
            let all: Vec<&Item> = registered.map(|item| &item.item).collect();
            let listing = scope.pipeline.select_items(scope.request, name.as_str(), &all).await?;
            holds = listing.holds;
            let selected = all.into_iter().zip(listing.visible).filter(|(_, is_selected)| *is_selected);
            items.extend(selected.map(|(item, _)| item.clone()));
            if items.is_empty() {
                items = named_in_group(scope);
            }
        }
    }
    let asked: Vec<&Item> = items.iter().collect();
    let listing = scope.pipeline.authorize_items(scope.request, scope.principal, &asked).await?;
    Ok((listing.visible.contains(&true), holds.shorter(listing.holds)))
}

/// What the group includes by name, of which nothing is registered.
fn named_in_group(scope: ViewScope<'_>) -> Vec<Item> {
    let Endpoint::Group(name) = &scope.request.endpoint else { return Vec::new() };
    let Some(group) = scope.snapshot.groups.get(name) else { return Vec::new() };
    let group = &group.definition;
    let named = |kind, names: &[String]| -> Vec<Item> {
        let names = names.iter().filter_map(|name| CanonicalName::parse(name).ok());
        names.map(|name| Item { kind, name, uri: None }).collect()
    };
    let mut items = named(ItemKind::Tool, &group.included_tools);
    items.extend(named(ItemKind::Prompt, &group.included_prompts));
    items.extend(named(ItemKind::Resource, &group.included_resources));
    items.extend(group.included_servers.iter().filter_map(|server| ServerName::parse(server).ok()).map(any_item));
    items
}

fn any_item(server: ServerName) -> Item {
    Item { kind: ItemKind::Tool, name: CanonicalName { server, name: ANY_ITEM.into() }, uri: None }
}
