//! The same lists made by two pipelines, and what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::admin::plugins::plan::audience::{Viewer, endpoints, viewers};
use crate::catalog::{Snapshot, ViewScope, visible_items};
use crate::gateway::Gateway;
use crate::pipeline::{Denial, Endpoint, ItemKind, Pipeline, Principal, Request};

/// A plan takes no longer: what is not looked at by then is said.
const MOST_TIME: Duration = Duration::from_secs(20);
/// Items that are named in one row.
const MOST_NAMED: usize = 200;

/// Who sees what else, and where.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    /// Names of clients, or in development mode `everybody`; empty where it is about a group itself.
    who: Vec<String>,
    /// `/mcp`, or a group's.
    endpoint: String,
    appear: Vec<Seen>,
    disappear: Vec<Seen>,
    /// Items that differ besides those that are named.
    more: usize,
    /// Why the lists could not be made at all, if so.
    problem: Option<String>,
}

/// One item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Seen {
    kind: &'static str,
    name: String,
}

/// All rows.
pub(super) struct Comparison {
    pub(super) rows: Vec<Row>,
    pub(super) looked_at: usize,
    pub(super) notes: Vec<String>,
}

type Items = BTreeSet<Seen>;

/// What differs for somebody: the key by which rows of several are put together.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    endpoint: String,
    appear: Vec<Seen>,
    disappear: Vec<Seen>,
    problem: Option<String>,
}

impl Comparison {
    /// Looks at everybody everywhere.
    pub(super) async fn make(gateway: &Gateway, old: &Pipeline, new: &Pipeline) -> Self {
        let snapshot = gateway.snapshot();
        let (viewers, mut notes) = viewers(gateway, &snapshot);
        let request = |endpoint| Request { id: gateway.next_request_id(), endpoint, method: Arc::default() };
        let requests: Vec<_> = endpoints(&snapshot).into_iter().map(request).collect();
        let mut looks = Looks::default();
        let all = viewers.len() * requests.len();
        looks.take(&snapshot, (old, new), &requests, &viewers, Instant::now() + MOST_TIME).await;
        let Looks { alike, looked_at, are_all } = looks;
        if !are_all {
            notes.push(format!(
                "only {looked_at} of {all} lists were looked at, which took {} seconds",
                MOST_TIME.as_secs()
            ));
        }
        Self { rows: alike.into_iter().map(|(difference, who)| Row::new(difference, who)).collect(), looked_at, notes }
    }
}

/// What has been seen so far.
#[derive(Default)]
struct Looks {
    alike: BTreeMap<Difference, Vec<String>>,
    looked_at: usize,
    are_all: bool,
}

impl Looks {
    /// Looks on until `end`: every look asks policies, the one at a group itself too.
    async fn take(
        &mut self,
        snapshot: &Snapshot,
        (old, new): (&Pipeline, &Pipeline),
        requests: &[Request],
        viewers: &[Viewer],
        end: Instant,
    ) {
        for request in requests {
            if Instant::now() >= end {
                return;
            }
            if let Some(difference) = group_itself(snapshot, request, old, new).await {
                self.alike.entry(difference).or_default();
            }
            for Viewer { principal, who } in viewers {
                if Instant::now() >= end {
                    return;
                }
                self.looked_at += 1;
                let look = async |pipeline| look(snapshot, pipeline, request, principal).await;
                if let Some(difference) = difference(&request.endpoint, look(old).await, look(new).await) {
                    self.alike.entry(difference).or_default().extend(who.iter().cloned());
                }
            }
        }
        self.are_all = true;
    }
}

impl Row {
    fn new(difference: Difference, who: Vec<String>) -> Self {
        let Difference { endpoint, mut appear, mut disappear, problem } = difference;
        let number = appear.len() + disappear.len();
        appear.truncate(MOST_NAMED);
        disappear.truncate(MOST_NAMED);
        let more = number - appear.len() - disappear.len();
        Self { who, endpoint, appear, disappear, more, problem }
    }
}

/// What a group holds, whoever looks.
async fn group_itself(snapshot: &Snapshot, request: &Request, old: &Pipeline, new: &Pipeline) -> Option<Difference> {
    let Endpoint::Group(group) = &request.endpoint else { return None };
    let look = async |pipeline: &Pipeline| {
        let mut all = Items::new();
        for kind in ItemKind::ALL {
            let servers = snapshot.servers.values().filter(|server| server.enabled);
            let enabled = servers.flat_map(|server| server.items_of(kind)).filter(|item| item.enabled);
            let items: Vec<_> = enabled.map(|item| &item.item).collect();
            let request = of_kind(request, kind);
            let listing = pipeline.select_items(&request, group.as_str(), &items).await?;
            let selected = items.iter().zip(listing.visible).filter(|(_, is_selected)| *is_selected);
            all.extend(selected.map(|(item, _)| Seen { kind: word(kind), name: item.name.to_string() }));
        }
        Ok(all)
    };
    difference(&request.endpoint, look(old).await, look(new).await)
}

/// All that somebody sees at an endpoint.
async fn look(
    snapshot: &Snapshot,
    pipeline: &Pipeline,
    request: &Request,
    principal: &Arc<Principal>,
) -> Result<Items, Denial> {
    let mut all = Items::new();
    for kind in ItemKind::ALL {
        let request = of_kind(request, kind);
        let scope = ViewScope { snapshot, pipeline, request: &request, principal };
        let (items, _) = visible_items(scope, kind).await?;
        all.extend(items.iter().map(|(_, item)| Seen { kind: word(kind), name: item.item.name.to_string() }));
    }
    Ok(all)
}

fn of_kind(request: &Request, kind: ItemKind) -> Request {
    Request { method: kind.list_method().into(), ..request.clone() }
}

fn difference(endpoint: &Endpoint, old: Result<Items, Denial>, new: Result<Items, Denial>) -> Option<Difference> {
    let (old, new, problem) = match (old, new) {
        (Ok(old), Ok(new)) => (old, new, None),
        (Ok(_), Err(denial)) => (Items::new(), Items::new(), Some(format!("no lists any more: {denial}"))),
        (Err(denial), Ok(new)) => (Items::new(), new, Some(format!("no lists until now: {denial}"))),
        // As bad as before.
        (Err(_), Err(_)) => return None,
    };
    let differing = |one: &Items, other: &Items| one.difference(other).cloned().collect::<Vec<_>>();
    let (appear, disappear) = (differing(&new, &old), differing(&old, &new));
    if appear.is_empty() && disappear.is_empty() && problem.is_none() {
        return None;
    }
    let endpoint = match endpoint {
        Endpoint::Group(name) => format!("/v0/groups/{name}/mcp"),
        Endpoint::Server(name) => format!("/v0/servers/{name}/mcp"),
        Endpoint::Main => "/mcp".to_owned(),
        Endpoint::Api => "/api/v0".to_owned(),
    };
    Some(Difference { endpoint, appear, disappear, problem })
}

fn word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource => "resource",
        ItemKind::ResourceTemplate => "resource-template",
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::names::GroupName;
    use crate::pipeline::{
        Decision, Description, GuardedParts, Item, Listing, Plugin, Stage, StageFuture, ToolFilter, Validity,
    };
    use crate::telemetry::PolicyMetrics;

    #[derive(Default)]
    struct Counting(AtomicUsize);

    impl ToolFilter for Counting {
        fn select<'a>(&'a self, _: &'a Request, _: &'a str, _: &'a Item) -> StageFuture<'a, Decision> {
            Box::pin(async { Ok(Decision::Allow) })
        }

        fn select_items<'a>(&'a self, _: &'a Request, _: &'a str, items: &'a [&'a Item]) -> StageFuture<'a, Listing> {
            self.0.fetch_add(1, Ordering::Relaxed);
            let visible = vec![true; items.len()];
            Box::pin(async { Ok(Listing { visible, holds: Validity::UntilChange }) })
        }
    }

    #[tokio::test]
    async fn no_policy_is_asked_once_the_time_is_over_and_the_plan_is_known_to_be_a_part() {
        let filter = Arc::new(Counting::default());
        let plugin = Plugin {
            name: "counting".into(),
            digest: "".into(),
            description: Description::default(),
            stages: vec![Stage::ToolFilter],
            guarded: GuardedParts::default(),
            fail_open: false,
            authenticator: None,
            authorizer: None,
            tool_filter: Some(Arc::clone(&filter) as _),
            header_injector: None,
            guard: None,
            observer: None,
        };
        let pipeline = Pipeline::new(1, &[Arc::new(plugin)], &PolicyMetrics::default());
        let group = |name| Endpoint::Group(GroupName::parse(name).unwrap());
        let request = |endpoint| Request { id: "r-1".into(), endpoint, method: Arc::default() };
        let requests = ["one", "two"].map(|name| request(group(name)));
        let viewer = Viewer { principal: Arc::new(Principal::anonymous()), who: vec!["everybody".to_owned()] };
        let (snapshot, both) = (Snapshot::default(), (&pipeline, &pipeline));

        let mut none = Looks::default();
        none.take(&snapshot, both, &requests, &[], Instant::now()).await;
        none.take(&snapshot, both, &requests, std::slice::from_ref(&viewer), Instant::now()).await;
        assert_eq!((none.looked_at, none.are_all, filter.0.load(Ordering::Relaxed)), (0, false, 0));

        let mut all = Looks::default();
        all.take(&snapshot, both, &requests, &[viewer], Instant::now() + MOST_TIME).await;
        assert!(all.looked_at == 2 && all.are_all && filter.0.load(Ordering::Relaxed) > 0);
    }
}
