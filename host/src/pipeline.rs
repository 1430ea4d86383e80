//! The ordered policies of all stages, and how the answers of several combine.
//! Fail closed: a policy that gives no usable answer denies, unless an
//! administrator let that plugin fail open.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::telemetry::{PolicyMetrics, StageMetrics};

mod directory;
mod explain;
mod model;
mod stages;

pub use directory::{Directory, GroupDefinition, GroupEntry, Identity, Mode};
pub use explain::{StepAnswer, StepReport};
pub use model::{
    Authentication, Decision, Endpoint, HttpRequest, InjectedHeader, InjectedValue, Item, ItemKind, Listing,
    Observation, Outcome, Principal, PrincipalKind, Reason, Request, Review, UpstreamView, Validity,
};
pub use stages::{Authenticator, Authorizer, CallError, Guard, HeaderInjector, Observer, StageFuture, ToolFilter};

/// One kind of decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Who is calling?
    Authenticator,
    /// May they use this item?
    Authorizer,
    /// Does this item belong to this group?
    ToolFilter,
    /// Which headers go upstream?
    HeaderInjector,
    /// Are these arguments, is this result, all right?
    Guard,
    /// Told afterwards.
    Observer,
}

impl Stage {
    /// All stages, in the order of a call's walk.
    pub const ALL: [Self; 6] =
        [Self::Authenticator, Self::ToolFilter, Self::Authorizer, Self::Guard, Self::HeaderInjector, Self::Observer];

    /// The word for it in the contract, in settings and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Authenticator => "authenticator",
            Self::Authorizer => "authorizer",
            Self::ToolFilter => "tool-filter",
            Self::HeaderInjector => "header-injector",
            Self::Guard => "guard",
            Self::Observer => "observer",
        }
    }
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A word that is no stage.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no stage `{0}`; there are {known}", known = Stage::ALL.map(Stage::as_str).join(", "))]
pub struct NoSuchStage(String);

impl FromStr for Stage {
    type Err = NoSuchStage;

    fn from_str(word: &str) -> Result<Self, NoSuchStage> {
        Self::ALL.into_iter().find(|stage| stage.as_str() == word).ok_or_else(|| NoSuchStage(word.to_owned()))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why the pipeline ended a walk. What the caller is told of it is decided where
/// it is mapped to HTTP and JSON-RPC; these texts are for the log, so a policy's
/// own words are escaped.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum Denial {
    #[error("no authenticator vouched for the request{}", .by.as_ref().map(|by| format!(": `{}` says {:?}", by.decider.plugin, by.reason.text)).unwrap_or_default())]
    Unauthenticated { by: Option<DeniedBy> },
    /// The caller must not learn that the item exists.
    #[error("plugin `{}` ({}) hides it: {:?}", .by.decider.plugin, .by.decider.stage, .by.reason.text)]
    Hidden { by: DeniedBy },
    /// The caller may know that it was refused; only a guard's reason is shown.
    #[error("plugin `{}` ({}) refuses: {:?}", .by.decider.plugin, .by.decider.stage, .by.reason.text)]
    Refused { by: DeniedBy },
    #[error("the policy `{plugin}` ({stage}) is unavailable", plugin = .decider.plugin, stage = .decider.stage)]
    Unavailable { decider: Decider },
}

/// Which plugin said no, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeniedBy {
    /// Who.
    pub decider: Decider,
    /// Its reason.
    pub reason: Reason,
}

/// One plugin at one stage: who a decision comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decider {
    /// The kind of decision.
    pub stage: Stage,
    /// The plugin's name in the pipeline.
    pub plugin: Arc<str>,
    /// SHA-256 of the component's bytes, in lower-case hexadecimal.
    pub digest: Arc<str>,
}

/// One component in the pipeline, with what it exports.
pub struct Plugin {
    /// Unique in the pipeline, such as `builtin-acl`.
    pub name: Arc<str>,
    /// SHA-256 of the component's bytes, in lower-case hexadecimal.
    pub digest: Arc<str>,
    /// What it says of itself.
    pub description: Description,
    /// The stages that it is installed for.
    pub stages: Vec<Stage>,
    /// What it reviews, if it is a guard.
    pub guarded: GuardedParts,
    /// Whether a call that fails counts as no objection instead of a denial.
    pub fail_open: bool,
    /// Present if the component exports the stage and is installed for it; so are the next five.
    pub authenticator: Option<Arc<dyn Authenticator>>,
    #[expect(missing_docs, reason = "see `authenticator`")]
    pub authorizer: Option<Arc<dyn Authorizer>>,
    #[expect(missing_docs, reason = "see `authenticator`")]
    pub tool_filter: Option<Arc<dyn ToolFilter>>,
    #[expect(missing_docs, reason = "see `authenticator`")]
    pub header_injector: Option<Arc<dyn HeaderInjector>>,
    #[expect(missing_docs, reason = "see `authenticator`")]
    pub guard: Option<Arc<dyn Guard>>,
    #[expect(missing_docs, reason = "see `authenticator`")]
    pub observer: Option<Arc<dyn Observer>>,
}

/// What a component says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Description {
    /// Its own version; may be empty.
    pub version: String,
    /// One sentence for administrators; may be empty.
    pub summary: String,
    /// A JSON Schema of its settings, as a JSON text.
    pub settings_schema: Option<String>,
}

/// What a guard reviews.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuardedParts {
    /// The arguments of calls.
    pub arguments: bool,
    /// The results of calls.
    pub results: bool,
}

struct Step<T: ?Sized> {
    decider: Decider,
    fail_open: bool,
    policy: Arc<T>,
    metrics: Arc<StageMetrics>,
}

/// A policy that gave no usable answer.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// Which one.
    pub decider: &'a Decider,
    /// Whether that counts as no objection.
    pub fail_open: bool,
    /// Why.
    pub error: &'a CallError,
    /// The request that it was asked about, if about one.
    pub request: Option<&'a str>,
}

/// Is told of failures while somebody waits for the decision, so it must not take long.
pub type FailureListener = Arc<dyn Fn(Failure<'_>) + Send + Sync>;

/// What steps are made of.
struct Steps<'a> {
    plugins: &'a [Arc<Plugin>],
    metrics: &'a PolicyMetrics,
}

impl Steps<'_> {
    fn of<T: ?Sized>(&self, stage: Stage, policy: impl Fn(&Plugin) -> Option<&Arc<T>>) -> Vec<Step<T>> {
        let step = |plugin: &Arc<Plugin>| {
            policy(plugin).map(|policy| Step {
                decider: Decider { stage, plugin: Arc::clone(&plugin.name), digest: Arc::clone(&plugin.digest) },
                fail_open: plugin.fail_open,
                policy: Arc::clone(policy),
                metrics: self.metrics.stage(&plugin.name, stage),
            })
        };
        self.plugins.iter().filter_map(step).collect()
    }
}

/// The policies as they run. Immutable: a change makes a new one and swaps it in.
pub struct Pipeline {
    /// Grows with every pipeline this process has run; answers kept from an older one are void.
    revision: u64,
    /// Whom a request acts for when nobody is installed to ask; `None`: it is refused.
    everybody: Option<Principal>,
    authenticators: Vec<Step<dyn Authenticator>>,
    authorizers: Vec<Step<dyn Authorizer>>,
    tool_filters: Vec<Step<dyn ToolFilter>>,
    header_injectors: Vec<Step<dyn HeaderInjector>>,
    argument_guards: Vec<Step<dyn Guard>>,
    result_guards: Vec<Step<dyn Guard>>,
    observers: Vec<Step<dyn Observer>>,
    /// Who vouches for a call that was allowed: on a group's endpoint, and elsewhere.
    deciders: [Arc<[Decider]>; 2],
    failures: Option<FailureListener>,
}

impl Pipeline {
    /// Orders the plugins' stages as the plugins are ordered. Calls are counted in `metrics`.
    pub fn new(revision: u64, plugins: &[Arc<Plugin>], metrics: &PolicyMetrics) -> Self {
        let steps = Steps { plugins, metrics };
        let mut pipeline = Self {
            revision,
            everybody: None,
            authenticators: steps.of(Stage::Authenticator, |plugin| plugin.authenticator.as_ref()),
            authorizers: steps.of(Stage::Authorizer, |plugin| plugin.authorizer.as_ref()),
            tool_filters: steps.of(Stage::ToolFilter, |plugin| plugin.tool_filter.as_ref()),
            header_injectors: steps.of(Stage::HeaderInjector, |plugin| plugin.header_injector.as_ref()),
            argument_guards: steps
                .of(Stage::Guard, |plugin| plugin.guard.as_ref().filter(|_| plugin.guarded.arguments)),
            result_guards: steps.of(Stage::Guard, |plugin| plugin.guard.as_ref().filter(|_| plugin.guarded.results)),
            observers: steps.of(Stage::Observer, |plugin| plugin.observer.as_ref()),
            deciders: [Arc::default(), Arc::default()],
            failures: None,
        };
        pipeline.deciders = [true, false].map(|in_group| pipeline.collect_deciders(in_group, &steps));
        pipeline
    }

    /// Tells somebody of policies that give no usable answer.
    pub fn reporting_to(self, failures: Option<FailureListener>) -> Self {
        Self { failures, ..self }
    }

    /// Who vouches for a call that was allowed, prepared once.
    pub fn deciders(&self, endpoint: &Endpoint) -> &Arc<[Decider]> {
        let [in_group, elsewhere] = &self.deciders;
        if matches!(endpoint, Endpoint::Group(_)) { in_group } else { elsewhere }
    }

    fn collect_deciders(&self, in_group: bool, steps: &Steps<'_>) -> Arc<[Decider]> {
        let authenticators = self.authenticators.iter().map(|step| &step.decider);
        let tool_filters = self.tool_filters.iter().map(|step| &step.decider).filter(|_| in_group);
        let authorizers = self.authorizers.iter().map(|step| &step.decider);
        let guards = steps.of(Stage::Guard, |plugin| plugin.guard.as_ref()).into_iter().map(|step| step.decider);
        authenticators.chain(tool_filters).chain(authorizers).cloned().chain(guards).collect()
    }

    /// In development mode a pipeline without an authenticator takes everybody for
    /// anonymous, who may use everything. With one, or in enterprise mode, this changes nothing.
    pub fn for_mode(mut self, mode: Mode) -> Self {
        self.everybody = (mode == Mode::Development && self.authenticators.is_empty()).then(Principal::anonymous);
        self
    }

    /// See [`Pipeline::new`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Asks the authenticators in order; the first that does not abstain decides.
    pub async fn authenticate(&self, request: HttpRequest<'_>) -> Result<Principal, Denial> {
        for step in &self.authenticators {
            let answer = step.metrics.time(step.policy.authenticate(request)).await;
            match self.usable(step, Some(request.id), answer)? {
                Some(Authentication::Authenticated(principal)) => return Ok(principal),
                Some(Authentication::Denied(reason)) => {
                    return Err(Denial::Unauthenticated { by: Some(step.denied(reason)) });
                }
                Some(Authentication::Abstain) | None => {}
            }
        }
        self.everybody.clone().ok_or(Denial::Unauthenticated { by: None })
    }

    /// Every tool-filter must agree that `item` belongs to `group`.
    pub async fn select(&self, request: &Request, group: &str, item: &Item) -> Result<(), Denial> {
        for step in &self.tool_filters {
            let answer = step.metrics.time(step.policy.select(request, group, item)).await;
            if let Some(Decision::Deny(reason)) = self.usable(step, Some(&request.id), answer)? {
                return Err(Denial::Hidden { by: step.denied(reason) });
            }
        }
        Ok(())
    }

    /// Which items every tool-filter agrees on.
    pub async fn select_items(&self, request: &Request, group: &str, items: &[&Item]) -> Result<Listing, Denial> {
        let mut combined = Listing::everything(items.len());
        for step in &self.tool_filters {
            let answer = step.metrics.time(step.policy.select_items(request, group, items)).await;
            if let Some(listing) = self.usable(step, Some(&request.id), answer)? {
                combined.intersect(&listing);
            }
        }
        Ok(combined)
    }

    /// Every authorizer must allow; the first that does not ends the walk.
    pub async fn authorize(&self, request: &Request, principal: &Principal, item: &Item) -> Result<(), Denial> {
        for step in &self.authorizers {
            let answer = step.metrics.time(step.policy.authorize(request, principal, item)).await;
            if let Some(Decision::Deny(reason)) = self.usable(step, Some(&request.id), answer)? {
                return Err(Denial::Hidden { by: step.denied(reason) });
            }
        }
        Ok(())
    }

    /// Which items every authorizer allows.
    pub async fn authorize_items(
        &self,
        request: &Request,
        principal: &Principal,
        items: &[&Item],
    ) -> Result<Listing, Denial> {
        let mut combined = Listing::everything(items.len());
        for step in &self.authorizers {
            let answer = step.metrics.time(step.policy.authorize_items(request, principal, items)).await;
            if let Some(listing) = self.usable(step, Some(&request.id), answer)? {
                combined.intersect(&listing);
            }
        }
        Ok(combined)
    }

    /// The headers of all injectors; a later one overrides a name that an earlier one set.
    pub async fn headers(
        &self,
        request: &Request,
        principal: &Principal,
        upstream: UpstreamView<'_>,
    ) -> Result<Vec<InjectedHeader>, Denial> {
        let mut headers: Vec<InjectedHeader> = Vec::new();
        for step in &self.header_injectors {
            let answer = step.metrics.time(step.policy.inject(request, principal, upstream)).await;
            match self.usable(step, Some(&request.id), answer)? {
                Some(Ok(injected)) => add_headers(&mut headers, injected),
                Some(Err(reason)) => {
                    return Err(Denial::Refused { by: step.denied(reason) });
                }
                None => {}
            }
        }
        Ok(headers)
    }

    /// Whether any guard reviews arguments: without one, nobody needs them as text.
    pub fn reviews_arguments(&self) -> bool {
        !self.argument_guards.is_empty()
    }

    /// Whether any guard reviews results.
    pub fn reviews_results(&self) -> bool {
        !self.result_guards.is_empty()
    }

    /// Asks the guards in order; returns the arguments as the last one left them, if any rewrote them.
    pub async fn review_arguments(
        &self,
        request: &Request,
        principal: &Principal,
        item: &Item,
        arguments: &str,
    ) -> Result<Option<bytes::Bytes>, Denial> {
        let mut rewritten = None;
        for step in &self.argument_guards {
            let current = current_text(rewritten.as_ref(), arguments);
            let answer = step.metrics.time(step.policy.review_arguments(request, principal, item, current)).await;
            self.apply_review(step, &request.id, answer, &mut rewritten)?;
        }
        Ok(rewritten)
    }

    /// Asks the guards in order; returns the result as the last one left it, if any rewrote it.
    pub async fn review_result(
        &self,
        request: &Request,
        principal: &Principal,
        item: &Item,
        outcome: &str,
    ) -> Result<Option<bytes::Bytes>, Denial> {
        let mut rewritten = None;
        for step in &self.result_guards {
            let current = current_text(rewritten.as_ref(), outcome);
            let answer = step.metrics.time(step.policy.review_result(request, principal, item, current)).await;
            self.apply_review(step, &request.id, answer, &mut rewritten)?;
        }
        Ok(rewritten)
    }

    /// Whether any observer is installed.
    pub fn has_observers(&self) -> bool {
        !self.observers.is_empty()
    }

    /// Tells every observer. Their failures are logged and counted, and change nothing.
    pub async fn observe(&self, observations: &[Observation]) {
        for step in &self.observers {
            let answer = step.metrics.time(step.policy.observe(observations)).await;
            let _told = self.usable(step, None, answer);
        }
    }

    fn apply_review(
        &self,
        step: &Step<dyn Guard>,
        request: &str,
        answer: Result<Review, CallError>,
        rewritten: &mut Option<bytes::Bytes>,
    ) -> Result<(), Denial> {
        match self.usable(step, Some(request), answer)? {
            Some(Review::Rewrite(text)) => *rewritten = Some(text),
            Some(Review::Deny(reason)) => {
                return Err(Denial::Refused { by: step.denied(reason) });
            }
            Some(Review::Pass) | None => {}
        }
        Ok(())
    }

    /// `None` when the call failed and the plugin may fail open. This is the one
    /// place where a policy's failure is logged, counted and turned into a denial.
    fn usable<P: ?Sized, T>(
        &self,
        step: &Step<P>,
        request: Option<&str>,
        answer: Result<T, CallError>,
    ) -> Result<Option<T>, Denial> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => {
                step.metrics.record_failure(step.fail_open);
                if let Some(tell) = &self.failures {
                    tell(Failure { decider: &step.decider, fail_open: step.fail_open, error: &error, request });
                }
                tracing::error!(
                    plugin.name = %step.decider.plugin,
                    plugin.stage = %step.decider.stage,
                    plugin.fail_open = step.fail_open,
                    %error,
                    "a policy gave no usable answer"
                );
                if step.fail_open { Ok(None) } else { Err(Denial::Unavailable { decider: step.decider.clone() }) }
            }
        }
    }
}

impl<T: ?Sized> Step<T> {
    fn denied(&self, reason: Reason) -> DeniedBy {
        self.metrics.record_denial();
        DeniedBy { decider: self.decider.clone(), reason }
    }
}

impl Listing {
    fn everything(len: usize) -> Self {
        Self { visible: vec![true; len], holds: Validity::UntilChange }
    }

    /// The length of `other` was checked where it was lifted from the component.
    fn intersect(&mut self, other: &Self) {
        for (mine, theirs) in self.visible.iter_mut().zip(&other.visible) {
            *mine &= theirs;
        }
        self.holds = self.holds.shorter(other.holds);
    }
}

/// A later one overrides a name that an earlier one set.
fn add_headers(headers: &mut Vec<InjectedHeader>, injected: Vec<InjectedHeader>) {
    headers.retain(|header| injected.iter().all(|later| later.name != header.name));
    headers.extend(injected);
}

fn current_text<'a>(rewritten: Option<&'a bytes::Bytes>, original: &'a str) -> &'a str {
    rewritten
        .map(|text| std::str::from_utf8(text).expect("a rewrite is checked to be JSON text where it is lifted"))
        .unwrap_or(original)
}
