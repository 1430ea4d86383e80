//! Streams of calls that end before the answer and are taken up again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::UpstreamError;

use crate::fixture::{FakeServer, Seen, call, event_stream, outcome, plain, status, upstreams};
use crate::two_way::{Recorder, answer, call_with, event, progress, token};

fn stream(text: String) -> axum::response::Response {
    event_stream(vec![text.into_bytes()])
}

fn resumed(fake: &FakeServer) -> Vec<String> {
    let gets = fake.seen().into_iter().filter(|seen| seen.verb == Method::GET);
    gets.map(|seen| seen.header("last-event-id").unwrap_or("none").to_owned()).collect()
}

#[tokio::test]
async fn a_call_goes_on_where_its_stream_ended() {
    let call_token = Arc::new(std::sync::Mutex::new(String::new()));
    let fake = FakeServer::start(move |seen: Seen| {
        let call_token = Arc::clone(&call_token);
        let response = match (seen.verb.clone(), seen.header("last-event-id")) {
            (Method::GET, Some("a-0")) => {
                stream(format!("id: a-1\n{}", event(&progress(call_token.lock().unwrap(), 2))))
            }
            (Method::GET, Some("a-1")) => {
                let token = call_token.lock().unwrap();
                // What a resumed stream repeats of others is not for this call.
                stream(event(&answer(77, "0")) + &event(&progress(&token, 3)) + &event(&answer(&token, "\"done\"")))
            }
            _ if seen.method() == "tools/call" => {
                *call_token.lock().unwrap() = token(&seen);
                stream(format!("id: a-0\nretry: 1\ndata:\n\n{}", event(&progress(token(&seen), 1))))
            }
            _ => plain(&seen).unwrap(),
        };
        async move { response }
    })
    .await;
    let client = Recorder::new();
    let answer = outcome(upstreams().call(&fake.server(SessionMode::Stateless), call_with(&client, "\"p\"")).await);
    assert_eq!(answer.as_deref(), Ok("\"done\""));
    assert_eq!(client.received(), [1, 2, 3].map(|n| progress("\"p\"", n)));
    assert_eq!(resumed(&fake), ["a-0", "a-1"]);
    let get = fake.seen().into_iter().find(|seen| seen.verb == Method::GET).unwrap();
    assert_eq!(get.header("accept"), Some("text/event-stream"));
    assert_eq!(get.header("mcp-protocol-version"), Some("2025-11-25"));
    assert_eq!((get.header("content-type"), get.body.as_str()), (None, ""));
    assert_eq!(fake.requests("tools/call").len(), 1);
}

#[tokio::test]
async fn a_stream_that_never_gets_further_is_given_up() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen)
            .filter(|_| seen.verb != Method::GET)
            .unwrap_or_else(|| stream("id: 1\nretry: 0\ndata:\n\n".to_owned()));
        async move { response }
    })
    .await;
    let error = upstreams().call(&fake.server(SessionMode::Stateless), call()).await.unwrap_err();
    assert_eq!(error.to_string(), "server `fake`: the event stream ended before the MCP server's answer was complete");
    assert_eq!(resumed(&fake), ["1"; 10]);
}

#[tokio::test]
async fn a_server_that_does_not_resume_is_asked_once_and_the_call_is_not_sent_again() {
    for code in [400, 404, 405] {
        let fake = FakeServer::start(move |seen| {
            let response = match seen.verb.clone() {
                Method::GET => status(code, "no session here"),
                _ => plain(&seen).unwrap_or_else(|| stream("id: 1\nretry: 0\ndata:\n\n".to_owned())),
            };
            async move { response }
        })
        .await;
        let error = upstreams().call(&fake.server(SessionMode::Stateless), call()).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Closed { .. }), "{error:?}");
        assert_eq!(resumed(&fake), ["1"]);
        assert_eq!(fake.requests("tools/call").len(), 1);
    }
}

#[tokio::test]
async fn a_failure_on_the_way_does_not_end_the_call() {
    let failures = Arc::new(AtomicUsize::new(3));
    let fake = FakeServer::start(move |seen: Seen| {
        let has_failed =
            |_: &Seen| failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
        let response = match seen.verb.clone() {
            Method::GET if has_failed(&seen) => status(503, "busy"),
            Method::GET => stream(event(&answer(1, "\"late\""))),
            _ => plain(&seen).unwrap_or_else(|| stream("id: 1\nretry: 0\ndata:\n\n".to_owned())),
        };
        async move { response }
    })
    .await;
    let answer = outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await);
    assert_eq!(answer.as_deref(), Ok("\"late\""));
    assert_eq!(resumed(&fake).len(), 4);
}

#[tokio::test]
async fn initialize_may_be_resumed_like_any_other_request() {
    let fake = FakeServer::start(|seen| {
        let response = match (seen.verb.clone(), seen.method().as_str()) {
            (Method::GET, _) => stream(event(&answer(0, r#"{"protocolVersion":"2025-11-25","capabilities":{}}"#))),
            (_, "initialize") => stream("id: 1\nretry: 0\ndata:\n\n".to_owned()),
            _ => plain(&seen).unwrap_or_else(|| crate::fixture::result(&seen, "1")),
        };
        async move { response }
    })
    .await;
    outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await).unwrap();
}
