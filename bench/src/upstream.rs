//! A fast MCP server: one JSON answer for each request, or a stream for one that
//! asks for progress; connections kept alive, and nothing else that would cost time.

use std::borrow::Cow;
use std::convert::Infallible;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::process;

/// The tool that is called.
pub(crate) const TOOL: &str = "echo";

/// Where it answers policies whether they forbid an item, and the one that it forbids.
const RULE_PATH: &str = "/rule";
const FORBIDDEN: &str = "up__no-such-tool";

/// How many progress messages come before the answer to a call that asks for them.
pub(crate) const PROGRESS: u64 = 20;

/// How the server behaves.
#[derive(clap::Args, Clone)]
pub(crate) struct Settings {
    /// 0 for a free port.
    #[arg(long, default_value_t = 0)]
    pub(crate) port: u16,
    /// Issue session ids, and insist on them.
    #[arg(long)]
    pub(crate) session_ids: bool,
    /// How many tools to list.
    #[arg(long, default_value_t = 1)]
    pub(crate) tools: usize,
}

/// A running upstream, in a process of its own. Killed and reaped when dropped.
pub(crate) struct Upstream {
    child: Child,
    pub(crate) port: u16,
}

impl Upstream {
    /// Starts this program in the role of the upstream.
    pub(crate) fn start(settings: &Settings) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["upstream", "--port", &settings.port.to_string(), "--tools", &settings.tools.to_string()]);
        if settings.session_ids {
            command.arg("--session-ids");
        }
        let mut child = command.stdout(Stdio::piped()).spawn().context("cannot start the upstream")?;
        let port = process::read_port(&mut child)?;
        Ok(Self { child, port })
    }

    /// Where policies can ask about items.
    pub(crate) fn rule_url(&self) -> String {
        format!("http://127.0.0.1:{}{RULE_PATH}", self.port)
    }

    /// Its endpoint.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        process::end(&mut self.child);
    }
}

type Answer = BoxBody<Bytes, Infallible>;

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow)]
    params: Option<Params<'a>>,
}

#[derive(Deserialize)]
struct Params<'a> {
    arguments: Option<Arguments>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    progress_token: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Arguments {
    n: u64,
}

struct Server {
    session_ids: bool,
    issued: AtomicU64,
    tools: Bytes,
}

/// Prints its port and serves until it is killed.
pub(crate) async fn serve(settings: Settings) -> Result<()> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", settings.port)).await?;
    println!("{}", listener.local_addr()?.port());
    let tools = list_of(settings.tools).into();
    let server = Arc::new(Server { session_ids: settings.session_ids, issued: AtomicU64::new(0), tools });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let server = Arc::clone(&server);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        // A connection that breaks concerns only its own client, which verifies every answer.
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

/// The result of `tools/list`.
pub(crate) fn list_of(tools: usize) -> String {
    let others = (1..tools).map(|index| definition_of(&format!("tool_{index:05}")));
    let all: Vec<_> = std::iter::once(definition_of(TOOL)).chain(others).collect();
    format!(r#"{{"tools":[{}]}}"#, all.join(","))
}

/// A tool of this name, as it stands in lists.
pub(crate) fn definition_of(name: &str) -> String {
    format!(
        r#"{{"name":"{name}","title":"A tool","description":"Gives back the number that it is given, as text. It does nothing else, and takes no other arguments.","inputSchema":{{"type":"object","properties":{{"n":{{"type":"integer","description":"The number to give back"}},"unit":{{"type":"string","enum":["one","two","three"]}}}},"required":["n"]}},"annotations":{{"readOnlyHint":true}}}}"#
    )
}

/// The answer that a caller expects to its call number `n`.
pub(crate) fn answer_to(n: u64) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{n},"result":{{"content":[{{"type":"text","text":"{n}"}}]}}}}"#)
}

/// The rule of [`crate::policies::AUTHORIZER`] as a service.
async fn rule(request: Request<Incoming>) -> Response<Answer> {
    match request.into_body().collect().await {
        Ok(body) => empty(if body.to_bytes() == FORBIDDEN { StatusCode::FORBIDDEN } else { StatusCode::NO_CONTENT }),
        Err(_) => empty(StatusCode::BAD_REQUEST),
    }
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Answer> {
        if request.uri().path() == RULE_PATH {
            return rule(request).await;
        }
        if request.method() != Method::POST {
            let ended = request.method() == Method::DELETE && self.session_ids;
            return empty(if ended { StatusCode::NO_CONTENT } else { StatusCode::METHOD_NOT_ALLOWED });
        }
        let has_session = request.headers().contains_key("mcp-session-id");
        let Ok(body) = request.into_body().collect().await else { return empty(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes();
        let Ok(message) = serde_json::from_slice::<Message<'_>>(&body) else { return empty(StatusCode::BAD_REQUEST) };
        let initialize = message.method == "initialize";
        if self.session_ids && !has_session && !initialize {
            return empty(StatusCode::BAD_REQUEST);
        }
        let Some(id) = message.id.map(RawValue::get) else { return empty(StatusCode::ACCEPTED) };
        let answer = self.message(id, &message);
        let token =
            message.params.as_ref().and_then(|params| params.meta.as_ref()).and_then(|meta| meta.progress_token);
        let (content_type, body) = match token {
            Some(token) => ("text/event-stream", progress(token.get(), &answer)),
            None => ("application/json", Full::new(answer).boxed()),
        };
        let mut response = Response::new(body);
        response.headers_mut().insert("content-type", content_type.parse().expect("it is a header value"));
        if self.session_ids && initialize {
            let id = format!("session-{}", self.issued.fetch_add(1, Ordering::Relaxed));
            response.headers_mut().insert("mcp-session-id", id.parse().expect("it is a header value"));
        }
        response
    }

    fn message(&self, id: &str, message: &Message<'_>) -> Bytes {
        let result = |result: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#).into();
        match &*message.method {
            "initialize" => result(
                r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"bench","version":"0"}}"#,
            ),
            "tools/list" => {
                let head = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#);
                [head.as_bytes(), &self.tools, b"}"].concat().into()
            }
            "tools/call" => {
                let arguments = message.params.as_ref().and_then(|params| params.arguments.as_ref());
                let n = arguments.map_or(0, |arguments| arguments.n);
                result(&format!(r#"{{"content":[{{"type":"text","text":"{n}"}}]}}"#))
            }
            _ => {
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"no such method"}}}}"#).into()
            }
        }
    }
}

/// Progress, each message in a chunk of its own, and then the answer.
fn progress(token: &str, answer: &Bytes) -> Answer {
    let notification = |step: u64| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":{step},"total":{PROGRESS}}}}}"#
        )
        .into()
    };
    let messages: Vec<Bytes> = (1..=PROGRESS).map(notification).chain([answer.clone()]).collect();
    let frames = messages
        .into_iter()
        .map(|message| Ok(Frame::data(Bytes::from([b"event: message\ndata: ", &message[..], b"\n\n"].concat()))));
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Full::default().boxed());
    *response.status_mut() = status;
    response
}
