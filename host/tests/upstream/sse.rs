//! Servers of the old transport: one stream that brings everything, and an endpoint
//! that the server names itself.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::StreamExt;
use http::{Method, StatusCode};
use mcpjungle_host::server::{Server, SessionMode, Transport};
use mcpjungle_host::upstream::{UpstreamSettings, Upstreams};
use tokio::sync::mpsc;

use crate::fixture::{
    FakeServer, Seen, call, call_as, event_stream, json, outcome, server, settings, status, upstreams,
};

type Stream = mpsc::UnboundedSender<Bytes>;

/// The streams that a server holds open, by the number of their session.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<HashMap<usize, Stream>>>);

impl Streams {
    /// Opens the next one; it begins by naming an endpoint.
    fn open(&self) -> Response {
        let mut streams = self.0.lock().unwrap();
        let number = streams.len() + 1;
        let (stream, events) = mpsc::unbounded_channel();
        stream.send(Bytes::from(format!("event: endpoint\ndata: /message?session={number}\n\n"))).unwrap();
        streams.insert(number, stream);
        let events = futures_util::stream::unfold(events, async |mut events| Some((events.recv().await?, events)));
        let body = Body::from_stream(events.map(Ok::<_, Infallible>));
        ([("content-type", "text/event-stream")], body).into_response()
    }

    /// Sends a message on the stream that a POST belongs to.
    fn send(&self, seen: &Seen, message: &str) {
        let streams = self.0.lock().unwrap();
        streams[&session(seen)].send(Bytes::from(format!("event: message\ndata: {message}\n\n"))).unwrap();
    }

    /// Ends it.
    fn cut(&self, seen: &Seen) {
        let (ended, _) = mpsc::unbounded_channel();
        self.0.lock().unwrap().insert(session(seen), ended);
    }

    /// Answers `initialize` and opens streams; `false` for what the script has to do itself.
    fn shakes_hands(&self, seen: &Seen, version: &str) -> bool {
        match seen.method().as_str() {
            "initialize" => self.send(
                seen,
                &format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"protocolVersion":"{version}","capabilities":{{"tools":{{}}}}}}}}"#,
                    seen.id()
                ),
            ),
            method if method.starts_with("notifications/") => {}
            _ => return false,
        }
        true
    }

    fn answer(&self, seen: &Seen, result: &str) {
        self.send(seen, &format!(r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#, seen.id()));
    }
}

fn session(seen: &Seen) -> usize {
    seen.uri.split_once("session=").unwrap().1.parse().unwrap()
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

/// A server that answers each call with the number of its session.
async fn counting_server(version: &'static str) -> FakeServer {
    let streams = Streams::default();
    FakeServer::start(move |seen| {
        let streams = streams.clone();
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if !streams.shakes_hands(&seen, version) {
                streams.answer(&seen, &session(&seen).to_string());
            }
            accepted()
        }
    })
    .await
}

fn old(fake: &FakeServer, session_mode: SessionMode) -> Arc<Server> {
    let mut server = server("old", &fake.url, session_mode);
    let Transport::StreamableHttp { url, bearer_token, headers } = server.transport.clone() else { panic!() };
    Arc::get_mut(&mut server).unwrap().transport = Transport::Sse { url, bearer_token, headers };
    server
}

async fn error_of(fake: &FakeServer) -> String {
    outcome(upstreams().call(&old(fake, SessionMode::Stateless), call()).await).unwrap_err()
}

#[tokio::test]
async fn messages_go_where_the_server_says_with_the_injected_headers() {
    for version in ["2024-11-05", "2025-11-25"] {
        let fake = counting_server(version).await;
        let answer = upstreams().call(&old(&fake, SessionMode::Stateless), call_as("Bearer t")).await;
        assert_eq!(outcome(answer).unwrap(), "1");
        let seen = fake.seen();
        assert_eq!(seen[0].verb, Method::GET);
        assert_eq!(seen[0].header("accept"), Some("text/event-stream"));
        let posted: Vec<_> = seen.iter().filter(|seen| seen.verb == Method::POST && session(seen) == 1).collect();
        let methods: Vec<_> = posted.iter().map(|seen| seen.method()).collect();
        assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call"]);
        assert!(posted[0].body.contains("2025-11-25"), "the newest revision is asked for first: {}", posted[0].body);
        for seen in &seen {
            assert_eq!(seen.header("authorization"), Some("Bearer t"), "{seen:?}");
        }
        for seen in posted {
            assert_eq!(seen.header("content-type"), Some("application/json"));
        }
    }
}

#[tokio::test]
async fn a_connection_is_a_session() {
    let fake = counting_server("2024-11-05").await;
    let (upstreams, stateful) = (upstreams(), old(&fake, SessionMode::Stateful));
    for _ in 0..3 {
        assert_eq!(outcome(upstreams.call(&stateful, call()).await).unwrap(), "1");
    }
    let fake = counting_server("2024-11-05").await;
    let stateless = old(&fake, SessionMode::Stateless);
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(outcome(upstreams.call(&stateless, call()).await).unwrap());
    }
    sessions.dedup();
    assert_eq!(sessions.len(), 3, "no two calls share one: {sessions:?}");
}

#[tokio::test]
async fn no_call_overtakes_the_end_of_the_handshake() {
    let (streams, is_ready) = (Streams::default(), Arc::new(AtomicBool::new(false)));
    let fake = FakeServer::start(move |seen| {
        let (streams, is_ready) = (streams.clone(), Arc::clone(&is_ready));
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if seen.method() == "notifications/initialized" {
                // Long enough for a call to overtake it, if it may.
                tokio::time::sleep(Duration::from_millis(100)).await;
                is_ready.store(true, Ordering::Relaxed);
            } else if !streams.shakes_hands(&seen, "2024-11-05") {
                streams.answer(&seen, &is_ready.load(Ordering::Relaxed).to_string());
            }
            accepted()
        }
    })
    .await;
    assert_eq!(outcome(upstreams().call(&old(&fake, SessionMode::Stateful), call()).await).unwrap(), "true");
}

#[tokio::test]
async fn a_server_that_holds_back_its_reply_until_the_answer_is_sent_holds_up_no_other_call() {
    let (streams, release) = (Streams::default(), Arc::new(tokio::sync::Notify::new()));
    let fake = FakeServer::start(move |seen| {
        let (streams, release) = (streams.clone(), Arc::clone(&release));
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if !streams.shakes_hands(&seen, "2024-11-05") {
                // The first call waits for the second.
                if seen.id() == "1" {
                    release.notified().await;
                } else {
                    release.notify_one();
                }
                streams.answer(&seen, seen.id());
            }
            accepted()
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), old(&fake, SessionMode::Stateful));
    let first = upstreams.call(&server, call());
    let second = async {
        fake.wait_until(|fake| !fake.requests("tools/call").is_empty()).await;
        upstreams.call(&server, call()).await
    };
    let (first, second) = tokio::join!(first, second);
    assert_eq!((outcome(first).unwrap().as_str(), outcome(second).unwrap().as_str()), ("1", "2"));
}

#[tokio::test]
async fn headers_never_leave_for_another_host() {
    let thief = counting_server("2024-11-05").await;
    let endpoint = thief.url.clone();
    let fake = FakeServer::start(move |_| {
        let event = format!("event: endpoint\ndata: {endpoint}?session=1\n\n");
        async move { event_stream(vec![event.into_bytes()]) }
    })
    .await;
    let answer = upstreams().call(&old(&fake, SessionMode::Stateless), call_as("Bearer secret")).await;
    let error = outcome(answer).unwrap_err();
    assert!(error.starts_with("server `old`: ") && error.contains("sent nowhere else"), "{error}");
    assert_eq!(thief.seen().len(), 0);
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_stream_that_names_no_endpoint_fails_clearly() {
    let other_events = || event_stream(vec![b": hi\n\nevent: ping\ndata: 1\n\n".to_vec()]);
    let fake = FakeServer::start(move |_| async move { other_events() }).await;
    assert_eq!(
        error_of(&fake).await,
        "server `old`: the MCP server's answer is not valid: its event stream ended before it named an endpoint"
    );
    let fake = FakeServer::start(|_| async { json("{}") }).await;
    assert!(error_of(&fake).await.contains("it is no event stream, so this may be no server of the transport 'sse'"));
    let fake = FakeServer::start(|_| async { status(401, "{}") }).await;
    assert!(error_of(&fake).await.contains("does not accept the gateway's credentials"));
    let fake = FakeServer::start(|_| async { status(404, "{}") }).await;
    assert!(error_of(&fake).await.contains("HTTP 404: check the path of its URL"));
}

#[tokio::test]
async fn a_stream_that_stays_silent_fails_within_the_timeout() {
    let fake = FakeServer::start(|_| async {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        ([("content-type", "text/event-stream")], body).into_response()
    })
    .await;
    let limit = Duration::from_millis(200);
    let upstreams = Upstreams::new(UpstreamSettings { init_timeout: limit, ..settings() }).unwrap();
    let error = outcome(upstreams.call(&old(&fake, SessionMode::Stateless), call()).await).unwrap_err();
    assert!(error.contains("timed out after 0.2 seconds"), "{error}");
}

#[tokio::test]
async fn a_stream_that_is_cut_fails_the_calls_on_it_and_the_next_gets_a_new_one() {
    let streams = Streams::default();
    let fake = FakeServer::start(move |seen| {
        let streams = streams.clone();
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if !streams.shakes_hands(&seen, "2024-11-05") {
                match session(&seen) {
                    1 => streams.cut(&seen),
                    _ => streams.answer(&seen, "true"),
                }
            }
            accepted()
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), old(&fake, SessionMode::Stateful));
    assert_eq!(
        outcome(upstreams.call(&server, call()).await).unwrap_err(),
        "server `old`: the event stream ended before the MCP server's answer was complete"
    );
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "true");
}

#[tokio::test]
async fn a_message_that_is_refused_fails_its_own_call() {
    let streams = Streams::default();
    let fake = FakeServer::start(move |seen| {
        let streams = streams.clone();
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if streams.shakes_hands(&seen, "2024-11-05") {
                return accepted();
            }
            match seen.id() {
                "1" => status(500, "{}"),
                "2" => status(404, "Session not found"),
                _ => {
                    streams.answer(&seen, "true");
                    accepted()
                }
            }
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), old(&fake, SessionMode::Stateful));
    for status in ["500", "404"] {
        let error = outcome(upstreams.call(&server, call()).await).unwrap_err();
        assert!(error.contains(&format!("HTTP {status}")), "{error}");
    }
    let opened = || fake.seen().iter().filter(|seen| seen.verb == Method::GET).count();
    assert_eq!(opened(), 1);
    let error = outcome(upstreams.call(&server, call()).await).unwrap_err();
    assert!(error.contains("HTTP 500") && opened() == 2, "an unknown session is not used again: {error}");
}

#[tokio::test]
async fn a_malformed_answer_ends_the_wait_for_it() {
    let streams = Streams::default();
    let fake = FakeServer::start(move |seen| {
        let streams = streams.clone();
        async move {
            if seen.verb == Method::GET {
                return streams.open();
            }
            if !streams.shakes_hands(&seen, "2024-11-05") {
                streams.send(&seen, "no message");
                streams.send(&seen, &format!(r#"{{"jsonrpc":"1.0","id":{},"result":1}}"#, seen.id()));
            }
            accepted()
        }
    })
    .await;
    assert!(error_of(&fake).await.contains("the MCP server's answer is not valid"));
}
