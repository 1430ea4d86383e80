//! From the name in a request to the upstream's item. The request is changed to
//! carry the upstream's own name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::catalog::{CatalogItem, CatalogServer, ResourceAddress, Snapshot, ViewScope};
use crate::gateway::Gateway;
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{Endpoint, Item, ItemKind, Pipeline};
use crate::walk::read_result::AskedUri;
use crate::walk::{Caller, Refusal, json_text};
use crate::wire::{self, borrowed_text};

/// What a request turned out to be about.
pub(super) struct Target {
    pub(super) server: Arc<CatalogServer>,
    /// What it is about.
    pub(super) item: Item,
    /// What else it may be about: further templates that the URI expands. Policies
    /// must allow these too, since only the upstream knows which one it takes.
    pub(super) also: Vec<Item>,
    /// Set for resources whose URI is not the upstream's own at this endpoint.
    pub(super) asked_uri: Option<AskedUri>,
    what: &'static str,
    asked_name: String,
}

impl Target {
    /// The same answer as for something that does not exist.
    pub(super) fn not_found(&self) -> Refusal {
        Refusal::NotFound { what: self.what, name: self.asked_name.clone() }
    }
}

pub(super) async fn resolve(
    gateway: &Gateway,
    pipeline: &Pipeline,
    caller: &Caller,
    request: &mut wire::Request,
) -> Result<Target, Refusal> {
    let snapshot = gateway.snapshot();
    match request.method() {
        "tools/call" => named(&snapshot, caller, request, ItemKind::Tool, "tool"),
        "prompts/get" => named(&snapshot, caller, request, ItemKind::Prompt, "prompt"),
        "resources/read" => resource(gateway, &snapshot, pipeline, caller, request).await,
        other => Err(Refusal::InvalidParams(format!("`{other}` does not name an item"))),
    }
}

/// A tool or prompt: by its canonical name, or by its own on its server's endpoint.
fn named(
    snapshot: &Snapshot,
    caller: &Caller,
    request: &mut wire::Request,
    kind: ItemKind,
    what: &'static str,
) -> Result<Target, Refusal> {
    let (range, asked) = text_param(request, "name")?;
    let not_found = || Refusal::NotFound { what, name: asked.clone() };
    let canonical = match &caller.request.endpoint {
        Endpoint::Server(server) => CanonicalName { server: server.clone(), name: asked.as_str().into() },
        // Not a canonical name: nothing has it.
        Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => CanonicalName::parse(&asked).map_err(|_| not_found())?,
    };
    let (server, item) = snapshot.find(kind, &canonical).ok_or_else(not_found)?;
    if !(caller.reaches_disabled || (server.enabled && item.enabled)) {
        return Err(not_found());
    }
    if *canonical.name != *asked {
        request.replace(range, json_text(&canonical.name));
    }
    Ok(Target {
        server: Arc::clone(server),
        item: item.item.clone(),
        also: Vec::new(),
        asked_uri: None,
        what,
        asked_name: asked,
    })
}

async fn resource(
    gateway: &Gateway,
    snapshot: &Snapshot,
    pipeline: &Pipeline,
    caller: &Caller,
    request: &mut wire::Request,
) -> Result<Target, Refusal> {
    let (range, asked) = text_param(request, "uri")?;
    let not_found = || Refusal::NotFound { what: "resource", name: asked.clone() };
    let (server_name, original) = match &caller.request.endpoint {
        Endpoint::Server(server) => (server.clone(), Cow::Borrowed(asked.as_str())),
        Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => {
            match ResourceAddress::parse(&asked).ok_or_else(not_found)? {
                ResourceAddress::OfServer(server, original) => (server, Cow::Owned(original)),
                ResourceAddress::Foreign => {
                    let scope =
                        ViewScope { snapshot, pipeline, request: &caller.request, principal: &caller.principal };
                    let owner = only_owner(gateway, scope, &asked).await?.ok_or_else(not_found)?;
                    (owner, Cow::Borrowed(asked.as_str()))
                }
            }
        }
    };
    let server = snapshot.servers.get(&server_name).ok_or_else(not_found)?;
    let mut items = resource_items(server, caller, &original).ok_or_else(not_found)?.into_iter();
    let item = items.next().ok_or_else(not_found)?;
    if *original != *asked {
        request.replace(range, json_text(&original));
    }
    let is_transparent = matches!(caller.request.endpoint, Endpoint::Server(_));
    Ok(Target {
        server: Arc::clone(server),
        item,
        also: items.collect(),
        asked_uri: (!is_transparent).then(|| AskedUri {
            server: server_name,
            original: original.into_owned(),
            asked: asked.clone(),
        }),
        what: "resource",
        asked_name: asked,
    })
}

/// The listed resource of this URI, or all templates that it expands; `None` if
/// one of these is disabled. On its server's own endpoint, which is transparent,
/// an unlisted resource too: results link to such, and policies are asked about
/// it under its URI as its name.
fn resource_items(server: &CatalogServer, caller: &Caller, uri: &str) -> Option<Vec<Item>> {
    if !(server.enabled || caller.reaches_disabled) {
        return None;
    }
    let key: Arc<str> = uri.into();
    let listed: Vec<&Arc<CatalogItem>> = match server.find(ItemKind::Resource, &key) {
        Some(resource) => vec![resource],
        None => server.templates_of(uri).collect(),
    };
    if listed.iter().any(|item| !(item.enabled || caller.reaches_disabled)) {
        return None;
    }
    if listed.is_empty() && matches!(caller.request.endpoint, Endpoint::Server(_)) {
        let name = CanonicalName { server: server.server.name.clone(), name: Arc::clone(&key) };
        return Some(vec![Item { kind: ItemKind::Resource, name, uri: Some(key) }]);
    }
    Some(listed.into_iter().map(|item| Item { uri: Some(Arc::clone(&key)), ..item.item.clone() }).collect())
}

/// The server that owns an upstream's own URI, if exactly one visible one does.
/// One that lists it comes before those that only have a template for it.
async fn only_owner(gateway: &Gateway, scope: ViewScope<'_>, uri: &str) -> Result<Option<ServerName>, Refusal> {
    for kind in [ItemKind::Resource, ItemKind::ResourceTemplate] {
        let view = gateway.views.view(scope, kind).await.map_err(Refusal::Policy)?;
        let mut owners: Vec<&ServerName> =
            view.items.iter().filter(|(_, item)| item.offers(uri)).map(|(server, _)| &server.server.name).collect();
        owners.dedup();
        match owners[..] {
            [] => {}
            [owner] => return Ok(Some(owner.clone())),
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// A parameter that must be a string: where it stands, and its text.
fn text_param(request: &wire::Request, name: &'static str) -> Result<(std::ops::Range<usize>, String), Refusal> {
    let [raw] = request.param_members([name]).map_err(|error| Refusal::InvalidParams(error.to_string()))?;
    let raw = raw.ok_or_else(|| Refusal::InvalidParams(format!("`params.{name}` is missing")))?;
    let text = borrowed_text(raw).ok_or_else(|| Refusal::InvalidParams(format!("`params.{name}` must be a string")))?;
    Ok((request.range_of(raw), text.into_owned()))
}
