//! What is found out, in plain words and for programs.

use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::question::Question;
use super::{ApiError, Endpoint, ItemKind, Principal, ServerName, Stage, downstream};
use crate::catalog::Snapshot;
use crate::names::CanonicalName;
use crate::pipeline::{Item, Pipeline, PrincipalKind, StepAnswer, StepReport};
use crate::walk::{Explanation, Refusal};
use crate::wire::Id;

/// The answer to a question.
#[derive(Debug, Serialize)]
pub(in crate::admin) struct Answer {
    /// Whether the call would be made.
    allowed: bool,
    /// Whom it would act for; `None` if there is nobody of that name.
    pub(super) principal: Option<PrincipalView>,
    /// Where it would come in.
    pub(super) endpoint: String,
    /// What it would be about; `None` if there is nothing of that name.
    pub(super) item: Option<ItemView>,
    /// What was found, each a sentence.
    pub(super) findings: Vec<String>,
    /// In the order of a call.
    pub(super) stages: Vec<StageView>,
    /// What the caller would be answered; `None` if that is the server's to say.
    told: Option<Told>,
}

#[derive(Debug, Serialize)]
pub(super) struct PrincipalView {
    kind: &'static str,
    name: String,
    allow: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ItemView {
    kind: &'static str,
    name: String,
    uri: Option<String>,
}

/// One kind of decision.
#[derive(Debug, Serialize)]
pub(super) struct StageView {
    stage: &'static str,
    /// Why nobody was asked, if so.
    not_asked: Option<String>,
    steps: Vec<StepView>,
}

/// One component.
#[derive(Debug, Serialize)]
struct StepView {
    plugin: String,
    digest: String,
    /// `allow`, `deny`, `rewrite`, `headers` or `failed`; `None` if it was not asked.
    answer: Option<&'static str>,
    code: Option<String>,
    reason: Option<String>,
    headers: Option<Vec<String>>,
    duration_us: Option<u64>,
}

/// An answer over HTTP.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    status: u16,
    body: Value,
}

impl Answer {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let endpoint = match endpoint {
            Endpoint::Main => "/mcp".to_owned(),
            Endpoint::Group(name) => format!("/v0/groups/{name}/mcp"),
            Endpoint::Server(name) => format!("/v0/servers/{name}/mcp"),
            Endpoint::Api => "/api/v0".to_owned(),
        };
        Self {
            allowed: false,
            principal: None,
            endpoint,
            item: None,
            findings: Vec::new(),
            stages: Vec::new(),
            told: None,
        }
    }

    pub(super) fn allow(&mut self, server: &ServerName) {
        self.allowed = true;
        self.findings.push(format!("server `{server}` would be asked"));
    }

    pub(super) fn refuse(&mut self, told: Told) {
        self.told = Some(told);
    }

    /// Names the stages that the call did not get to.
    pub(super) fn add_stages_not_reached(&mut self, is_group: bool) {
        let all = [Stage::ToolFilter, Stage::Authorizer, Stage::Guard, Stage::HeaderInjector];
        for stage in all.into_iter().filter(|stage| is_group || *stage != Stage::ToolFilter) {
            if !self.stages.iter().any(|known| known.stage == stage.as_str()) {
                let not_asked = Some("the call ends before".to_owned());
                self.stages.push(StageView { stage: stage.as_str(), not_asked, steps: Vec::new() });
            }
        }
    }
}

impl StageView {
    /// The authenticators, who know callers by what they send.
    pub(super) fn authenticators(pipeline: &Pipeline) -> Self {
        let steps = pipeline.authenticators().into_iter().map(|decider| StepView {
            plugin: decider.plugin.to_string(),
            digest: decider.digest.to_string(),
            answer: None,
            code: None,
            reason: None,
            headers: None,
            duration_us: None,
        });
        let not_asked = Some("the identity is taken by its name".to_owned());
        Self { stage: Stage::Authenticator.as_str(), not_asked, steps: steps.collect() }
    }

    pub(super) fn asked(stage: Stage, steps: &[StepReport]) -> Self {
        let none = match stage {
            // Those that review results only would be asked later.
            Stage::Guard => "no component that reviews arguments is installed",
            _ => "no component is installed for it",
        };
        let not_asked = steps.is_empty().then(|| none.to_owned());
        Self { stage: stage.as_str(), not_asked, steps: steps.iter().map(StepView::of).collect() }
    }
}

impl StepView {
    fn of(report: &StepReport) -> Self {
        let (answer, reason, headers) = match &report.answer {
            StepAnswer::Allow => ("allow", None, None),
            StepAnswer::Rewrite => ("rewrite", None, None),
            StepAnswer::Deny(reason) => ("deny", Some((reason.code.clone(), reason.text.clone())), None),
            StepAnswer::Headers(names) => ("headers", None, Some(names.clone())),
            StepAnswer::Failed { problem, is_passed } => {
                let code = if *is_passed { "passed" } else { "unavailable" };
                ("failed", Some((code.to_owned(), problem.clone())), None)
            }
        };
        let (code, reason) = reason.unzip();
        Self {
            plugin: report.decider.plugin.to_string(),
            digest: report.decider.digest.to_string(),
            answer: Some(answer),
            code,
            reason,
            headers,
            duration_us: Some(u64::try_from(report.duration.as_micros()).unwrap_or(u64::MAX)),
        }
    }
}

impl Told {
    /// Who is nobody is told so.
    pub(super) fn stranger(endpoint: &Endpoint) -> Self {
        let error = match endpoint {
            Endpoint::Api => "invalid access token",
            Endpoint::Main | Endpoint::Group(_) | Endpoint::Server(_) => "invalid MCP client token",
        };
        Self { status: 401, body: json!({ "error": error }) }
    }

    pub(super) fn missing(endpoint: &Endpoint) -> Self {
        Self { status: 404, body: json!({ "error": downstream::missing(endpoint) }) }
    }

    /// `may_ask_why`: whether the caller would be an administrator.
    pub(super) fn refused(endpoint: &Endpoint, refusal: Refusal, may_ask_why: bool) -> Self {
        if *endpoint == Endpoint::Api {
            let error = ApiError::of_refusal(refusal, may_ask_why);
            return Self { status: error.status().as_u16(), body: json!({ "error": error.message() }) };
        }
        let message: Bytes = downstream::refusal(&Id::from(1), &refusal);
        let message: Value = serde_json::from_slice(&message).unwrap_or_default();
        Self { status: 200, body: json!({ "error": message["error"] }) }
    }
}

impl From<&Principal> for PrincipalView {
    fn from(principal: &Principal) -> Self {
        let kind = match principal.kind {
            PrincipalKind::Anonymous => "anonymous",
            PrincipalKind::Client => "client",
            PrincipalKind::User => "user",
            PrincipalKind::Admin => "admin",
            PrincipalKind::Gateway => "gateway",
        };
        Self { kind, name: principal.name.clone(), allow: principal.allow.clone() }
    }
}

impl From<&Item> for ItemView {
    fn from(item: &Item) -> Self {
        Self { kind: word(item.kind), name: item.name.to_string(), uri: item.uri.as_deref().map(str::to_owned) }
    }
}

fn word(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tool",
        ItemKind::Prompt => "prompt",
        ItemKind::Resource => "resource",
        ItemKind::ResourceTemplate => "resource template",
    }
}

/// What there is to say of the item and of who hides it.
pub(super) fn findings(snapshot: &Snapshot, question: &Question, explanation: &Explanation) -> Vec<String> {
    let mut found = Vec::new();
    match &explanation.item {
        None => found.extend(why_nothing(snapshot, question, explanation)),
        Some(item) if explanation.is_disabled => {
            let is_server = snapshot.servers.get(&item.name.server).is_some_and(|server| !server.enabled);
            found.push(if is_server {
                format!("server `{}` is disabled", item.name.server)
            } else {
                format!("{} `{}` is disabled", word(item.kind), item.name)
            });
        }
        Some(_) => {}
    }
    for (stage, steps) in &explanation.stages {
        for step in steps {
            let plugin = &step.decider.plugin;
            match &step.answer {
                StepAnswer::Deny(reason) => {
                    let does =
                        if matches!(stage, Stage::ToolFilter | Stage::Authorizer) { "hides it" } else { "refuses" };
                    found.push(format!("plugin `{plugin}` ({stage}) {does}: {}", reason.text));
                }
                StepAnswer::Failed { is_passed: false, problem } => {
                    found.push(format!("plugin `{plugin}` ({stage}) cannot decide, which counts as no: {problem}"));
                }
                StepAnswer::Failed { is_passed: true, .. } => {
                    found.push(format!("plugin `{plugin}` ({stage}) cannot decide, which is let pass"));
                }
                StepAnswer::Allow | StepAnswer::Rewrite | StepAnswer::Headers(_) => {}
            }
        }
    }
    if let Err(Refusal::Headers(error)) = &explanation.outcome {
        found.push(format!("the headers for the server cannot be sent: {error}"));
    }
    found
}

/// Why nothing has the name.
fn why_nothing(snapshot: &Snapshot, question: &Question, explanation: &Explanation) -> Option<String> {
    let (kind, asked) = question.asked().ok()?;
    let kind = word(kind);
    if let Err(refusal @ (Refusal::Policy(_) | Refusal::InvalidParams(_))) = &explanation.outcome {
        return Some(format!("{kind} `{asked}` could not be looked up: {refusal}"));
    }
    if let Some(server) = question.server() {
        return Some(format!("server `{server}` offers no {kind} `{asked}`"));
    }
    if kind == "resource" {
        return Some(format!("no one server, or none that is seen, offers the resource `{asked}`"));
    }
    Some(match CanonicalName::parse(asked) {
        Err(_) => format!("`{asked}` is no canonical name, <server>__<{kind}>, so nothing is called so"),
        Ok(name) if snapshot.servers.contains_key(&name.server) => {
            format!("server `{}` offers no {kind} `{}`", name.server, name.name)
        }
        Ok(name) => format!("there is no server `{}`", name.server),
    })
}
