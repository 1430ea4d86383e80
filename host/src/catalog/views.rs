//! Lists kept ready: what one principal sees at one endpoint, already as JSON.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, Bytes, BytesMut};
use parking_lot::RwLock;
use tokio::sync::Mutex;

use crate::catalog::presence::Presence;
use crate::catalog::{CatalogItem, CatalogServer, Snapshot};
use crate::names::ServerName;
use crate::pipeline::{Denial, Endpoint, Item, ItemKind, Listing, Pipeline, Principal, Request, Validity};

/// All ready lists together stay below this; beyond it they are made anew. A
/// gateway with 1,000 tools of 1 KiB keeps some thirty different views.
const MAX_RETAINED_BYTES: usize = 32 << 20;
/// What a view takes besides its text: its key, its place in the table, and for
/// each item two pointers.
const BYTES_PER_VIEW: usize = 1 << 10;
/// As many views are made at the same time; who wants one that is being made waits for it.
const BUILDERS: usize = 16;

/// The ready lists of one gateway.
#[derive(Default)]
pub struct Views {
    kept: RwLock<Kept>,
    building: [Mutex<()>; BUILDERS],
    hasher: RandomState,
    presence: Presence,
}

#[derive(Default)]
struct Kept {
    views: HashMap<ViewKey, Arc<View>>,
    bytes: usize,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ViewKey {
    principal: Arc<Principal>,
    endpoint: Endpoint,
    kind: ItemKind,
}

/// What one principal sees at one endpoint of one kind.
pub struct View {
    /// The result of the list request, JSON text.
    pub result: Bytes,
    /// The same items, in the same order.
    pub items: Vec<(Arc<CatalogServer>, Arc<CatalogItem>)>,
    /// Of `result`; never 0. Equal lists have equal ones as long as the process runs.
    pub digest: u64,
    snapshot_revision: u64,
    pipeline_revision: u64,
    expires_at: Option<Instant>,
}

/// Items with their servers, in the order of lists.
pub(crate) type VisibleItems = Vec<(Arc<CatalogServer>, Arc<CatalogItem>)>;

/// Whose view of what.
#[derive(Clone, Copy)]
pub struct ViewScope<'a> {
    /// What is there.
    pub snapshot: &'a Snapshot,
    /// Who decides.
    pub pipeline: &'a Pipeline,
    /// The request on whose behalf it is decided.
    pub request: &'a Request,
    /// Who looks.
    pub principal: &'a Arc<Principal>,
}

impl Views {
    /// The view, kept from before or made now.
    pub async fn view(&self, scope: ViewScope<'_>, kind: ItemKind) -> Result<Arc<View>, Denial> {
        let key = ViewKey { principal: Arc::clone(scope.principal), endpoint: scope.request.endpoint.clone(), kind };
        if let Some(view) = self.find(&key, scope) {
            return Ok(view);
        }
        let builder = self.hasher.hash_one(&key) as usize % BUILDERS;
        let _turn = self.building[builder].lock().await;
        // Whoever had the turn before may have made this very view.
        if let Some(view) = self.find(&key, scope) {
            return Ok(view);
        }
        let (view, holds) = make_view(scope, kind, &self.hasher).await?;
        let view = Arc::new(view);
        if holds != Validity::NotKept {
            self.keep(key, Arc::clone(&view));
        }
        Ok(view)
    }

    /// Whether the principal finds the request's endpoint. Where nothing is enabled, those find
    /// it who could use something of it.
    pub async fn shows_endpoint(&self, scope: ViewScope<'_>) -> Result<bool, Denial> {
        self.presence.shows_endpoint(scope).await
    }

    /// Whether the principal sees anything of this server at the request's endpoint.
    pub async fn shows_server(&self, scope: ViewScope<'_>, server: &ServerName) -> Result<bool, Denial> {
        self.presence.shows_server(scope, server).await
    }

    /// Drops every view: the catalog has changed.
    pub fn clear(&self) {
        self.presence.clear();
        *self.kept.write() = Kept::default();
    }

    fn find(&self, key: &ViewKey, scope: ViewScope<'_>) -> Option<Arc<View>> {
        self.kept.read().views.get(key).filter(|view| view.is_current(scope)).map(Arc::clone)
    }

    fn keep(&self, key: ViewKey, view: Arc<View>) {
        let mut kept = self.kept.write();
        if kept.bytes + view.retained_bytes() > MAX_RETAINED_BYTES {
            *kept = Kept::default();
        }
        kept.bytes += view.retained_bytes();
        if let Some(replaced) = kept.views.insert(key, view) {
            kept.bytes -= replaced.retained_bytes();
        }
    }
}

impl View {
    /// The snapshot that it was made of.
    pub fn snapshot_revision(&self) -> u64 {
        self.snapshot_revision
    }

    /// The pipeline that it was made by.
    pub fn pipeline_revision(&self) -> u64 {
        self.pipeline_revision
    }

    fn retained_bytes(&self) -> usize {
        self.result.len() + self.items.len() * 2 * size_of::<usize>() + BYTES_PER_VIEW
    }

    fn is_current(&self, scope: ViewScope<'_>) -> bool {
        self.snapshot_revision == scope.snapshot.revision
            && self.pipeline_revision == scope.pipeline.revision()
            && self.expires_at.is_none_or(|at| Instant::now() < at)
    }
}

/// What the principal sees at the request's endpoint of a kind, and for how long that holds.
pub(crate) async fn visible_items(scope: ViewScope<'_>, kind: ItemKind) -> Result<(VisibleItems, Validity), Denial> {
    let mut items = candidates(scope, kind);
    let holds = retain_selected(scope, &mut items).await?;
    let listing = scope.pipeline.authorize_items(scope.request, scope.principal, &policy_items(&items)).await?;
    retain_visible(&mut items, &listing);
    Ok((items, holds.shorter(listing.holds)))
}

async fn make_view(scope: ViewScope<'_>, kind: ItemKind, hasher: &RandomState) -> Result<(View, Validity), Denial> {
    let asked_at = Instant::now();
    let (items, holds) = visible_items(scope, kind).await?;
    let expires_at = match holds {
        Validity::Milliseconds(milliseconds) => Some(asked_at + Duration::from_millis(milliseconds.into())),
        Validity::UntilChange | Validity::NotKept => None,
    };
    let result = render(&items, kind, matches!(scope.request.endpoint, Endpoint::Server(_)));
    let view = View {
        digest: hasher.hash_one(&result).max(1),
        result,
        items,
        snapshot_revision: scope.snapshot.revision,
        pipeline_revision: scope.pipeline.revision(),
        expires_at,
    };
    Ok((view, holds))
}

/// Keeps what belongs to the group, at a group's endpoint; for how long that holds.
pub(super) async fn retain_selected(
    scope: ViewScope<'_>,
    items: &mut Vec<(Arc<CatalogServer>, Arc<CatalogItem>)>,
) -> Result<Validity, Denial> {
    let Endpoint::Group(group) = &scope.request.endpoint else { return Ok(Validity::UntilChange) };
    let listing = scope.pipeline.select_items(scope.request, group.as_str(), &policy_items(items)).await?;
    retain_visible(items, &listing);
    Ok(listing.holds)
}

/// Everything enabled that the endpoint could show, in a stable order: servers by name, items as upstream lists them.
pub(super) fn candidates(scope: ViewScope<'_>, kind: ItemKind) -> Vec<(Arc<CatalogServer>, Arc<CatalogItem>)> {
    let is_in_scope = |server: &CatalogServer| match &scope.request.endpoint {
        Endpoint::Server(name) => server.server.name == *name,
        Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => true,
    };
    let servers = scope.snapshot.servers.values().filter(|server| server.enabled && is_in_scope(server));
    servers
        .flat_map(|server| {
            let enabled = server.items_of(kind).filter(|item| item.enabled);
            enabled.map(|item| (Arc::clone(server), Arc::clone(item)))
        })
        .collect()
}

pub(super) fn policy_items(items: &[(Arc<CatalogServer>, Arc<CatalogItem>)]) -> Vec<&Item> {
    items.iter().map(|(_, item)| &item.item).collect()
}

pub(super) fn retain_visible(items: &mut Vec<(Arc<CatalogServer>, Arc<CatalogItem>)>, listing: &Listing) {
    let mut visible = listing.visible.iter();
    // Shorter than the question never happens: it is checked where the answer is lifted.
    items.retain(|_| visible.next().copied().unwrap_or(false));
}

fn render(items: &[(Arc<CatalogServer>, Arc<CatalogItem>)], kind: ItemKind, is_bare: bool) -> Bytes {
    let member = match kind {
        ItemKind::Tool => "tools",
        ItemKind::Prompt => "prompts",
        ItemKind::Resource => "resources",
        ItemKind::ResourceTemplate => "resourceTemplates",
    };
    let length: usize = items.iter().map(|(_, item)| item.listed.len() + 1).sum();
    let mut json = BytesMut::with_capacity(length + member.len() + 8);
    json.put_slice(format!(r#"{{"{member}":["#).as_bytes());
    for (at, (_, item)) in items.iter().enumerate() {
        if at > 0 {
            json.put_u8(b',');
        }
        json.put_slice(if is_bare { &item.definition } else { &item.listed });
    }
    json.put_slice(b"]}");
    json.freeze()
}
