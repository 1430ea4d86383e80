//! What a walk would come to and why: its steps up to the upstream, which is not asked.

use crate::gateway::Gateway;
use crate::names::ServerName;
use crate::pipeline::{Denial, Endpoint, Item, Stage, StepReport};
use crate::walk::resolve::{self, Target};
use crate::walk::{Caller, Refusal, has_arguments, resolve_headers, upstream_view};
use crate::wire;

/// What became of the steps.
#[derive(Debug)]
pub struct Explanation {
    /// What the request is about; `None` if nothing has that name.
    pub item: Option<Item>,
    /// Whether the item, or its server, is disabled, so that the caller is told that it does not exist.
    pub is_disabled: bool,
    /// The stages that were asked, in order.
    pub stages: Vec<(Stage, Vec<StepReport>)>,
    /// The server that would be asked, or why none would be.
    pub outcome: Result<ServerName, Refusal>,
}

/// Walks up to the upstream. Every plugin that decides whether the item may be used is asked; those
/// that change the call are asked only if it may.
pub async fn explain(gateway: &Gateway, caller: &Caller, mut request: wire::Request) -> Explanation {
    let pipeline = gateway.pipeline();
    let nothing = |refusal| Explanation { item: None, is_disabled: false, stages: Vec::new(), outcome: Err(refusal) };
    let (target, refusal) = match resolve::resolve(gateway, &pipeline, caller, &mut request).await {
        Ok(target) => (target, None),
        Err(refusal @ Refusal::NotFound { .. }) => {
            let further = Caller { reaches_disabled: true, ..caller.clone() };
            match resolve::resolve(gateway, &pipeline, &further, &mut request).await {
                Ok(target) => (target, Some(refusal)),
                Err(_) => return nothing(refusal),
            }
        }
        Err(refusal) => return nothing(refusal),
    };
    let is_disabled = refusal.is_some();
    let mut stages = Vec::new();
    let decided = decide(gateway, caller, &target, &mut stages).await;
    let outcome = match (refusal, decided) {
        (Some(refusal), _) | (None, Err(refusal)) => Err(refusal),
        (None, Ok(())) => prepare(gateway, caller, &target, &request, &mut stages).await,
    };
    Explanation { item: Some(target.item), is_disabled, stages, outcome }
}

async fn decide(
    gateway: &Gateway,
    caller: &Caller,
    target: &Target,
    stages: &mut Vec<(Stage, Vec<StepReport>)>,
) -> Result<(), Refusal> {
    let pipeline = gateway.pipeline();
    let (mut selecting, mut authorizing) = (Vec::new(), Vec::new());
    let mut outcome: Result<(), Denial> = Ok(());
    let is_group = matches!(caller.request.endpoint, Endpoint::Group(_));
    for item in std::iter::once(&target.item).chain(&target.also) {
        if let Endpoint::Group(group) = &caller.request.endpoint {
            let selected = pipeline.explain_selection(&caller.request, group.as_str(), item, &mut selecting);
            outcome = outcome.and(selected.await);
        }
        let allowed = pipeline.explain_authorization(&caller.request, &caller.principal, item, &mut authorizing);
        outcome = outcome.and(allowed.await);
    }
    if is_group {
        stages.push((Stage::ToolFilter, selecting));
    }
    stages.push((Stage::Authorizer, authorizing));
    outcome.map_err(|denial| target.conceal(denial))
}

async fn prepare(
    gateway: &Gateway,
    caller: &Caller,
    target: &Target,
    request: &wire::Request,
    stages: &mut Vec<(Stage, Vec<StepReport>)>,
) -> Result<ServerName, Refusal> {
    let pipeline = gateway.pipeline();
    if has_arguments(request.method()) {
        let [arguments] =
            request.param_members(["arguments"]).map_err(|error| Refusal::InvalidParams(error.to_string()))?;
        let mut reports = Vec::new();
        let arguments = arguments.unwrap_or("{}");
        let reviewing =
            pipeline.explain_arguments(&caller.request, &caller.principal, &target.item, arguments, &mut reports);
        let reviewed = reviewing.await;
        stages.push((Stage::Guard, reports));
        reviewed.map_err(Refusal::Policy)?;
    }
    let mut reports = Vec::new();
    let view = upstream_view(&target.server);
    let injected = pipeline.explain_headers(&caller.request, &caller.principal, view, &mut reports).await;
    stages.push((Stage::HeaderInjector, reports));
    let server = &target.server.server;
    resolve_headers(server, &injected.map_err(Refusal::Policy)?)?;
    Ok(server.name.clone())
}
