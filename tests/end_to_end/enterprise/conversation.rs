//! A client's session, over whichever transport.

use reqwest::{Method, StatusCode};

use crate::enterprise::world::World;
use crate::harness::client::{Client, request, send};
use crate::harness::live::Live;

/// A session that is initialized.
pub(super) struct Conversation {
    /// Sends messages.
    client: Client,
    /// Where they go.
    path: String,
    /// Where answers come, in HTTP+SSE of 2024-11-05.
    stream: Option<Live>,
}

impl Conversation {
    /// Opens a session at an endpoint that lets this person in.
    pub(super) async fn open(world: &World, who: &str, path: &str) -> Self {
        let client = world.person(who, path);
        if !path.ends_with("/sse") {
            return Self { client: client.introduced("{}").await, path: path.to_owned(), stream: None };
        }
        let mut stream = Live::open(client.listening(None)).await;
        let path = stream.message().await;
        let mut conversation = Self { client: world.person(who, &path), path, stream: Some(stream) };
        let params = r#"{"protocolVersion":"2024-11-05","capabilities":{},"clientInfo":{"name":"old","version":"0"}}"#;
        let answer = conversation.ask("initialize", params).await;
        assert!(answer.contains(r#""result""#), "{who}: {answer}");
        assert_eq!(conversation.tell(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await, 202);
        conversation
    }

    /// Sends a request and returns the message that answers it.
    pub(super) async fn ask(&mut self, method: &str, params: &str) -> String {
        match &mut self.stream {
            None => self.client.ask(method, params).await,
            Some(stream) => {
                let status = self.client.post(request(method, params)).await.status;
                assert_eq!(status, 202, "{method} {params}");
                stream.rest().await.1
            }
        }
    }

    /// Sends a message; the status of the answer.
    pub(super) async fn tell(&self, message: &str) -> StatusCode {
        self.client.post(message).await.status
    }

    /// Ends it as a client does.
    pub(super) async fn end(self) -> StatusCode {
        let request = self.client.bare(Method::DELETE);
        let request =
            self.client.session().into_iter().fold(request, |request, id| request.header("mcp-session-id", id));
        send(request).await.status
    }

    /// Another person, who has got hold of all that tells this session from others.
    pub(super) fn seized_by(&self, world: &World, who: &str) -> Client {
        let client = world.person(who, &self.path);
        match self.client.session() {
            Some(id) => client.with_session(id),
            None => client,
        }
    }
}
