//! An MCP client that sends and sees bytes.

use std::sync::Once;

use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::Value;

use super::{PATIENCE, json};

/// What a client says first.
pub(crate) const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"test","version":"0"}}}"#;

/// One endpoint, with the session that was opened on it, if any.
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    session: Option<String>,
}

/// A client for HTTP that no proxy comes in between.
pub(crate) fn http_client() -> reqwest::Client {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        let _another_was_first = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder().no_proxy().build().expect("a client can be built")
}

/// An HTTP answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    /// Without a session.
    pub(crate) fn new(url: impl Into<String>) -> Self {
        Self { http: http_client(), url: url.into(), token: None, session: None }
    }

    /// The same, with a token that each request says.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// The same, with a session that was opened elsewhere, or never.
    pub(crate) fn with_session(self, id: &str) -> Self {
        Self { session: Some(id.to_owned()), ..self }
    }

    /// Opens a session, as every client does.
    pub(crate) async fn connect(url: impl Into<String>) -> Self {
        Self::connect_with(url, "{}").await
    }

    /// As [`Self::connect`], declaring capabilities, JSON text.
    pub(crate) async fn connect_with(url: impl Into<String>, capabilities: &str) -> Self {
        Self::new(url).introduced(capabilities).await
    }

    /// With a session of its own, declaring capabilities, JSON text.
    pub(crate) async fn introduced(self, capabilities: &str) -> Self {
        let mut client = self;
        let initialize = INITIALIZE.replace(r#""capabilities":{}"#, &format!(r#""capabilities":{capabilities}"#));
        let reply = client.post(initialize).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        client.session = reply.session();
        let reply = client.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
        assert_eq!(reply.status, 202, "{reply:?}");
        client
    }

    /// The session's id, if the server gave one.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// A request with nothing but a method: headers are the test's business.
    pub(crate) fn bare(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, &self.url);
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// A POST as a well-behaved client sends it.
    pub(crate) fn polite(&self, body: impl Into<String>) -> RequestBuilder {
        let request = self
            .bare(Method::POST)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body.into());
        match &self.session {
            Some(session) => request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25"),
            None => request,
        }
    }

    /// Sends [`Self::polite`].
    pub(crate) async fn post(&self, body: impl Into<String>) -> Reply {
        send(self.polite(body)).await
    }

    /// Sends a request whose answer is read event by event.
    pub(crate) async fn open(&self, body: impl Into<String>) -> EventReader {
        EventReader::new(self.polite(body)).await
    }

    /// Listens: for what belongs to no call, or for what follows an event.
    pub(crate) async fn listen(&self, after: Option<&str>) -> EventReader {
        EventReader::new(self.listening(after)).await
    }

    /// A GET as a well-behaved client sends it.
    pub(crate) fn listening(&self, after: Option<&str>) -> RequestBuilder {
        let mut request = self.bare(Method::GET).header("accept", "text/event-stream");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        match after {
            Some(event) => request.header("last-event-id", event),
            None => request,
        }
    }

    /// Calls a method and returns the message that answers it, byte for byte.
    pub(crate) async fn ask(&self, method: &str, params: &str) -> String {
        let reply = self.post(request(method, params)).await;
        assert_eq!(reply.status, 200, "{method} {params}: {reply:?}");
        reply.message()
    }

    /// `tools/call`, with arguments as JSON text.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> String {
        self.ask("tools/call", &format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#)).await
    }

    /// All elements of a list, each as its JSON text, through all pages.
    pub(crate) async fn list(&self, method: &str, member: &str) -> Vec<String> {
        let mut elements = Vec::new();
        let mut params = "{}".to_owned();
        loop {
            let message = self.ask(method, &params).await;
            let page = json::member(&message, "result").unwrap_or_else(|| panic!("no result: {message}"));
            let list = json::member(page, member).unwrap_or_else(|| panic!("no {member}: {message}"));
            elements.extend(json::elements(list).into_iter().map(str::to_owned));
            match json::member(page, "nextCursor") {
                Some(cursor) => params = format!(r#"{{"cursor":{cursor}}}"#),
                None => return elements,
            }
        }
    }
}

/// An event stream while it comes. Dropped, it closes its connection.
pub(crate) struct EventReader {
    response: reqwest::Response,
    /// What came and is not read yet.
    rest: String,
    /// The id of the last event that was read.
    pub(crate) last_id: Option<String>,
}

impl EventReader {
    async fn new(request: RequestBuilder) -> Self {
        let response = request.send().await.expect("an answer comes");
        assert_eq!(response.status(), 200, "{response:?}");
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
        assert_eq!(kind, Some("text/event-stream"), "{response:?}");
        Self { response, rest: String::new(), last_id: None }
    }

    /// The next message; `None` at the end. Events without data are read over.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.rest.split_once("\n\n") {
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let (id, data) = (field("id:").map(str::to_owned), field("data:").map(str::to_owned));
                self.rest = rest.to_owned();
                self.last_id = id.or(self.last_id.take());
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return Some(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {data}")));
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk()).await.expect("something comes in time");
            let chunk = chunk.expect("the stream is not torn off")?;
            self.rest.push_str(std::str::from_utf8(&chunk).expect("the tests' events are ASCII"));
        }
    }

    /// All messages that still come.
    pub(crate) async fn read_to_end(&mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}

/// A request whose id is a test's usual one.
pub(crate) fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#)
}

/// Sends a request and reads the whole answer.
pub(crate) async fn send(request: RequestBuilder) -> Reply {
    let reply = async {
        let response = request.send().await.expect("an answer comes");
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.expect("the answer is read to its end");
        Reply { status, headers, body }
    };
    tokio::time::timeout(PATIENCE, reply).await.expect("an answer comes, and ends, in time")
}

impl Reply {
    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The session that this answer opened.
    pub(crate) fn session(&self) -> Option<String> {
        self.header("mcp-session-id").map(str::to_owned)
    }

    /// The JSON-RPC response in the body, whichever way it is framed.
    pub(crate) fn message(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default();
        if kind.starts_with("application/json") {
            return self.body.clone();
        }
        assert!(kind.starts_with("text/event-stream"), "neither JSON nor events: {self:?}");
        let mut responses = events(&self.body).into_iter().filter(|data| json::member(data, "method").is_none());
        let response = responses.next().unwrap_or_else(|| panic!("no response: {self:?}"));
        assert_eq!(responses.next(), None, "a request has one response");
        response
    }

    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.message()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The data of each event that has any.
fn events(stream: &str) -> Vec<String> {
    let data_of = |event: &str| {
        let lines: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|value| value.strip_prefix(' ').unwrap_or(value))
            .collect();
        lines.join("\n")
    };
    let normal = stream.replace("\r\n", "\n");
    normal.split("\n\n").map(data_of).filter(|data| !data.is_empty()).collect()
}
