//! The stream of events of one session: first the endpoint, then messages.

use url::Url;

use crate::upstream::UpstreamError;
use crate::upstream::background::WorkToCome;
use crate::upstream::error::shown_url;
use crate::upstream::http::ANSWER_LIMIT_BYTES;
use crate::upstream::http::exchange::Channel;
use crate::upstream::inbox::Inbox;
use crate::wire::sse::{Event, EventReader, EventTooLarge};

/// A stream that is open.
pub(super) struct EventStream {
    reply: reqwest::Response,
    events: EventReader,
}

/// Why there is no further event.
enum End {
    TooLarge(EventTooLarge),
    Ended,
}

impl EventStream {
    /// Asks for the stream at the URL of `channel`.
    pub(super) async fn open(channel: &Channel) -> Result<Self, UpstreamError> {
        match channel.open_stream(None).await {
            Ok(reply) => Ok(Self { reply, events: EventReader::new(ANSWER_LIMIT_BYTES) }),
            Err(UpstreamError::InvalidAnswer { .. }) => {
                Err(channel.invalid("it is no event stream, so this may be no server of the transport 'sse'"))
            }
            Err(error) => Err(error),
        }
    }

    /// Reads on to the event that names the endpoint for messages.
    pub(super) async fn read_endpoint(&mut self, channel: &Channel) -> Result<Url, UpstreamError> {
        loop {
            match self.next_event().await {
                Ok(event) if event.name == "endpoint" => {
                    return resolve_endpoint(&channel.url, &event.data).map_err(|problem| channel.invalid(&problem));
                }
                Ok(_) => {}
                Err(End::TooLarge(error)) => return Err(channel.too_large(error.limit_bytes)),
                Err(End::Ended) => {
                    return Err(channel.invalid("its event stream ended before it named an endpoint"));
                }
            }
        }
    }

    /// Passes on every message until the stream ends, or the session.
    pub(super) async fn read(mut self, inbox: Inbox, work: WorkToCome) {
        let closing = inbox.closing.clone();
        let mut nonsense = 0;
        let give_up_reason = loop {
            let event = tokio::select! {
                event = self.next_event() => event,
                () = closing.cancelled() => break None,
            };
            match event {
                Ok(event) if event.name == "message" => inbox.take(event.data, &mut nonsense),
                Ok(_) => {}
                Err(End::Ended) => break None,
                Err(End::TooLarge(error)) => {
                    break Some(format!("the MCP server sent an event of more than {} bytes", error.limit_bytes));
                }
            }
        };
        inbox.pending.close(give_up_reason);
        closing.cancel();
        drop(work);
    }

    async fn next_event(&mut self) -> Result<Event, End> {
        loop {
            if let Some(event) = self.events.next_event().map_err(End::TooLarge)? {
                return Ok(event);
            }
            match self.reply.chunk().await {
                Ok(Some(chunk)) => self.events.push(&chunk),
                Ok(None) | Err(_) => return Err(End::Ended),
            }
        }
    }
}

/// The endpoint as the server names it, relative or whole. It gets the injected
/// headers, so it must be where the administrator meant them to go.
fn resolve_endpoint(stream: &Url, named: &[u8]) -> Result<Url, String> {
    let named = std::str::from_utf8(named).ok().and_then(|named| stream.join(named.trim()).ok());
    let Some(endpoint) = named else { return Err("the endpoint that it names is no URL".to_owned()) };
    if endpoint.origin() != stream.origin() || !endpoint.username().is_empty() || endpoint.password().is_some() {
        return Err(format!(
            "it names an endpoint at {}, and headers for {} are sent nowhere else",
            endpoint.origin().ascii_serialization(),
            shown_url(stream)
        ));
    }
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_relative_or_at_the_same_origin() {
        let stream = Url::parse("http://127.0.0.1:8000/mcp/sse?x=1").unwrap();
        for (named, expected) in [
            ("/message?sessionId=1", "http://127.0.0.1:8000/message?sessionId=1"),
            ("message?s=1", "http://127.0.0.1:8000/mcp/message?s=1"),
            ("?s=1", "http://127.0.0.1:8000/mcp/sse?s=1"),
            ("http://127.0.0.1:8000/m", "http://127.0.0.1:8000/m"),
            ("//127.0.0.1:8000/m", "http://127.0.0.1:8000/m"),
        ] {
            assert_eq!(resolve_endpoint(&stream, named.as_bytes()).map(String::from).as_deref(), Ok(expected));
        }
        for hostile in [
            "http://127.0.0.1:8001/m",
            "https://127.0.0.1:8000/m",
            "http://localhost:8000/m",
            "//evil.example/m",
            "http://user@127.0.0.1:8000/m",
            "file:///etc/passwd",
            "data:text/plain,x",
        ] {
            let problem = resolve_endpoint(&stream, hostile.as_bytes()).unwrap_err();
            assert!(problem.contains("sent nowhere else"), "{hostile}: {problem}");
        }
        for broken in [&b"http://[x"[..], b"\xff"] {
            assert!(resolve_endpoint(&stream, broken).unwrap_err().contains("is no URL"), "{broken:?}");
        }
    }
}
