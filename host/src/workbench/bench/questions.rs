//! What is asked: the questions of a cases file, or a usual one for each stage.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use serde_json::json;

use crate::configuration::{Problem, Source};
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{Endpoint, Item, ItemKind, Observation, Outcome, Principal, PrincipalKind, Stage};
use crate::workbench::cases::{CasesFile, plan};
use crate::workbench::question::{About, HttpQuestion, Question, Upstream, request};

/// A long list of a gateway with many servers.
const LONG_LIST: usize = 500;
const GROUP: &str = "reading";

/// Questions that are measured together.
pub(super) struct Row {
    pub(super) stage: Stage,
    pub(super) name: String,
    pub(super) questions: Vec<Question>,
    /// Settings of their own, as a JSON text.
    pub(super) settings: Option<String>,
}

/// Of a file, one row for each case that expects an answer; otherwise the usual ones of each stage.
pub(super) fn rows(file: CasesFile, source: Option<Source<'_>>, stages: &[Stage]) -> Result<Vec<Row>, Vec<Problem>> {
    let Some(source) = source else {
        return Ok(stages.iter().flat_map(|&stage| usual(stage)).collect());
    };
    let planned = plan(file, stages, source)?;
    // A failure is not to be measured: it would only measure the deadline.
    let answered = planned.into_iter().filter(|case| case.expect.kind != "fails");
    let row = |case: crate::workbench::cases::Planned| Row {
        stage: case.question.stage(),
        name: case.name,
        questions: vec![case.question],
        settings: case.settings,
    };
    Ok(answered.map(row).collect())
}

fn usual(stage: Stage) -> Vec<Row> {
    let row = |name: &str, questions| Row { stage, name: name.to_owned(), questions, settings: None };
    let one = || items(1).remove(0);
    let group = || GROUP.to_owned();
    match stage {
        Stage::Authenticator => vec![row("a request with a token", vec![Question::Authenticate(http_request())])],
        Stage::Authorizer => vec![
            row("one item", vec![Question::Authorize { about: about("tools/call"), item: one() }]),
            row("a list of 1", vec![Question::AuthorizeItems { about: about("tools/list"), items: items(1) }]),
            row(
                "a list of 500",
                vec![Question::AuthorizeItems { about: about("tools/list"), items: items(LONG_LIST) }],
            ),
        ],
        Stage::ToolFilter => {
            let list =
                |count| Question::SelectItems { about: about("tools/list"), group: group(), items: items(count) };
            vec![
                row("one item", vec![Question::Select { about: about("tools/call"), group: group(), item: one() }]),
                row("a list of 1", vec![list(1)]),
                row("a list of 500", vec![list(LONG_LIST)]),
            ]
        }
        Stage::Guard => {
            let arguments = json!({ "query": "the weather in Bern", "limit": 10, "path": "/home/ann/notes.md" });
            let result =
                json!({ "content": [{ "type": "text", "text": "It is sunny. ".repeat(80) }], "isError": false });
            vec![
                row(
                    "arguments",
                    vec![Question::ReviewArguments {
                        about: about("tools/call"),
                        item: one(),
                        text: arguments.to_string(),
                    }],
                ),
                row(
                    "a result of 1 KB",
                    vec![Question::ReviewResult { about: about("tools/call"), item: one(), text: result.to_string() }],
                ),
            ]
        }
        Stage::HeaderInjector => {
            vec![row("headers", vec![Question::Inject { about: about("tools/call"), upstream: upstream() }])]
        }
        Stage::Observer => vec![row("one observation", vec![Question::Observe(vec![observation(one())])])],
    }
}

fn principal() -> Principal {
    Principal {
        kind: PrincipalKind::Client,
        name: "cursor".to_owned(),
        allow: vec!["github".to_owned(), "time__*".to_owned()],
        attributes: vec![("team".to_owned(), "web".to_owned())],
    }
}

fn about(method: &str) -> About {
    About { request: request(1, Endpoint::Main, method), principal: principal() }
}

fn server(name: &str) -> ServerName {
    ServerName::parse(name).expect("these are names")
}

/// Tools of ten servers.
fn items(count: usize) -> Vec<Item> {
    let servers = ["github", "time", "files", "mail", "search", "calendar", "tickets", "wiki", "metrics", "deploy"];
    let item = |index: usize| Item {
        kind: ItemKind::Tool,
        name: CanonicalName { server: server(servers[index % servers.len()]), name: format!("tool_{index}").into() },
        uri: None,
    };
    (0..count).map(item).collect()
}

fn http_request() -> HttpQuestion {
    let headers = [
        (header::HOST, "gateway.example.com"),
        (header::AUTHORIZATION, "Bearer 0123456789abcdef0123456789abcdef"),
        (header::CONTENT_TYPE, "application/json"),
        (header::ACCEPT, "application/json, text/event-stream"),
        (header::USER_AGENT, "bench"),
    ];
    let headers: HeaderMap = headers.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect();
    HttpQuestion {
        id: "case-1".to_owned(),
        endpoint: Endpoint::Main,
        method: "POST".to_owned(),
        path: "/mcp".to_owned(),
        headers,
        peer: "127.0.0.1".to_owned(),
    }
}

fn upstream() -> Upstream {
    Upstream { name: server("github"), transport: "streamable_http", secret_names: vec!["bearer-token".to_owned()] }
}

fn observation(item: Item) -> Observation {
    Observation {
        request: request(1, Endpoint::Main, "tools/call"),
        principal: Some(Arc::new(principal())),
        item: Some(item),
        outcome: Outcome::Success,
        denied_by: None,
        duration_us: 1_500,
    }
}
