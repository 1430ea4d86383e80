//! Cancelling, from either side.

use std::sync::{Arc, Mutex};

use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::{Call, Cancellation, UpstreamError};
use tokio::sync::Semaphore;

use crate::fixture::{FakeServer, Seen, call, outcome, plain, result, upstreams};
use crate::two_way::{
    Recorder, answer, call_of, child, event, id_of, notification, open_stream, request, response,
    upstreams_with_children,
};

const NOTICE: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"reason":"no more","x":1.0, "requestId":"c1"}}"#;

fn notice_for(id: &str) -> String {
    NOTICE.replace("\"c1\"", id)
}

fn cancellable() -> (Cancellation, Call) {
    let cancellation = Cancellation::default();
    (cancellation.clone(), Call { cancellation, ..call() })
}

/// A server that does with a call's stream what `end` says once it was told to cancel it.
async fn cancelled_server(end: fn(&str) -> Option<String>) -> FakeServer {
    let stream = Arc::new(Mutex::new(None));
    FakeServer::start(move |seen: Seen| {
        let response = match seen.method().as_str() {
            "tools/call" => {
                let (sender, response) = open_stream();
                *stream.lock().unwrap() = Some((sender, seen.id().to_owned()));
                response
            }
            "notifications/cancelled" => {
                let (sender, id) = stream.lock().unwrap().take().unwrap();
                if let Some(last) = end(&id) {
                    sender.send(event(&last)).unwrap();
                }
                plain(&seen).unwrap()
            }
            _ => plain(&seen).unwrap(),
        };
        async move { response }
    })
    .await
}

#[tokio::test]
async fn a_client_cancels_in_its_own_words_and_the_answer_still_counts() {
    type End = fn(&str) -> Option<String>;
    let ends: [(End, Option<&str>); 2] =
        [(|id| Some(answer(id, "\"stopped\"")), Some("\"stopped\"")), (|_| None, None)];
    for (end, expected) in ends {
        let fake = cancelled_server(end).await;
        let (upstreams, server, (cancellation, call)) =
            (upstreams(), fake.server(SessionMode::Stateless), cancellable());
        let cancel = async {
            fake.wait_until(|fake| fake.answered("tools/call") == 1).await;
            cancellation.cancel(notification(NOTICE));
            // Only the first counts.
            cancellation.cancel(notification(NOTICE));
        };
        let (answer, ()) = tokio::join!(upstreams.call(&server, call), cancel);
        match expected {
            Some(expected) => assert_eq!(outcome(answer).unwrap(), expected),
            None => assert!(matches!(answer, Err(UpstreamError::Cancelled { .. })), "{answer:?}"),
        }
        let told: Vec<_> = fake.requests("notifications/cancelled").into_iter().map(|seen| seen.body).collect();
        assert_eq!(told, [notice_for(fake.requests("tools/call")[0].id())]);
    }
}

#[tokio::test]
async fn a_process_is_told_of_a_cancellation_and_serves_on() {
    // The call is answered with the line that follows it.
    let on_call = r#"if [ -z "$called" ]; then called=1
            say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
            IFS= read -r line; answer "$id" "[$line]"
        else answer "$id" 2; fi"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    let (client, cancellation) = (Recorder::new(), Cancellation::default());
    let cancel = async {
        client.wait_for(1).await;
        cancellation.cancel(notification(NOTICE));
    };
    let call = Call { cancellation: cancellation.clone(), ..call_of(&client) };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call), cancel);
    assert_eq!(outcome(answer).unwrap(), format!("[{}]", notice_for("1")));
    assert_eq!(outcome(upstreams.call(&server, call_of(&client)).await).unwrap(), "2");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_server_that_heeds_no_cancellation_is_not_waited_for_for_ever() {
    let on_call = r#"if [ -z "$called" ]; then called=1
            say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
        else say '{"jsonrpc":"2.0","id":"r","method":"roots/list"}'; IFS= read -r reply
            [ -z "$late" ] && { late=1; answer 1 0; }; answer "$id" "[$reply]"; fi"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    let (client, cancellation) = (Recorder::new(), Cancellation::default());
    let cancel = async {
        client.wait_for(1).await;
        cancellation.cancel(notification(NOTICE));
    };
    let call = Call { cancellation: cancellation.clone(), ..call_of(&client) };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call), cancel);
    let error = answer.unwrap_err();
    assert_eq!(error.to_string(), "server `child`: the call was cancelled by its client");
    // Its server may still be busy with it, so what it asks may be no business of the next.
    let next = Recorder::new();
    let answer = outcome(upstreams.call(&server, call_of(&next)).await).unwrap();
    assert!(answer.contains(r#""id":"r","error":{"code":-32601"#), "{answer}");
    assert_eq!(next.received(), [""; 0]);
    // Until it has answered that one after all.
    let reply = async {
        let asked = next.wait_for(1).await;
        next.take_reply().send(&response(&answer_of(&asked[0])));
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call_of(&next)), reply);
    assert_eq!(outcome(answer).unwrap(), r#"[{"jsonrpc":"2.0","id":"r","result":[]}]"#);
    upstreams.shutdown().await;
}

fn answer_of(asked: &str) -> String {
    answer(id_of(asked), "[]")
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_it_is_sent_is_never_sent() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let fake = FakeServer::start(move |seen: Seen| {
        let gate = Arc::clone(&opened);
        async move {
            if seen.method() == "initialize" {
                gate.acquire().await.unwrap().forget();
            }
            plain(&seen).unwrap_or_else(|| result(&seen, "1"))
        }
    })
    .await;
    let (upstreams, server, (cancellation, call)) = (upstreams(), fake.server(SessionMode::Stateless), cancellable());
    let cancel = async {
        fake.wait_until(|fake| fake.requests("initialize").len() == 1).await;
        cancellation.cancel(notification(NOTICE));
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call), cancel);
    assert!(matches!(answer, Err(UpstreamError::Cancelled { .. })), "{answer:?}");
    gate.add_permits(10);
    outcome(upstreams.call(&server, crate::fixture::call()).await).unwrap();
    assert_eq!(fake.requests("tools/call").len(), 1);
    assert!(fake.requests("notifications/cancelled").is_empty());
}

#[tokio::test]
async fn a_server_cancels_what_it_asked_of_a_client_once() {
    let stream = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&stream);
    let fake = FakeServer::start(move |seen: Seen| {
        let response = plain(&seen).unwrap_or_else(|| {
            let (sender, response) = open_stream();
            let cancel = |id: &str| event(&notice_for(id));
            for piece in [
                event(&request("\"c1\"", "elicitation/create")),
                event(&request("5", "roots/list")),
                // Never asked, and spelled like another.
                cancel("8") + &cancel("\"5\""),
                cancel("\"c1\""),
                cancel("\"c1\""),
            ] {
                sender.send(piece).unwrap();
            }
            *kept.lock().unwrap() = Some((sender, seen.id().to_owned()));
            response
        });
        async move { response }
    })
    .await;
    let (upstreams, server, client) = (upstreams(), fake.server(SessionMode::Stateless), Recorder::new());
    let scenario = async {
        let received = client.wait_for(3).await;
        assert_eq!(received[2], notice_for(&id_of(&received[0])));
        let (sender, id) = stream.lock().unwrap().take().unwrap();
        // Answered, so there is nothing to cancel any more.
        let _unanswered = client.take_reply();
        client.take_reply().send(&response(&answer(id_of(&received[1]), "[]")));
        sender.send(event(&notice_for("5"))).unwrap();
        sender.send(event(&answer(id, "1"))).unwrap();
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call_of(&client)), scenario);
    outcome(answer).unwrap();
    assert_eq!(client.received().len(), 3, "{:?}", client.received());
}
