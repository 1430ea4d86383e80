//! From the name in a request to the upstream's item. The request is changed to
//! carry the upstream's own name.

use std::sync::Arc;

use crate::catalog::{CatalogItem, CatalogServer, ResourceAddress, Snapshot, ViewScope};
use crate::gateway::Gateway;
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{Denial, Endpoint, Item, ItemKind, Pipeline};
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
    /// Whether its upstream session must be there for what follows: a subscription, a task.
    pub(super) outlives_call: bool,
    what: &'static str,
    asked_name: String,
}

impl Target {
    /// The same answer as for something that does not exist.
    pub(super) fn not_found(&self) -> Refusal {
        Refusal::NotFound { what: self.what, name: self.asked_name.clone() }
    }

    /// What the caller is told of a denial: nothing of what it may not see.
    pub(super) fn conceal(&self, denial: Denial) -> Refusal {
        match denial {
            Denial::Hidden { .. } => self.not_found(),
            Denial::Unauthenticated { .. } | Denial::Refused { .. } | Denial::Unavailable { .. } => {
                Refusal::Policy(denial)
            }
        }
    }
}

pub(super) async fn resolve(
    gateway: &Gateway,
    pipeline: &Pipeline,
    caller: &Caller,
    request: &mut wire::Request,
) -> Result<Target, Refusal> {
    let resolver = Resolver { gateway, snapshot: &gateway.snapshot(), pipeline, caller };
    match request.method() {
        "tools/call" => resolver.named(request, ItemKind::Tool, "tool"),
        "prompts/get" => resolver.named(request, ItemKind::Prompt, "prompt"),
        "resources/read" => Box::pin(resolver.resource(request)).await,
        "resources/subscribe" | "resources/unsubscribe" => {
            let target = Box::pin(resolver.resource(request)).await?;
            Ok(Target { asked_uri: None, outlives_call: true, ..target })
        }
        "tasks/get" | "tasks/result" | "tasks/cancel" => resolver.task(request),
        "completion/complete" => Box::pin(resolver.completion(request)).await,
        other => Err(Refusal::InvalidParams(format!("`{other}` does not name an item"))),
    }
}

/// For whom, and in what, names are looked up.
struct Resolver<'a> {
    gateway: &'a Gateway,
    snapshot: &'a Snapshot,
    pipeline: &'a Pipeline,
    caller: &'a Caller,
}

impl Resolver<'_> {
    /// A tool or prompt: by its canonical name, or by its own on its server's endpoint.
    fn named(&self, request: &mut wire::Request, kind: ItemKind, what: &'static str) -> Result<Target, Refusal> {
        let [name, task] = param_members(request, ["name", "task"])?;
        let (range, asked) = text(request, "params.name", name)?;
        let outlives_call = task.is_some_and(|task| task != "null");
        let (target, own_name) = self.find_named(kind, what, &asked)?;
        rename(request, range, &asked, &own_name);
        Ok(Target { outlives_call, ..target })
    }

    /// The tool or prompt that a caller calls `asked`, and its server's own name for it.
    fn find_named(&self, kind: ItemKind, what: &'static str, asked: &str) -> Result<(Target, Arc<str>), Refusal> {
        let not_found = || Refusal::NotFound { what, name: asked.to_owned() };
        let canonical = match &self.caller.request.endpoint {
            Endpoint::Server(server) => CanonicalName { server: server.clone(), name: asked.into() },
            // Not a canonical name: nothing has it.
            Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => {
                CanonicalName::parse(asked).map_err(|_| not_found())?
            }
        };
        let (server, item) = self.snapshot.find(kind, &canonical).ok_or_else(not_found)?;
        if !(self.caller.reaches_disabled || (server.enabled && item.enabled)) {
            return Err(not_found());
        }
        let target = Target {
            server: Arc::clone(server),
            item: item.item.clone(),
            also: Vec::new(),
            asked_uri: None,
            outlives_call: false,
            what,
            asked_name: asked.to_owned(),
        };
        Ok((target, canonical.name))
    }

    /// A task is reached as the tool that it is a call of; only the session that began it knows it.
    fn task(&self, request: &wire::Request) -> Result<Target, Refusal> {
        let [task] = param_members(request, ["taskId"])?;
        let (_, task) = text(request, "params.taskId", task)?;
        let not_found = || Refusal::NotFound { what: "task", name: task.clone() };
        let tool = self.caller.side.task_item(&task).ok_or_else(not_found)?;
        let (target, _) = self.find_named(ItemKind::Tool, "task", &tool).map_err(|_| not_found())?;
        Ok(Target { outlives_call: true, asked_name: task, ..target })
    }

    /// What the values of an argument can be: of a prompt, or of a resource template.
    async fn completion(&self, request: &mut wire::Request) -> Result<Target, Refusal> {
        let [reference] = param_members(request, ["ref"])?;
        let invalid = |problem: &str| Refusal::InvalidParams(problem.to_owned());
        let reference = reference.ok_or_else(|| invalid("`params.ref` is missing"))?;
        let [kind, name, uri] = wire::unmistakable_members(reference, ["type", "name", "uri"]).map_err(|_| {
            invalid("`params.ref` must be an object with each member once, and in one spelling of its name")
        })?;
        match kind.and_then(borrowed_text).as_deref() {
            Some("ref/prompt") => {
                let (range, asked) = text(request, "params.ref.name", name)?;
                let (target, own_name) = self.find_named(ItemKind::Prompt, "prompt", &asked)?;
                rename(request, range, &asked, &own_name);
                Ok(target)
            }
            Some("ref/resource") => {
                let (range, asked) = text(request, "params.ref.uri", uri)?;
                let (target, original) = self.find_resource(&asked).await?;
                rename(request, range, &asked, &original);
                Ok(Target { asked_uri: None, ..target })
            }
            _ => Err(invalid("`params.ref.type` must be `ref/prompt` or `ref/resource`")),
        }
    }

    async fn resource(&self, request: &mut wire::Request) -> Result<Target, Refusal> {
        let [uri] = param_members(request, ["uri"])?;
        let (range, asked) = text(request, "params.uri", uri)?;
        let (target, original) = self.find_resource(&asked).await?;
        rename(request, range, &asked, &original);
        Ok(target)
    }

    /// The resource, or the template, that a caller calls `asked`, and its server's own URI for it.
    async fn find_resource(&self, asked: &str) -> Result<(Target, String), Refusal> {
        let not_found = || Refusal::NotFound { what: "resource", name: asked.to_owned() };
        let (server_name, original) = match &self.caller.request.endpoint {
            Endpoint::Server(server) => (server.clone(), asked.to_owned()),
            Endpoint::Main | Endpoint::Group(_) | Endpoint::Api => {
                match ResourceAddress::parse(asked).ok_or_else(not_found)? {
                    ResourceAddress::OfServer(server, original) => (server, original),
                    ResourceAddress::Foreign => {
                        let owner = self.only_owner(asked).await?.ok_or_else(not_found)?;
                        (owner, asked.to_owned())
                    }
                }
            }
        };
        let server = self.snapshot.servers.get(&server_name).ok_or_else(not_found)?;
        let reach = Reach {
            disabled: self.caller.reaches_disabled,
            unlisted: matches!(self.caller.request.endpoint, Endpoint::Server(_)),
        };
        let mut items = resource_items(server, reach, &original).ok_or_else(not_found)?.into_iter();
        let item = items.next().ok_or_else(not_found)?;
        let is_transparent = matches!(self.caller.request.endpoint, Endpoint::Server(_));
        let target = Target {
            server: Arc::clone(server),
            item,
            also: items.collect(),
            asked_uri: (!is_transparent).then(|| AskedUri {
                server: server_name,
                original: original.clone(),
                asked: asked.to_owned(),
            }),
            outlives_call: false,
            what: "resource",
            asked_name: asked.to_owned(),
        };
        Ok((target, original))
    }

    /// The server that owns an upstream's own URI, if exactly one visible one does.
    /// One that lists it comes before those that only have a template for it.
    async fn only_owner(&self, uri: &str) -> Result<Option<ServerName>, Refusal> {
        let scope = ViewScope {
            snapshot: self.snapshot,
            pipeline: self.pipeline,
            request: &self.caller.request,
            principal: &self.caller.principal,
        };
        for kind in [ItemKind::Resource, ItemKind::ResourceTemplate] {
            let view = self.gateway.views.view(scope, kind).await.map_err(Refusal::Policy)?;
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
}

/// How far a look-up of a resource reaches.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Whether to what is disabled.
    pub(super) disabled: bool,
    /// Whether to what the server does not list.
    pub(super) unlisted: bool,
}

/// The listed resource of this URI, or all templates that it expands; `None` if
/// one of these is disabled. On its server's own endpoint, which is transparent,
/// an unlisted resource too: results link to such, and policies are asked about
/// it under its URI as its name.
pub(super) fn resource_items(server: &CatalogServer, reach: Reach, uri: &str) -> Option<Vec<Item>> {
    if !(server.enabled || reach.disabled) {
        return None;
    }
    let key: Arc<str> = uri.into();
    let listed: Vec<&Arc<CatalogItem>> = match server.find(ItemKind::Resource, &key) {
        Some(resource) => vec![resource],
        None => server.templates_of(uri).collect(),
    };
    if listed.iter().any(|item| !(item.enabled || reach.disabled)) {
        return None;
    }
    if listed.is_empty() && reach.unlisted {
        let name = CanonicalName { server: server.server.name.clone(), name: Arc::clone(&key) };
        return Some(vec![Item { kind: ItemKind::Resource, name, uri: Some(key) }]);
    }
    Some(listed.into_iter().map(|item| Item { uri: Some(Arc::clone(&key)), ..item.item.clone() }).collect())
}

/// Puts the server's own name in the place of the caller's.
fn rename(request: &mut wire::Request, range: std::ops::Range<usize>, asked: &str, own: &str) {
    if own != asked {
        request.replace(range, json_text(own));
    }
}

fn param_members<'r, const N: usize>(
    request: &'r wire::Request,
    names: [&str; N],
) -> Result<[Option<&'r str>; N], Refusal> {
    request.param_members(names).map_err(|error| Refusal::InvalidParams(error.to_string()))
}

/// A parameter that must be a string: where it stands, and its text.
fn text(
    request: &wire::Request,
    path: &str,
    parameter: Option<&str>,
) -> Result<(std::ops::Range<usize>, String), Refusal> {
    let raw = parameter.ok_or_else(|| Refusal::InvalidParams(format!("`{path}` is missing")))?;
    let text = borrowed_text(raw).ok_or_else(|| Refusal::InvalidParams(format!("`{path}` must be a string")))?;
    Ok((request.range_of(raw), text.into_owned()))
}
