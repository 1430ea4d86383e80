//! An event stream of an MCP endpoint: what comes on it, and where to go on when it
//! ends early.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use http::HeaderValue;
use tokio::time::Instant;

use crate::upstream::UpstreamError;
use crate::upstream::http::exchange::{ANSWER_LIMIT_BYTES, Channel};
use crate::upstream::malformed::answered_id;
use crate::upstream::switchboard::Source;
use crate::wire::sse::{Event, EventReader};
use crate::wire::{Message, Response};

/// How long a stream may go on after its response before its connection is given up.
const STREAM_END_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait before a stream is resumed, where it does not say, and at most.
const RETRY: Duration = Duration::from_secs(1);
const RETRY_LIMIT: Duration = Duration::from_secs(60);
/// How often in a row a call's stream is resumed and soon ends without anything new.
const FRUITLESS_LIMIT: u32 = 10;
/// A connection that lasted so long was no failure, even if nothing came on it.
pub(super) const LASTED: Duration = Duration::from_secs(5);

/// How far a stream was read, over all its connections.
#[derive(Default)]
pub(super) struct Cursor {
    last_event_id: Vec<u8>,
    retry: Option<Duration>,
}

/// How one connection of a stream ended.
enum Ended {
    /// With the response.
    Answered(Response),
    /// Before it.
    Early(UpstreamError),
}

impl Cursor {
    /// Takes note of what a connection brought; `false` if that was nothing new.
    pub(super) fn follow(&mut self, events: &EventReader) -> bool {
        self.retry = events.retry().or(self.retry);
        let id = events.last_event_id();
        let is_new = !id.is_empty() && id != self.last_event_id;
        if is_new {
            self.last_event_id.clear();
            self.last_event_id.extend_from_slice(id);
        }
        is_new
    }

    /// After which event to go on, where that can be said.
    pub(super) fn position(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(&self.last_event_id).ok().filter(|id| !id.is_empty())
    }

    /// How long the server wants to be left alone before.
    pub(super) fn retry(&self) -> Duration {
        self.retry.unwrap_or(RETRY).min(RETRY_LIMIT)
    }
}

impl Channel {
    /// Reads the stream that answers request `id`, over as many connections as the
    /// server makes of it.
    pub(super) async fn read_stream(
        self: &Arc<Self>,
        id: u64,
        mut reply: reqwest::Response,
    ) -> Result<Response, UpstreamError> {
        let mut cursor = Cursor::default();
        let mut fruitless = 0;
        loop {
            let (mut events, opened_at) = (EventReader::new(ANSWER_LIMIT_BYTES), Instant::now());
            let mut early = match self.read_connection(id, reply, &mut events).await? {
                Ended::Answered(response) => return Ok(response),
                Ended::Early(error) => error,
            };
            if let Some(retry) = events.retry() {
                self.switchboard.pause(id, retry.min(RETRY_LIMIT));
            }
            fruitless = if cursor.follow(&events) || opened_at.elapsed() >= LASTED { 0 } else { fruitless + 1 };
            reply = loop {
                let (Some(position), 0..FRUITLESS_LIMIT) = (cursor.position(), fruitless) else { return Err(early) };
                tokio::time::sleep(cursor.retry()).await;
                match self.open_stream(Some(position)).await {
                    Ok(reply) => break reply,
                    // It said that it has no such stream.
                    Err(UpstreamError::HttpStatus { status: 400..500, .. } | UpstreamError::InvalidAnswer { .. }) => {
                        return Err(early);
                    }
                    Err(error) => early = error,
                }
                fruitless += 1;
            };
        }
    }

    async fn read_connection(
        self: &Arc<Self>,
        id: u64,
        mut reply: reqwest::Response,
        events: &mut EventReader,
    ) -> Result<Ended, UpstreamError> {
        loop {
            match events.next_event().map_err(|error| self.too_large(error.limit_bytes))? {
                Some(event) => {
                    if let Some(response) = self.take_event(Source::Call(id), event)? {
                        self.finish_stream(reply);
                        return Ok(Ended::Answered(response));
                    }
                }
                None => match reply.chunk().await {
                    Ok(Some(chunk)) => events.push(&chunk),
                    Ok(None) => return Ok(Ended::Early(self.closed("the event stream ended"))),
                    Err(error) => return Ok(Ended::Early(self.explain(&error))),
                },
            }
        }
    }

    /// Passes on what an event holds; gives the response, if it is that of the call
    /// whose stream it came on.
    pub(super) fn take_event(
        self: &Arc<Self>,
        source: Source,
        event: Event,
    ) -> Result<Option<Response>, UpstreamError> {
        if event.name != "message" {
            return Ok(None);
        }
        let awaited = match source {
            Source::Call(id) => Some(id),
            Source::Shared | Source::Aside => None,
        };
        match Message::parse(event.data.clone()) {
            Ok(Message::Response(response)) if awaited.is_some() && response.id().as_u64() == awaited => {
                return Ok(Some(response));
            }
            Ok(Message::Response(_)) => {
                tracing::debug!(upstream.server = %self.server, "a response to another request was ignored");
            }
            Ok(Message::Notification(notification)) => self.switchboard.notify(source, notification),
            Ok(Message::Request(request)) => self.switchboard.ask(source, request, self.backchannel()),
            Err(error) if awaited.is_some() && answered_id(&event.data) == awaited => {
                return Err(self.invalid(&error.to_string()));
            }
            Err(error) => {
                tracing::debug!(upstream.server = %self.server, %error, "an event that is no message was skipped");
            }
        }
        Ok(None)
    }

    /// Reads a stream to its end, so that its connection can be used again.
    fn finish_stream(&self, mut reply: reqwest::Response) {
        let mut rest = Box::pin(async move { while let Ok(Some(_)) = reply.chunk().await {} });
        // Most servers end the stream in the packet that ends the response.
        if rest.as_mut().now_or_never().is_none() {
            self.spawn_bounded(STREAM_END_TIMEOUT, rest);
        }
    }
}
