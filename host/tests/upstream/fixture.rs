//! An HTTP server that does what a test says and remembers what it was sent.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::serve::ListenerExt;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http_body_util::BodyExt;
use mcpjungle_host::names::ServerName;
use mcpjungle_host::protocol::ProtocolVersion;
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::upstream::{
    Call, Cancellation, ClientDeclaration, NoClient, Pairing, ProxySettings, UpstreamSettings, Upstreams,
};
use mcpjungle_host::wire::{self, Message};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// One request that the server was sent.
#[derive(Debug, Clone)]
pub struct Seen {
    pub verb: Method,
    pub uri: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Seen {
    /// The JSON-RPC method; empty where there is none.
    pub fn method(&self) -> String {
        let Ok([method]) = wire::object_members(&self.body, ["method"]) else { return String::new() };
        method.unwrap_or_default().trim_matches('"').to_owned()
    }

    pub fn id(&self) -> &str {
        let Ok([Some(id)]) = wire::object_members(&self.body, ["id"]) else { panic!("no id: {}", self.body) };
        id
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub fn session(&self) -> Option<&str> {
        self.header("mcp-session-id")
    }
}

pub struct FakeServer {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    answered: Arc<Mutex<Vec<String>>>,
    changed: watch::Receiver<usize>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
    stopping: tokio_util::sync::CancellationToken,
}

impl FakeServer {
    /// Starts a server whose every answer `script` gives.
    pub async fn start<S, F>(script: S) -> Self
    where
        S: Fn(Seen) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Response> + Send,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, changed) = watch::channel(0);
        let answered = Arc::new(Mutex::new(Vec::new()));
        let records = (Arc::clone(&seen), Arc::clone(&answered));
        let serve = move |request: Request| {
            let (script, (record, answered), count) = (script.clone(), records.clone(), count.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let seen = Seen {
                    verb: parts.method,
                    uri: parts.uri.to_string(),
                    headers: parts.headers,
                    body: String::from_utf8(body.to_vec()).unwrap(),
                };
                record.lock().unwrap().push(seen.clone());
                count.send_modify(|count| *count += 1);
                let method = seen.method();
                let response = script(seen).await;
                answered.lock().unwrap().push(method);
                count.send_modify(|count| *count += 1);
                Ok::<_, Infallible>(response)
            }
        };
        let router = Router::new().fallback_service(tower::service_fn(serve));
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            accepted.fetch_add(1, Ordering::SeqCst);
        });
        let stopping = tokio_util::sync::CancellationToken::new();
        let serving = axum::serve(listener, router).with_graceful_shutdown(stopping.clone().cancelled_owned());
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { url, seen, answered, changed, connections, task, stopping }
    }

    /// Lets go of the port, and of the connections that nothing is sent on.
    pub async fn stop(mut self) {
        self.stopping.cancel();
        (&mut self.task).await.unwrap();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub fn requests(&self, method: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|seen| seen.method() == method).collect()
    }

    /// How many connections the server has accepted.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// How many requests of this method the server has answered.
    pub fn answered(&self, method: &str) -> usize {
        self.answered.lock().unwrap().iter().filter(|answered| *answered == method).count()
    }

    pub fn deleted_sessions(&self) -> Vec<String> {
        let deleted = self.seen().into_iter().filter(|seen| seen.verb == Method::DELETE);
        deleted.map(|seen| seen.session().unwrap().to_owned()).collect()
    }

    /// Waits until what the server was sent satisfies `condition`.
    pub async fn wait_until(&self, condition: impl Fn(&Self) -> bool) {
        let mut changed = self.changed.clone();
        let waiting = async {
            while !condition(self) {
                changed.changed().await.unwrap();
            }
        };
        if tokio::time::timeout(Duration::from_secs(10), waiting).await.is_err() {
            panic!("the server was sent only this: {:#?}", self.seen());
        }
    }

    pub async fn wait_until_deleted(&self, session: &str) {
        self.wait_until(|server| server.deleted_sessions().iter().any(|deleted| deleted == session)).await;
    }

    pub fn server(&self, session_mode: SessionMode) -> Arc<Server> {
        server("fake", &self.url, session_mode)
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn server(name: &str, url: &str, session_mode: SessionMode) -> Arc<Server> {
    Arc::new(Server {
        name: ServerName::parse(name).unwrap(),
        description: String::new(),
        transport: Transport::StreamableHttp {
            url: url.parse().unwrap(),
            bearer_token: None,
            headers: BTreeMap::new(),
        },
        session_mode,
        tool_sync_interval_seconds: None,
        audit: None,
    })
}

pub fn settings() -> UpstreamSettings {
    UpstreamSettings {
        init_timeout: Duration::from_secs(20),
        session_idle_timeout: None,
        supervisor: (PathBuf::from("no-supervisor-here"), Vec::new()),
        child_environment: BTreeMap::new(),
        proxies: ProxySettings::default(),
        gateway_version: "9.8.7".to_owned(),
    }
}

pub fn upstreams() -> Upstreams {
    Upstreams::new(settings()).unwrap()
}

/// A `tools/call` as some client would spell it.
pub const CALL: &str = r#"{"method":"tools/call","id":"c1" ,"vendor":1.0,"jsonrpc":"2.0","params":{"name":"t"}}"#;

pub fn call() -> Call {
    let Ok(Message::Request(request)) = Message::parse(Bytes::from_static(CALL.as_bytes())) else { panic!() };
    Call {
        request,
        headers: HeaderMap::new(),
        client: ClientDeclaration::plain(ProtocolVersion::LATEST),
        paired_with: None,
        counterpart: Arc::new(NoClient),
        cancellation: Cancellation::default(),
        log_level: None,
    }
}

pub fn call_as(token: &str) -> Call {
    Call { headers: HeaderMap::from_iter([("authorization".parse().unwrap(), token.parse().unwrap())]), ..call() }
}

pub fn paired_call(downstream_session: &str) -> Call {
    Call { paired_with: Some(Pairing { id: downstream_session.into(), counterpart: Arc::new(NoClient) }), ..call() }
}

pub fn json(text: impl Into<String>) -> Response {
    ([("content-type", "application/json")], text.into()).into_response()
}

pub fn status(code: u16, text: impl Into<String>) -> Response {
    (StatusCode::from_u16(code).unwrap(), json(text)).into_response()
}

/// An event stream whose bytes are sent piece by piece.
pub fn event_stream(pieces: Vec<Vec<u8>>) -> Response {
    let pieces = futures_util::stream::iter(pieces.into_iter().map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
    ([("content-type", "text/event-stream; charset=utf-8")], Body::from_stream(pieces)).into_response()
}

pub fn initialized(seen: &Seen, version: &str) -> Response {
    json(format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}},"serverInfo":{{"name":"fake","version":"1"}}}}}}"#,
        seen.id()
    ))
}

pub fn result(seen: &Seen, result: &str) -> Response {
    json(format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, seen.id()))
}

/// What a well-behaved server without sessions says to everything but calls.
pub fn plain(seen: &Seen) -> Option<Response> {
    match seen.method().as_str() {
        "initialize" => Some(initialized(seen, "2025-11-25")),
        "" if seen.verb == Method::DELETE => Some(StatusCode::OK.into_response()),
        "" if seen.verb == Method::GET => Some(StatusCode::METHOD_NOT_ALLOWED.into_response()),
        method if method.starts_with("notifications/") || method.is_empty() => {
            Some(StatusCode::ACCEPTED.into_response())
        }
        _ => None,
    }
}

/// A server that issues session ids `s1`, `s2`, …, knows only those, and answers each
/// call with the session that it came on.
#[derive(Clone, Default)]
pub struct SessionServer {
    issued: Arc<Mutex<u64>>,
    known: Arc<Mutex<Vec<String>>>,
}

impl SessionServer {
    pub fn answer(&self, seen: &Seen) -> Response {
        if seen.method() == "initialize" {
            let mut issued = self.issued.lock().unwrap();
            *issued += 1;
            let session = format!("s{issued}");
            self.known.lock().unwrap().push(session.clone());
            return ([("mcp-session-id", session)], initialized(seen, "2025-11-25")).into_response();
        }
        let Some(session) =
            seen.session().filter(|session| self.known.lock().unwrap().iter().any(|known| known == session))
        else {
            return status(404, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"Session not found"}}"#);
        };
        plain(seen).unwrap_or_else(|| result(seen, &format!("{session:?}")))
    }

    /// As a restart does.
    pub fn forget_all(&self) {
        self.known.lock().unwrap().clear();
    }
}

/// The result, or the error's message.
pub fn outcome(answer: Result<wire::Response, mcpjungle_host::upstream::UpstreamError>) -> Result<String, String> {
    match answer {
        Ok(response) => Ok(response.outcome().unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
