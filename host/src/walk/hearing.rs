//! Whether a principal may be told of a resource that it has not asked for.

use std::sync::Arc;

use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::{Denial, Endpoint, Item, Pipeline, Principal, Request};
use crate::walk::resolve::{Reach, resource_items};

/// Whether `principal` may hear of the resource that its server calls `uri`. What the server
/// does not list, policies are asked about under its URI: it may belong to what was subscribed to.
pub(crate) async fn may_hear_of(
    gateway: &Gateway,
    request: &Request,
    principal: &Arc<Principal>,
    server: &ServerName,
    uri: &str,
) -> Result<bool, Denial> {
    let snapshot = gateway.snapshot();
    let reach = Reach { disabled: false, unlisted: true };
    let Some(items) = snapshot.servers.get(server).and_then(|server| resource_items(server, reach, uri)) else {
        return Ok(false);
    };
    let pipeline = gateway.pipeline();
    for item in &items {
        match decide(&pipeline, request, principal, item).await {
            Ok(()) => {}
            Err(Denial::Hidden { .. }) => return Ok(false),
            Err(denial) => return Err(denial),
        }
    }
    Ok(true)
}

/// What policies decide of one item, wherever it came from.
pub(super) async fn decide(
    pipeline: &Pipeline,
    request: &Request,
    principal: &Principal,
    item: &Item,
) -> Result<(), Denial> {
    if let Endpoint::Group(group) = &request.endpoint {
        pipeline.select(request, group.as_str(), item).await?;
    }
    pipeline.authorize(request, principal, item).await
}
