//! An MCP client that times calls and verifies every answer.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::upstream::{PROGRESS, TOOL, answer_to};

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"0"}}}"#;

/// One client with one connection and one session on it.
pub(crate) struct Session {
    sender: SendRequest<Full<Bytes>>,
    uri: Uri,
    token: Option<String>,
    session_id: Option<String>,
    /// What the endpoint calls the tool.
    tool: String,
    calls: u64,
    wants_progress: bool,
}

impl Session {
    /// Connects, shakes hands, and finds the tool under the name it has there.
    pub(crate) async fn open(url: &str, token: Option<&str>) -> Result<Self> {
        let mut session = Self::connect(url).await?;
        session.token = token.map(str::to_owned);
        session.initialize().await?;
        let listed: Value = serde_json::from_slice(&session.list_tools().await?)?;
        let names = listed["result"]["tools"].as_array().context("no list of tools")?.iter();
        let mut names = names.filter_map(|tool| tool["name"].as_str());
        let name = names.find(|name| name.ends_with(TOOL)).with_context(|| format!("{url} has no tool `{TOOL}`"))?;
        session.tool = name.to_owned();
        Ok(session)
    }

    /// A connection only.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let uri: Uri = url.parse().with_context(|| format!("not a URL: {url}"))?;
        let address = (uri.host().context("no host")?.to_owned(), uri.port_u16().unwrap_or(80));
        let stream = TcpStream::connect(address).await.with_context(|| format!("cannot connect to {url}"))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // If it breaks, the request that waits for it fails.
        tokio::spawn(connection);
        Ok(Self { sender, uri, token: None, session_id: None, tool: String::new(), calls: 0, wants_progress: false })
    }

    /// Opens the MCP session.
    pub(crate) async fn initialize(&mut self) -> Result<()> {
        let (status, session_id, _) = self.post(Bytes::from_static(INITIALIZE.as_bytes())).await?;
        ensure!(status == 200, "initialize: status {status}");
        self.session_id = session_id;
        let (status, ..) =
            self.post(Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)).await?;
        ensure!(status == 202, "notification: status {status}");
        Ok(())
    }

    /// Knows the tool without asking for a list.
    pub(crate) fn knowing(mut self, tool: &str) -> Self {
        tool.clone_into(&mut self.tool);
        self
    }

    /// One call, verified; how long it took.
    pub(crate) async fn call(&mut self) -> Result<Duration> {
        self.calls += 1;
        let n = self.calls;
        let meta = if self.wants_progress { format!(r#","_meta":{{"progressToken":{n}}}"#) } else { String::new() };
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{n},"method":"tools/call","params":{{"name":"{}","arguments":{{"n":{n}}}{meta}}}}}"#,
            self.tool
        );
        let begun = Instant::now();
        let (status, _, answer) = self.post(body.into()).await?;
        let taken = begun.elapsed();
        ensure!(status == 200, "call: status {status}: {}", String::from_utf8_lossy(&answer));
        let mut messages = if self.wants_progress { events(&answer)? } else { vec![answer.clone()] };
        // An error comes before any progress, and then as JSON.
        let no_message = || format!("no stream of messages: {}", String::from_utf8_lossy(&answer));
        let last = messages.pop().with_context(no_message)?;
        ensure!(*last == *answer_to(n).as_bytes(), "a wrong answer: {}", String::from_utf8_lossy(&last));
        if self.wants_progress {
            verify_progress(&messages, n)?;
        }
        Ok(taken)
    }

    /// One call that is answered with an error: all of the answer.
    pub(crate) async fn call_refused(&mut self) -> Result<Value> {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{}","arguments":{{"n":1}}}}}}"#,
            self.tool
        );
        let (status, _, answer) = self.post(body.into()).await?;
        ensure!(status == 200, "call: status {status}");
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Asks for progress with each call.
    pub(crate) fn wanting_progress(mut self) -> Self {
        self.wants_progress = true;
        self
    }

    /// One list: the whole message.
    pub(crate) async fn list_tools(&mut self) -> Result<Bytes> {
        let (status, _, answer) =
            self.post(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#)).await?;
        ensure!(status == 200, "list: status {status}");
        Ok(answer)
    }

    async fn post(&mut self, body: Bytes) -> Result<(u16, Option<String>, Bytes)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.path())
            .header("host", self.uri.authority().context("no authority")?.as_str())
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(session_id) = &self.session_id {
            request = request.header("mcp-session-id", session_id).header("mcp-protocol-version", "2025-11-25");
        }
        self.sender.ready().await?;
        let response = self.sender.send_request(request.body(Full::new(body))?).await?;
        let status = response.status().as_u16();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let session_id = header("mcp-session-id").map(str::to_owned);
        let is_stream = header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream"));
        let body = response.into_body().collect().await?.to_bytes();
        let body = if is_stream && !self.wants_progress { events(&body)?.pop().unwrap_or_default() } else { body };
        Ok((status, session_id, body))
    }
}

/// The messages of a stream that has ended.
fn events(stream: &Bytes) -> Result<Vec<Bytes>> {
    let text = std::str::from_utf8(stream)?;
    let data = text.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim);
    Ok(data.filter(|data| !data.is_empty()).map(|data| stream.slice_ref(data.as_bytes())).collect())
}

/// All of it, in order, under the caller's own token.
fn verify_progress(messages: &[Bytes], token: u64) -> Result<()> {
    ensure!(messages.len() as u64 == PROGRESS, "{} of {PROGRESS} progress messages", messages.len());
    for (message, step) in messages.iter().zip(1..) {
        let message: Value = serde_json::from_slice(message)?;
        let params = &message["params"];
        ensure!(params["progressToken"] == token && params["progress"] == step, "not progress {step}: {message}");
    }
    Ok(())
}
