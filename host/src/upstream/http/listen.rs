//! The stream for what belongs to no call: asked for once a session is open, and
//! taken up again, with patience, for as long as the session lives.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::upstream::UpstreamError;
use crate::upstream::http::exchange::{ANSWER_LIMIT_BYTES, Channel};
use crate::upstream::http::stream::{Cursor, LASTED};
use crate::upstream::switchboard::Source;
use crate::wire::sse::EventReader;

/// How long a server that has no such stream is not asked for one again.
const REFUSAL_MEMORY: Duration = Duration::from_secs(10 * 60);
/// A server that ends each stream at once is not asked more often.
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What is known of one server's readiness to be listened to.
#[derive(Default)]
pub(in crate::upstream) struct Listening {
    refused_at: Mutex<Option<Instant>>,
}

impl Listening {
    fn is_refused(&self) -> bool {
        self.refused_at.lock().is_some_and(|at| at.elapsed() < REFUSAL_MEMORY)
    }

    fn refuse(&self) {
        *self.refused_at.lock() = Some(Instant::now());
    }
}

impl Channel {
    /// Listens until the server no longer lets us; cancels `begun` once it does. To be
    /// dropped with the session.
    pub(super) async fn listen(self: Arc<Self>, listening: Arc<Listening>, begun: CancellationToken) {
        if listening.is_refused() {
            return;
        }
        let mut cursor = Cursor::default();
        let mut failures = 0;
        loop {
            match self.open_stream(cursor.position()).await {
                Ok(reply) => {
                    begun.cancel();
                    let (opened_at, has_spoken) = (Instant::now(), self.hear_out(reply, &mut cursor).await);
                    failures = if has_spoken || opened_at.elapsed() >= LASTED { 0 } else { failures + 1 };
                }
                // The session may be gone: the next call sees to that.
                Err(error) if is_final(&error) && begun.is_cancelled() => return,
                Err(error) if is_final(&error) => {
                    tracing::debug!(upstream.server = %self.server, %error, "the server has no stream beside calls");
                    return listening.refuse();
                }
                Err(_) => failures += 1,
            }
            sleep(pause(&cursor, failures)).await;
        }
    }

    /// Reads one connection to its end; `true` if anything came on it.
    async fn hear_out(self: &Arc<Self>, mut reply: reqwest::Response, cursor: &mut Cursor) -> bool {
        let mut events = EventReader::new(ANSWER_LIMIT_BYTES);
        let mut has_spoken = false;
        while let Ok(Some(chunk)) = reply.chunk().await {
            events.push(&chunk);
            loop {
                match events.next_event() {
                    // Responses are not looked for here, so nothing can be wrong with them.
                    Ok(Some(event)) => has_spoken |= self.take_event(Source::Aside, event).is_ok(),
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(upstream.server = %self.server, %error, "a stream beside calls was given up");
                        return false;
                    }
                }
            }
        }
        cursor.follow(&events) | has_spoken
    }
}

fn is_final(error: &UpstreamError) -> bool {
    match error {
        UpstreamError::HttpStatus { status, .. } => !matches!(status, 429 | 500 | 502..),
        UpstreamError::Unauthorized { .. } | UpstreamError::InvalidAnswer { .. } => true,
        _ => false,
    }
}

fn pause(cursor: &Cursor, failures: u32) -> Duration {
    let backoff = match failures {
        0 => Duration::ZERO,
        more => Duration::from_secs(1 << more.min(6)),
    };
    cursor.retry().max(backoff).clamp(PAUSE_MIN, PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_let_us_listen_is_asked_less_and_less() {
        let mut cursor = Cursor::default();
        let mut reader = EventReader::new(100);
        reader.push(b"retry: 3\n\n");
        assert_eq!(reader.next_event(), Ok(None));
        cursor.follow(&reader);
        for (failures, expected) in [(0, PAUSE_MIN), (1, Duration::from_secs(2)), (9, PAUSE_MAX)] {
            assert_eq!(pause(&cursor, failures), expected);
        }
        assert_eq!(pause(&Cursor::default(), 0), Duration::from_secs(1));
    }
}
