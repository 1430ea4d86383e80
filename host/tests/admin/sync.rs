//! The catalog follows its upstreams, and what is shown of an upstream that is down.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::fixture::Home;

/// A server that issues session ids and lets its clients listen; what it offers can change.
struct ChangingServer {
    address: SocketAddr,
    state: Arc<Mutex<Offers>>,
    serving: Option<(JoinHandle<()>, CancellationToken)>,
}

#[derive(Default)]
struct Offers {
    declares_changes: bool,
    /// Sessions are known until the server is stopped.
    starts: u32,
    tools: Vec<String>,
    fails_prompts: bool,
    listed: usize,
    asked_by: Vec<Value>,
    listeners: Vec<mpsc::UnboundedSender<Bytes>>,
}

impl ChangingServer {
    async fn start(declares_changes: bool) -> Self {
        let offers = Offers { declares_changes, tools: vec!["b".into(), "a".into()], ..Default::default() };
        let mut server =
            Self { address: ([127, 0, 0, 1], 0).into(), state: Arc::new(Mutex::new(offers)), serving: None };
        server.start_again().await;
        server
    }

    async fn start_again(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        self.change(|offers| offers.starts += 1);
        let stopping = CancellationToken::new();
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&self.state));
        let serving = axum::serve(listener, routes).with_graceful_shutdown(stopping.clone().cancelled_owned());
        self.serving = Some((tokio::spawn(async move { serving.await.unwrap() }), stopping));
    }

    async fn stop(&mut self) {
        let (serving, stopping) = self.serving.take().unwrap();
        self.state.lock().unwrap().listeners.clear();
        stopping.cancel();
        serving.await.unwrap();
    }

    fn description(&self, interval_s: u32) -> Value {
        let url = format!("http://{}/mcp", self.address);
        json!({ "name": "s", "transport": "streamable_http", "url": url, "tool_sync_interval_seconds": interval_s })
    }

    fn change(&self, change: impl FnOnce(&mut Offers)) {
        change(&mut self.state.lock().unwrap());
    }

    fn listed(&self) -> usize {
        self.state.lock().unwrap().listed
    }

    /// Tells everybody who listens that the tools have changed.
    fn tell(&self) {
        let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
        self.change(|offers| {
            for listener in &offers.listeners {
                listener.send(Bytes::from_static(event.as_bytes())).unwrap();
            }
        });
    }
}

async fn answer(State(state): State<Arc<Mutex<Offers>>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let mut offers = state.lock().unwrap();
    let session = format!("s{}", offers.starts);
    if head.headers.get("mcp-session-id").is_some_and(|given| given != session.as_str()) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match head.method {
        Method::DELETE => return StatusCode::OK.into_response(),
        Method::GET => {
            let (listener, heard) = mpsc::unbounded_channel();
            offers.listeners.push(listener);
            let events = futures_util::stream::unfold(heard, async |mut heard| Some((heard.recv().await?, heard)));
            let body = Body::from_stream(events.map(Ok::<_, Infallible>));
            return ([("content-type", "text/event-stream")], body).into_response();
        }
        _ => {}
    }
    let message: Value = serde_json::from_slice(&body).unwrap();
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let outcome = match message["method"].as_str().unwrap() {
        "initialize" => {
            offers.asked_by.push(message["params"]["capabilities"].clone());
            Ok(json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": { "listChanged": offers.declares_changes }, "prompts": {} },
                "serverInfo": { "name": "changing", "version": "1" }
            }))
        }
        "tools/list" => {
            offers.listed += 1;
            let tools: Vec<_> = offers.tools.iter().map(|name| json!({ "name": name, "inputSchema": {} })).collect();
            Ok(json!({ "tools": tools }))
        }
        "prompts/list" if offers.fails_prompts => Err(json!({ "code": -32603, "message": "not now" })),
        "prompts/list" => Ok(json!({ "prompts": [{ "name": "p" }] })),
        _ => Ok(json!({ "content": [] })),
    };
    let answer = match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    ([("mcp-session-id", session)], Json(answer)).into_response()
}

/// Asks until it is so, and for no longer than anybody would wait.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

async fn tools(home: &Home) -> Vec<(String, bool)> {
    let (_, tools) = home.get("/api/v0/tools").await;
    let tools = tools.as_array().unwrap().iter();
    tools.map(|tool| (tool["name"].as_str().unwrap().to_owned(), tool["enabled"] == true)).collect()
}

async fn register(home: &Home, server: &ChangingServer, interval_s: u32) {
    let (status, body) = home.post("/api/v0/servers", server.description(interval_s)).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
}

async fn health(home: &Home) -> Value {
    home.get("/api/v0/servers").await.1[0]["health"].clone()
}

fn tool(name: &str, enabled: bool) -> (String, bool) {
    (format!("s__{name}"), enabled)
}

#[tokio::test]
async fn a_server_that_is_asked_now_and_then_is_followed() {
    let (home, server) = (Home::new().await, ChangingServer::start(false).await);
    register(&home, &server, 1).await;
    assert_eq!(tools(&home).await, [tool("b", true), tool("a", true)]);
    home.post("/api/v0/tools/disable?entity=s__a", json!({})).await;
    let (_, before) = home.get("/api/v0/tool?name=s__a").await;

    let listed = server.listed();
    until("two polls", async || server.listed() >= listed + 2).await;
    let (_, after) = home.get("/api/v0/tool?name=s__a").await;
    assert_eq!(before, after, "nothing was written where nothing had changed");

    server.change(|offers| {
        offers.tools = vec!["new".into(), "a".into()];
        offers.fails_prompts = true;
    });
    until("the change", async || tools(&home).await == [tool("new", true), tool("a", false)]).await;
    let (_, prompts) = home.get("/api/v0/prompts").await;
    assert_eq!(prompts[0]["name"], "s__p", "a list that cannot be read stays as it was");
    let declared = server.state.lock().unwrap().asked_by.pop().unwrap();
    for capability in ["roots", "sampling", "elicitation"] {
        assert!(declared[capability].is_object(), "servers keep back what a lesser client cannot use: {declared}");
    }
}

#[tokio::test]
async fn a_server_that_tells_of_its_changes_is_listened_to() {
    let (home, mut server) = (Home::new().await, ChangingServer::start(true).await);
    register(&home, &server, 0).await;
    let listeners = |server: &ChangingServer| server.state.lock().unwrap().listeners.len();
    until("a listener", async || listeners(&server) == 1).await;
    server.change(|offers| offers.tools.push("told".into()));
    server.tell();
    until("the change", async || tools(&home).await.contains(&tool("told", true))).await;

    server.stop().await;
    server.change(|offers| offers.tools.push("unheard".into()));
    server.start_again().await;
    until("the change that nobody heard of", async || tools(&home).await.contains(&tool("unheard", true))).await;
    until("a listener again", async || listeners(&server) == 1).await;

    home.send("DELETE", "/api/v0/servers/s", Body::empty()).await;
    until("the end of the listening", async || server.state.lock().unwrap().listeners[0].is_closed()).await;
}

#[tokio::test]
async fn a_server_that_is_down_is_shown_to_be_and_comes_back_on_its_own() {
    let (home, mut server) = (Home::new().await, ChangingServer::start(false).await);
    register(&home, &server, 0).await;
    assert_eq!(health(&home).await, json!({ "state": "healthy", "last_error": null, "last_error_at": null }));

    server.stop().await;
    let call = async || home.post("/api/v0/tools/invoke", json!({ "name": "s__a" })).await;
    assert_eq!(call().await.0, StatusCode::INTERNAL_SERVER_ERROR);
    until("a fast failure", async || {
        let (_, body) = call().await;
        body["error"].as_str().is_some_and(|error| error.contains("was refused") && error.contains("is tried again"))
    })
    .await;
    let down = health(&home).await;
    assert_eq!(down["state"], "unhealthy");
    let error = down["last_error"].as_str().unwrap();
    assert!(error.contains("was refused") && error.contains("host.docker.internal"), "{error}");
    assert!(down["last_error_at"].as_str().unwrap().ends_with('Z'), "{down}");
    assert_eq!(tools(&home).await.len(), 2, "lists are served as they were");

    server.change(|offers| offers.tools = vec!["after".into()]);
    server.start_again().await;
    until("the server to be up", async || health(&home).await["state"] == "healthy").await;
    until("what it offers by now", async || tools(&home).await == [tool("after", true)]).await;
    let (status, body) = home.post("/api/v0/tools/invoke", json!({ "name": "s__after" })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(health(&home).await["last_error_at"], down["last_error_at"], "what went wrong can still be seen");
}
