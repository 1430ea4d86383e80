//! An answer that is read while it comes: event by event, as it stands on the wire.

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use super::PATIENCE;
use super::client::Client;
use super::json;

/// One response whose body is an event stream, or a single JSON message.
pub(crate) struct Live {
    response: Response,
    is_stream: bool,
    unread: String,
    /// The id of the last event, whatever it held.
    pub(crate) last_event_id: Option<String>,
    /// How many comments went by.
    pub(crate) comments: usize,
}

impl Live {
    /// Sends a request and waits for the head of its answer.
    pub(crate) async fn open(request: RequestBuilder) -> Self {
        let response = within("the head of an answer", request.send()).await.expect("an answer comes");
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let is_stream = kind.starts_with("text/event-stream");
        assert!(is_stream || kind.starts_with("application/json"), "{response:?}");
        Self { response, is_stream, unread: String::new(), last_event_id: None, comments: 0 }
    }

    /// The client's stream for what belongs to no call.
    pub(crate) async fn listen(client: &Client) -> Self {
        Self::open(client.listening(None)).await
    }

    /// Whether it came as an event stream.
    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// The next message, byte for byte; `None` at a proper end.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.try_next().await.expect("the stream is not cut off")
    }

    /// As [`Self::next`], for a stream that may be cut off.
    pub(crate) async fn try_next(&mut self) -> Result<Option<String>, reqwest::Error> {
        // All of it together: a stream that only shows that it is alive brings nothing.
        within("a message, or the end of them", self.read_message()).await
    }

    async fn read_message(&mut self) -> Result<Option<String>, reqwest::Error> {
        loop {
            if self.is_stream {
                while let Some(end) = self.unread.find("\n\n") {
                    let event: String = self.unread.drain(..end + 2).collect();
                    if let Some(data) = self.take(&event) {
                        return Ok(Some(data));
                    }
                }
            }
            match self.response.chunk().await? {
                Some(chunk) => self.unread.push_str(std::str::from_utf8(&chunk).expect("only ASCII is cut")),
                None if self.is_stream || self.unread.is_empty() => return Ok(None),
                None => return Ok(Some(std::mem::take(&mut self.unread))),
            }
        }
    }

    fn take(&mut self, event: &str) -> Option<String> {
        let mut data = None;
        for line in event.lines() {
            if line.starts_with(':') {
                self.comments += 1;
            } else if let Some(id) = line.strip_prefix("id:") {
                self.last_event_id = Some(id.trim().to_owned());
            } else if let Some(value) = line.strip_prefix("data:") {
                data = Some(value.strip_prefix(' ').unwrap_or(value).to_owned());
            }
        }
        data.filter(|data| !data.is_empty())
    }

    /// The next message, which must be there.
    pub(crate) async fn message(&mut self) -> String {
        self.next().await.expect("there is another message")
    }

    /// All messages up to the response, and the response.
    pub(crate) async fn rest(&mut self) -> (Vec<String>, String) {
        let mut before = Vec::new();
        loop {
            let message = self.message().await;
            if json::member(&message, "method").is_none() {
                return (before, message);
            }
            before.push(message);
        }
    }

    /// Reads on until a comment comes, and nothing else.
    pub(crate) async fn until_comment(&mut self) {
        loop {
            let chunk = within("a comment", self.response.chunk()).await.expect("the stream is not cut off");
            let chunk = chunk.expect("the stream does not end");
            self.unread.push_str(std::str::from_utf8(&chunk).expect("only ASCII is cut"));
            while let Some(end) = self.unread.find("\n\n") {
                let event: String = self.unread.drain(..end + 2).collect();
                assert_eq!(self.take(&event), None, "a message came first");
                if event.starts_with(':') {
                    return;
                }
            }
        }
    }

    /// Reads on until a message of this method comes; others go by.
    pub(crate) async fn until(&mut self, method: &str) -> String {
        loop {
            let message = self.message().await;
            if method_of(&message).as_deref() == Some(method) {
                return message;
            }
        }
    }
}

/// Waits for what must come within a generous time.
pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The method of a message.
pub(crate) fn method_of(message: &str) -> Option<String> {
    json::text(json::member(message, "method")?)
}

/// A member of a message's `params`, JSON text.
#[track_caller]
pub(crate) fn param<'a>(message: &'a str, name: &str) -> &'a str {
    let params = json::member(message, "params").unwrap_or_else(|| panic!("no params: {message}"));
    json::member(params, name).unwrap_or_else(|| panic!("no {name}: {message}"))
}

impl Client {
    /// A call of the tool `perform`, under an id and a progress token, each JSON text.
    pub(crate) fn performing(&self, prefix: &str, id: &str, token: Option<&str>, steps: &Value) -> RequestBuilder {
        let meta = token.map(|token| format!(r#","_meta":{{"progressToken":{token}}}"#)).unwrap_or_default();
        self.polite(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{prefix}perform","arguments":{{"steps":{steps}}}{meta}}}}}"#
        ))
    }

    /// Sends a notification or a response, which must be accepted.
    pub(crate) async fn tell(&self, message: impl Into<String>) {
        let reply = self.post(message).await;
        assert_eq!(reply.status, 202, "{reply:?}");
    }

    /// Answers a request of the server's with a result, JSON text.
    pub(crate) async fn answer(&self, request: &str, result: &str) {
        let id = json::member(request, "id").unwrap_or_else(|| panic!("no request: {request}"));
        self.tell(format!(r#"{{"result":{result},"jsonrpc":"2.0","id":{id}}}"#)).await;
    }
}

/// A step that sends a notification on the stream of its call.
pub(crate) fn send(text: &str) -> Value {
    json!({ "send": text })
}

/// A step that waits for a file.
pub(crate) fn wait_for(file: &std::path::Path) -> Value {
    json!({ "await": file })
}

/// Makes the file that a step waits for.
pub(crate) fn let_go(file: &std::path::Path) {
    std::fs::write(file, "").expect("the file can be made");
}
