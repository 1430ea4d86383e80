//! A real gateway on a database of its own, and a small MCP server that remembers what it was asked.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::connect_info::MockConnectInfo;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use http::StatusCode;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use mcpjungle_host::downstream::{AllowedHosts, EdgePolicy};
use mcpjungle_host::gateway::{AdminAuthentication, Gateway, GatewaySettings, PolicySource};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::serve;
use mcpjungle_host::store::{Database, KeySource};
use mcpjungle_host::telemetry::ResourceAttributes;
use mcpjungle_host::upstream::{ProxySettings, UpstreamSettings};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use tempfile::TempDir;
use tower::ServiceExt;

/// The administrator's token in a home that is [`Home::enterprise`].
pub const ADMIN: &str = "token-of-the-administrator";

/// A gateway with the stock policies.
pub struct Home {
    routes: Router,
    folder: TempDir,
}

impl Home {
    /// In development mode.
    pub async fn new() -> Self {
        Self::open(Mode::Development, None, None).await
    }

    /// With metrics, which are off by default.
    pub async fn with_metrics() -> Self {
        Self::open(Mode::Development, Some(ResourceAttributes::default()), None).await
    }

    /// In enterprise mode, waiting to be initialised, if need be by who knows the bootstrap token.
    pub async fn uninitialized(bootstrap_token: Option<&str>) -> Self {
        Self::open(Mode::Enterprise, None, bootstrap_token.map(Secret::new)).await
    }

    /// In enterprise mode and initialised; the administrator's token is [`ADMIN`].
    pub async fn enterprise() -> Self {
        let home = Self::uninitialized(None).await;
        let (status, body) = home.post("/init", json!({ "mode": "enterprise", "access_token": ADMIN })).await;
        assert_eq!(status, StatusCode::OK, "{body}");
        home
    }

    async fn open(mode: Mode, metrics: Option<ResourceAttributes>, bootstrap_token: Option<Secret>) -> Self {
        let folder = TempDir::new().unwrap();
        let database = Database::Sqlite(folder.path().join("mcpjungle.db"));
        let keys = KeySource { configured: None, key_file: database.default_key_file() };
        let gateway = Gateway::open(GatewaySettings {
            mode,
            version: "0.1.0".into(),
            database,
            keys,
            policies: PolicySource::default(),
            admin_authentication: AdminAuthentication::default(),
            // Shared by all tests: the stock components are compiled once.
            plugin_cache: Some(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("compiled")),
            upstreams: UpstreamSettings {
                init_timeout: Duration::from_secs(10),
                session_idle_timeout: None,
                supervisor: (PathBuf::from("no-such-supervisor"), Vec::new()),
                child_environment: Default::default(),
                proxies: ProxySettings::default(),
                gateway_version: "0.1.0".into(),
            },
            edge: EdgePolicy { hosts: AllowedHosts::LoopbackAnd(Vec::new()), origins: Vec::new() },
            metrics,
            bootstrap_token,
            audit: None,
        })
        .await
        .unwrap();
        let peer = SocketAddr::from(([127, 0, 0, 1], 1));
        let routes = serve::application(gateway).layer(MockConnectInfo(peer));
        Self { routes, folder }
    }

    /// Changes the database behind the gateway's back.
    pub async fn change_database(&self, statements: &'static str) {
        let path = self.folder.path().join("mcpjungle.db");
        let mut connection = SqliteConnection::connect(path.to_str().unwrap()).await.unwrap();
        sqlx::raw_sql(statements).execute(&mut connection).await.unwrap();
    }

    /// Sends a request; the answer's body is `null` where it is empty.
    pub async fn send(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, Value) {
        let (status, body) = self.send_raw(method, path, body).await;
        let body = if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() };
        (status, body)
    }

    pub async fn send_raw(&self, method: &str, path: &str, body: impl Into<Body>) -> (StatusCode, String) {
        self.request(Request::builder().method(method).uri(path), body).await
    }

    /// As [`Self::send`], with a token.
    pub async fn send_as(&self, token: &str, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header(AUTHORIZATION, format!("Bearer {token}"));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (status, body) = self.request(request, body).await;
        (status, if body.is_empty() { Value::Null } else { serde_json::from_str(&body).unwrap() })
    }

    /// The status of an MCP client's first request at an endpoint.
    pub async fn connect_as(&self, token: &str, path: &str) -> StatusCode {
        let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        }});
        let request = Request::builder()
            .method("POST")
            .uri(path)
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream");
        self.request(request, hello.to_string()).await.0
    }

    /// All that the database's files hold, as it stands on the disk.
    pub fn files(&self) -> Vec<u8> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        entries.flat_map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
    }

    async fn request(&self, request: http::request::Builder, body: impl Into<Body>) -> (StatusCode, String) {
        let request = request.header("host", "127.0.0.1:8080");
        let answer = self.routes.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (head.status, String::from_utf8(body.to_vec()).unwrap())
    }

    pub async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send("GET", path, Body::empty()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        self.send("POST", path, body.to_string()).await
    }

    /// Registers the upstream under this name, and expects that to succeed.
    pub async fn register(&self, name: &str, upstream: &Upstream) {
        let (status, body) = self.post("/api/v0/servers", upstream.description(name)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
    }
}

/// An MCP server over Streamable HTTP without sessions. Offers the tools `add`
/// and `echo`, the prompt `greet` and the resource `file:///r`.
pub struct Upstream {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

/// What the upstream was asked.
#[derive(Default)]
struct Seen {
    methods: Vec<String>,
    authorization: Option<String>,
}

impl Upstream {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let routes = Router::new().route("/mcp", post(answer)).with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, seen }
    }

    pub fn description(&self, name: &str) -> Value {
        json!({ "name": name, "transport": "streamable_http", "url": self.url, "description": "a fixture" })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often this method was asked for.
    pub fn count(&self, method: &str) -> usize {
        self.seen.lock().unwrap().methods.iter().filter(|seen| *seen == method).count()
    }

    pub fn authorization(&self) -> Option<String> {
        self.seen.lock().unwrap().authorization.clone()
    }
}

async fn answer(State(seen): State<Arc<Mutex<Seen>>>, headers: http::HeaderMap, body: String) -> Response {
    let message: Value = serde_json::from_str(&body).unwrap();
    let method = message["method"].as_str().unwrap_or_default().to_owned();
    {
        let mut seen = seen.lock().unwrap();
        seen.methods.push(method.clone());
        seen.authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    }
    let Some(id) = message.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let params = &message["params"];
    let outcome = match method.as_str() {
        "initialize" => Ok(json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
            "serverInfo": { "name": "fixture", "version": "1" }
        })),
        "tools/list" => Ok(json!({ "tools": [
            { "name": "add", "description": "Adds", "annotations": { "readOnlyHint": true },
              "inputSchema": { "type": "object", "properties": { "a": { "type": "number" } }, "anyOf": [true] } },
            { "name": "echo", "inputSchema": { "type": "object" } },
        ]})),
        "prompts/list" => Ok(json!({ "prompts": [
            { "name": "greet", "description": "Greets", "arguments": [{ "name": "who", "required": true }] },
        ]})),
        "resources/list" => Ok(json!({ "resources": [
            { "uri": "file:///r", "name": "r", "mimeType": "text/plain", "_meta": { "k": 1 } },
        ]})),
        "resources/templates/list" => Ok(json!({ "resourceTemplates": [] })),
        "tools/call" if params["name"] == "echo" => Ok(json!({
            "content": [{ "type": "text", "text": params["arguments"].to_string() }], "isError": true
        })),
        "tools/call" => Err(json!({ "code": -32603, "message": "the adder is worn out" })),
        "prompts/get" => Ok(json!({
            "description": "A greeting", "_meta": { "m": 1 },
            "messages": [{ "role": "user",
                           "content": { "type": "text", "text": format!("Hello {}", params["arguments"]["who"]) } }]
        })),
        "resources/read" => Ok(json!({ "contents": [{ "uri": params["uri"], "text": "content" }] })),
        "ping" => Ok(json!({})),
        other => Err(json!({ "code": -32601, "message": format!("no {other} here") })),
    };
    Json(match outcome {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    })
    .into_response()
}
