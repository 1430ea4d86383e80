//! A session that the gateway holds open for one thing: to hear when a server's
//! lists have changed.

use std::sync::Arc;

use http::HeaderMap;
use tokio_util::sync::CancellationToken;

use crate::server::{Server, Transport};
use crate::upstream::health::{OpenedFor, ServerHealth};
use crate::upstream::offer::catalog_client;
use crate::upstream::session::{Connector, Purpose, Session};
use crate::upstream::{UpstreamError, Upstreams};
use crate::wire::object_members;

/// An open session whose stream feeds [`crate::upstream::ListHints`]. Ends when it is dropped.
pub struct ListeningSession {
    session: Session,
    gateway_ended: CancellationToken,
}

impl ListeningSession {
    /// Resolves once there is something to listen to.
    pub async fn begun(&self) {
        self.session.stream_begun().await;
    }

    /// Whether there is something to listen to, or was.
    pub fn has_begun(&self) -> bool {
        self.session.has_stream_begun()
    }

    /// Resolves when nothing more can be heard, or the gateway ends.
    pub async fn ended(&self) {
        tokio::select! {
            () = self.session.stream_ended() => {}
            () = self.gateway_ended.cancelled() => {}
        }
    }
}

impl Upstreams {
    /// Opens a session to hear when a server's lists have changed.
    pub async fn listen(&self, server: &Arc<Server>, headers: &HeaderMap) -> Result<ListeningSession, UpstreamError> {
        let health = self.health.of(server);
        health.admit_opening()?;
        let opened = tokio::select! {
            opened = open(&self.connector, &health, headers) => opened,
            () = self.ended.cancelled() => return Err(UpstreamError::ShuttingDown),
        };
        health.note_opening(opened.as_ref().err(), OpenedFor::Gateway);
        Ok(ListeningSession { session: opened?, gateway_ended: self.ended.clone() })
    }
}

async fn open(connector: &Connector, health: &ServerHealth, headers: &HeaderMap) -> Result<Session, UpstreamError> {
    let server = &health.server;
    let client = catalog_client();
    let background = connector.background.for_server();
    let purpose = Purpose {
        headers,
        client: &client,
        paired_with: None,
        hints: Some(Arc::clone(&connector.hints)),
        listening: Some(Arc::clone(&health.listening)),
        health: None,
    };
    let (session, _handshake) = connector.open(server, purpose, &background, background.expect_work(None)).await?;
    Ok(session)
}

/// Whether a server that said this to `initialize` tells of changes of its lists, on a
/// stream that can be held open for it. A process is not kept running for that.
pub fn tells_of_changes(server: &Server, initialize: &[u8]) -> bool {
    let has_stream = match server.transport {
        Transport::StreamableHttp { .. } | Transport::Sse { .. } => true,
        Transport::Stdio { .. } => false,
    };
    has_stream && declares_list_changed(initialize)
}

fn declares_list_changed(initialize: &[u8]) -> bool {
    let member =
        |object: &str, name: &str| -> Option<String> { object_members(object, [name]).ok()?[0].map(str::to_owned) };
    let capabilities = std::str::from_utf8(initialize).ok().and_then(|result| member(result, "capabilities"));
    capabilities.is_some_and(|capabilities| {
        ["tools", "prompts", "resources"].iter().any(|kind| {
            member(&capabilities, kind).and_then(|kind| member(&kind, "listChanged")).as_deref() == Some("true")
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_server_that_says_so_tells_of_changes() {
        for (initialize, expected) in [
            (r#"{"capabilities":{"tools":{"listChanged":true}}}"#, true),
            (r#"{"capabilities":{"tools":{},"resources":{"listChanged":true}}}"#, true),
            (r#"{"capabilities":{"tools":{"listChanged":false}}}"#, false),
            (r#"{"capabilities":{"tools":{},"prompts":null}}"#, false),
            (r#"{"capabilities":[]}"#, false),
            ("{}", false),
        ] {
            assert_eq!(declares_list_changed(initialize.as_bytes()), expected, "{initialize}");
        }
    }
}
