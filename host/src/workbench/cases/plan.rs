//! From the rows of a cases file to questions: what a row leaves out, and for which stage it is meant.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::configuration::{Place, Problem, Source, Step, place_of_key};
use crate::names::ServerName;
use crate::pipeline::{Endpoint, Item, ItemKind, Observation, Principal, PrincipalKind, Stage};
use crate::workbench::cases::expect::Expectation;
use crate::workbench::cases::file::{
    Case, CasesFile, Forms, ObservationDescription, PrincipalDescription, RequestDescription, UpstreamDescription,
};
use crate::workbench::question::{About, HttpQuestion, Question, Upstream, item_kind_word, request};

/// A row, ready to be asked.
pub(crate) struct Planned {
    pub(crate) name: String,
    /// Where it stands in the file.
    pub(crate) place: Option<Place>,
    pub(crate) question: Question,
    pub(crate) forms: Forms,
    pub(crate) repeat: u32,
    pub(crate) after: Duration,
    pub(crate) is_fresh: bool,
    /// Settings of its own, as a JSON text.
    pub(crate) settings: Option<String>,
    pub(crate) expect: Expectation,
}

/// All rows, for a component that exports these stages; or all that is wrong with them.
pub(crate) fn plan(file: CasesFile, stages: &[Stage], source: Source<'_>) -> Result<Vec<Planned>, Vec<Problem>> {
    let (mut planned, mut problems) = (Vec::new(), Vec::new());
    for (index, case) in file.cases.into_iter().enumerate() {
        let place = place_of_key(source, &[Step::Key("cases".to_owned()), Step::Index(index)]);
        let number = index + 1;
        let called = case.name.clone().map_or(format!("case {number}"), |name| format!("case {number} ({name})"));
        match plan_case(case, number, file.principal.as_ref(), stages, place) {
            Ok(case) => planned.push(case),
            Err(message) => {
                problems.push(Problem {
                    file: source.shown.to_owned(),
                    place,
                    message: format!("{called}: {message}"),
                });
            }
        }
    }
    if problems.is_empty() && planned.is_empty() {
        let message = "it has no cases: `cases` is a list of them".to_owned();
        problems.push(Problem { file: source.shown.to_owned(), place: None, message });
    }
    if problems.is_empty() { Ok(planned) } else { Err(problems) }
}

fn plan_case(
    case: Case,
    number: usize,
    principal: Option<&PrincipalDescription>,
    stages: &[Stage],
    place: Option<Place>,
) -> Result<Planned, String> {
    let stage = choose_stage(&case, stages)?;
    let question = question(&case, stage, number, principal)?;
    let mut expect = case.expect;
    check_expectation(&expect, &question)?;
    order_visible(&mut expect, question.items())?;
    Ok(Planned {
        name: case.name.unwrap_or_else(|| describe(&question)),
        place,
        question,
        forms: case.forms,
        repeat: case.repeat.get(),
        after: Duration::from_millis(case.after_ms),
        is_fresh: case.fresh,
        settings: case.settings.map(|settings| Value::Object(settings).to_string()),
        expect,
    })
}

/// The stage that a row names, or the only one that it can be about.
fn choose_stage(case: &Case, stages: &[Stage]) -> Result<Stage, String> {
    let has_items = case.item.is_some() || case.items.is_some();
    let candidates: &[Stage] = match case {
        Case { stage: Some(stage), .. } => &[*stage],
        Case { arguments: Some(_), .. } | Case { result: Some(_), .. } => &[Stage::Guard],
        Case { upstream: Some(_), .. } => &[Stage::HeaderInjector],
        Case { observations: Some(_), .. } => &[Stage::Observer],
        Case { group: Some(_), .. } => &[Stage::ToolFilter],
        _ if has_items => &[Stage::Authorizer, Stage::ToolFilter],
        _ => &[Stage::Authenticator],
    };
    let found = candidates.iter().find(|stage| stages.contains(stage));
    found.copied().ok_or_else(|| {
        let wanted = candidates.iter().map(|stage| stage.as_str()).collect::<Vec<_>>().join(" or ");
        let exported = stages.iter().map(|stage| stage.as_str()).collect::<Vec<_>>().join(", ");
        format!("it is a question to the stage {wanted}, and the component has {exported}")
    })
}

fn question(
    case: &Case,
    stage: Stage,
    number: usize,
    principal: Option<&PrincipalDescription>,
) -> Result<Question, String> {
    check_keys(case, stage)?;
    let described = case.principal.as_ref().or(principal);
    let about = |method: &str| -> Result<About, String> {
        let principal = described.map_or_else(|| Ok(Principal::anonymous()), read_principal)?;
        Ok(About { request: read_request(&case.request, number, method), principal })
    };
    let item = || case.item.clone().ok_or_else(|| "it names no `item`".to_owned());
    match stage {
        Stage::Authenticator => Ok(Question::Authenticate(read_http(&case.request, number)?)),
        Stage::Authorizer => match items_of(case)? {
            Items::One(item) => Ok(Question::Authorize { about: about(call_method(item.kind))?, item }),
            Items::Many(items) => Ok(Question::AuthorizeItems { about: about(list_method(&items))?, items }),
        },
        Stage::ToolFilter => {
            let group = match (&case.group, &case.request.endpoint) {
                (Some(group), _) => group.clone(),
                (None, Some(Endpoint::Group(group))) => group.to_string(),
                _ => return Err("it names no `group`".to_owned()),
            };
            match items_of(case)? {
                Items::One(item) => Ok(Question::Select { about: about(call_method(item.kind))?, group, item }),
                Items::Many(items) => Ok(Question::SelectItems { about: about(list_method(&items))?, group, items }),
            }
        }
        Stage::Guard => {
            let item = item()?;
            let about = about(call_method(item.kind))?;
            match (&case.arguments, &case.result) {
                (Some(Value::Object(arguments)), None) => {
                    Ok(Question::ReviewArguments { about, item, text: Value::Object(arguments.clone()).to_string() })
                }
                (Some(_), None) => Err("`arguments` are an object".to_owned()),
                (None, Some(result)) => Ok(Question::ReviewResult { about, item, text: result.to_string() }),
                _ => Err("a guard reviews either `arguments` or a `result`".to_owned()),
            }
        }
        Stage::HeaderInjector => {
            let upstream = case.upstream.as_ref().ok_or("it names no `upstream`")?;
            Ok(Question::Inject { about: about("tools/call")?, upstream: read_upstream(upstream)? })
        }
        Stage::Observer => {
            let observations = case.observations.as_ref().ok_or("it names no `observations`")?;
            observations
                .iter()
                .map(|one| read_observation(one, number))
                .collect::<Result<_, _>>()
                .map(Question::Observe)
        }
    }
}

/// What the stage is not asked about would be ignored; so it is a mistake.
fn check_keys(case: &Case, stage: Stage) -> Result<(), String> {
    let is_http = case.request.path.is_some() || case.request.headers.is_some() || case.request.peer.is_some();
    let decides = matches!(stage, Stage::Authorizer | Stage::ToolFilter);
    let given = [
        ("item", case.item.is_some(), decides || stage == Stage::Guard),
        ("items", case.items.is_some(), decides),
        ("group", case.group.is_some(), stage == Stage::ToolFilter),
        ("arguments", case.arguments.is_some(), stage == Stage::Guard),
        ("result", case.result.is_some(), stage == Stage::Guard),
        ("upstream", case.upstream.is_some(), stage == Stage::HeaderInjector),
        ("observations", case.observations.is_some(), stage == Stage::Observer),
        ("principal", case.principal.is_some(), !matches!(stage, Stage::Authenticator | Stage::Observer)),
        ("path, headers and peer of the request", is_http, stage == Stage::Authenticator),
        ("forms", case.forms == Forms::One, decides),
    ];
    match given.iter().find(|(_, is_given, is_wanted)| *is_given && !is_wanted) {
        Some((key, ..)) => Err(format!("the stage {stage} is not asked about {key}")),
        None => Ok(()),
    }
}

enum Items {
    One(Item),
    Many(Vec<Item>),
}

fn items_of(case: &Case) -> Result<Items, String> {
    match (&case.item, &case.items) {
        (Some(item), None) => Ok(Items::One(item.clone())),
        (None, Some(items)) => Ok(Items::Many(items.clone())),
        _ => Err("it names either an `item` or `items`".to_owned()),
    }
}

fn call_method(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool => "tools/call",
        ItemKind::Prompt => "prompts/get",
        ItemKind::Resource | ItemKind::ResourceTemplate => "resources/read",
    }
}

fn list_method(items: &[Item]) -> &'static str {
    items.first().map_or(ItemKind::Tool, |item| item.kind).list_method()
}

fn read_request(description: &RequestDescription, number: usize, method: &str) -> crate::pipeline::Request {
    let endpoint = description.endpoint.clone().unwrap_or(Endpoint::Main);
    let mut read = request(number, endpoint, description.method.as_deref().unwrap_or(method));
    if let Some(id) = &description.id {
        read.id = id.as_str().into();
    }
    read
}

fn read_http(description: &RequestDescription, number: usize) -> Result<HttpQuestion, String> {
    let mut headers = HeaderMap::new();
    for (name, value) in description.headers.iter().flatten() {
        let name =
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("`{name}` is not the name of a header"))?;
        let value = HeaderValue::from_str(value).map_err(|_| format!("the value of the header `{name}` is not one"))?;
        headers.append(name, value);
    }
    let endpoint = description.endpoint.clone().unwrap_or(Endpoint::Main);
    let path = match &endpoint {
        Endpoint::Main => "/mcp".to_owned(),
        Endpoint::Group(name) => format!("/v0/groups/{name}/mcp"),
        Endpoint::Server(name) => format!("/v0/servers/{name}/mcp"),
        Endpoint::Api => "/api/v0/servers".to_owned(),
    };
    Ok(HttpQuestion {
        id: description.id.clone().unwrap_or_else(|| format!("case-{number}")),
        endpoint,
        method: description.method.clone().unwrap_or_else(|| "POST".to_owned()),
        path: description.path.clone().unwrap_or(path),
        headers,
        peer: description.peer.clone().unwrap_or_else(|| "127.0.0.1".to_owned()),
    })
}

fn read_principal(description: &PrincipalDescription) -> Result<Principal, String> {
    let kind = description.kind.unwrap_or(PrincipalKind::Client);
    if description.name.is_empty() && kind != PrincipalKind::Anonymous {
        return Err("the principal has no `name`".to_owned());
    }
    // As the stock authenticator has it: who is nobody in particular may use everything.
    let everything = if kind == PrincipalKind::Anonymous { vec!["*".to_owned()] } else { Vec::new() };
    Ok(Principal {
        kind,
        name: description.name.clone(),
        allow: description.allow.clone().unwrap_or(everything),
        attributes: description.attributes.clone().into_iter().collect(),
    })
}

fn read_upstream(description: &UpstreamDescription) -> Result<Upstream, String> {
    Ok(Upstream {
        name: ServerName::parse(&description.name).map_err(|error| error.to_string())?,
        transport: description.transport.as_str(),
        secret_names: description.secrets.clone(),
    })
}

fn read_observation(description: &ObservationDescription, number: usize) -> Result<Observation, String> {
    let method = description.item.as_ref().map_or("tools/call", |item| call_method(item.kind));
    Ok(Observation {
        request: read_request(&description.request, number, method),
        principal: description.principal.as_ref().map(read_principal).transpose()?.map(Arc::new),
        item: description.item.clone(),
        outcome: description.outcome,
        denied_by: description.denied_by.as_deref().map(Arc::from),
        duration_us: description.duration_us,
    })
}

/// An answer that the question can never get is a mistake in the file, not in the component.
fn check_expectation(expect: &Expectation, question: &Question) -> Result<(), String> {
    let possible: &[&str] = match question {
        Question::Authenticate(_) => &["principal", "abstain", "deny"],
        Question::Authorize { .. } | Question::Select { .. } => &["allow", "deny"],
        Question::AuthorizeItems { .. } | Question::SelectItems { .. } => &["visible"],
        Question::ReviewArguments { .. } | Question::ReviewResult { .. } => &["pass", "rewrite", "deny"],
        Question::Inject { .. } => &["headers", "deny"],
        Question::Observe(_) => &["told"],
    };
    if possible.contains(&expect.kind) || expect.kind == "fails" {
        return Ok(());
    }
    let about = if question.items().len() == 1 || !matches!(possible, ["visible"]) { "" } else { " about `items`" };
    let stage = question.stage();
    Err(format!("the answer of the stage {stage}{about} is {}, never {}", possible.join(" or "), expect.kind))
}

/// Puts the expected names in the order of the items asked about: a list has no other.
fn order_visible(expect: &mut Expectation, items: &[Item]) -> Result<(), String> {
    let Some(visible) = expect.answer.get_mut("visible").and_then(Value::as_array_mut) else { return Ok(()) };
    let names = |item: &Item| [item.name.to_string(), format!("{} {}", item_kind_word(item.kind), item.name)];
    let is_of = |wanted: &Value, item: &Item| names(item).iter().any(|name| wanted.as_str() == Some(name.as_str()));
    if let Some(unknown) = visible.iter().find(|wanted| !items.iter().any(|item| is_of(wanted, item))) {
        return Err(format!("{unknown} is expected to be visible, and is not one of the `items`"));
    }
    let is_wanted = |item: &&Item| visible.iter().any(|wanted| is_of(wanted, item));
    *visible = items.iter().filter(is_wanted).map(|item| item.name.to_string().into()).collect();
    Ok(())
}

/// A name for a row that has none.
fn describe(question: &Question) -> String {
    let item = |item: &Item| format!("{} {}", item_kind_word(item.kind), item.name);
    match question {
        Question::Authenticate(http) => format!("{} {}", http.method, http.path),
        Question::Authorize { item: one, .. } => item(one),
        Question::Select { group, item: one, .. } => format!("{} in group {group}", item(one)),
        Question::AuthorizeItems { items, .. } => format!("list of {}", items.len()),
        Question::SelectItems { group, items, .. } => format!("list of {} in group {group}", items.len()),
        Question::ReviewArguments { item: one, .. } => format!("arguments of {}", item(one)),
        Question::ReviewResult { item: one, .. } => format!("result of {}", item(one)),
        Question::Inject { upstream, .. } => format!("headers for {}", upstream.name),
        Question::Observe(observations) => format!("{} observations", observations.len()),
    }
}

/// The settings for all rows, as a JSON text.
pub(super) fn settings_text(settings: &Map<String, Value>) -> String {
    Value::Object(settings.clone()).to_string()
}
