//! Whom an upstream's own messages reach, in which order, and what becomes of the rest.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use http::Method;
use mcpjungle_host::protocol::LogLevel;
use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::Call;
use tokio::sync::Semaphore;

use crate::fixture::{FakeServer, Seen, SessionServer, call, outcome, plain, result, status, upstreams};
use crate::two_way::{
    Recorder, answer, call_of, call_with, child, event, events, id_of, log, open_stream, pairing, progress, request,
    response, token, upstreams_with_children,
};

const BURST: usize = 200;
const REFUSAL: &str = r#""error":{"code":-32601,"message":"it cannot be told which client this request is for"#;

#[tokio::test]
async fn on_the_stream_of_a_call_there_is_no_progress_of_another_with_the_same_token() {
    let (calls, gate, sessions) =
        (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)), SessionServer::default());
    let (arrived, opened) = (Arc::clone(&calls), Arc::clone(&gate));
    let fake = FakeServer::start(move |seen: Seen| {
        let (arrived, opened, sessions) = (Arc::clone(&arrived), Arc::clone(&opened), sessions.clone());
        async move {
            if seen.method() != "tools/call" {
                return sessions.answer(&seen);
            }
            let is_first = {
                let mut arrived = arrived.lock().unwrap();
                arrived.push(token(&seen));
                arrived.len() == 1
            };
            opened.acquire().await.unwrap().forget();
            if !is_first {
                return result(&seen, "2");
            }
            let tokens = arrived.lock().unwrap().clone();
            let others = ["999", "\"1\"", "1.5"].map(|unknown| progress(unknown, 9));
            let ours = (1..=3).flat_map(|n| [progress(&tokens[1], n * 10), progress(&tokens[0], n)]);
            events(others.into_iter().chain(ours).chain([answer(seen.id(), "1")]))
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    let (first, second) = (Recorder::new(), Recorder::new());
    let mut first_call = std::pin::pin!(upstreams.call(&server, call_with(&first, "1")));
    tokio::select! {
        _ = &mut first_call => panic!("it is held"),
        () = fake.wait_until(|fake| fake.requests("tools/call").len() == 1) => {}
    }
    let rest = async {
        fake.wait_until(|fake| fake.requests("tools/call").len() == 2).await;
        gate.add_permits(1);
        assert_eq!(outcome(first_call.await).unwrap(), "1");
        gate.add_permits(1);
    };
    let (second_answer, ()) = tokio::join!(upstreams.call(&server, call_with(&second, "1")), rest);
    assert_eq!(outcome(second_answer).unwrap(), "2");
    assert_eq!(first.received(), [1, 2, 3].map(|n| progress(1, n)));
    assert_eq!(second.received(), [""; 0]);
}

#[tokio::test]
async fn who_asked_for_no_progress_is_told_none() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| {
            events([progress(seen.id(), 1), log("in between"), progress(seen.id(), 2), answer(seen.id(), "1")])
        });
        async move { response }
    })
    .await;
    let client = Recorder::new();
    outcome(upstreams().call(&fake.server(SessionMode::Stateless), call_of(&client)).await).unwrap();
    assert_eq!(client.received(), [log("in between")]);
}

/// What a client of ten must have been sent when its call is answered.
async fn assert_bursts(call: impl AsyncFn(Call) -> Result<String, String>) {
    let clients: Vec<_> = (0..10).map(|_| Recorder::new()).collect();
    let calls = clients.iter().enumerate().map(|(n, client)| {
        let (call, token) = (&call, format!("\"t{n}\""));
        async move {
            call(call_with(client, &token)).await.unwrap();
            let expected: Vec<_> = (1..=BURST).map(|n| progress(&token, n)).collect();
            assert_eq!(client.received(), expected, "all of it before the answer");
        }
    });
    join_all(calls).await;
}

#[tokio::test]
async fn bursts_of_progress_in_parallel_calls_arrive_in_order_before_the_answers_over_one_http_session() {
    let sessions = SessionServer::default();
    let fake = FakeServer::start(move |seen| {
        let response = if seen.method() == "tools/call" {
            let burst = (1..=BURST).map(|n| progress(token(&seen), n));
            events(burst.chain([answer(seen.id(), "1")]))
        } else {
            sessions.answer(&seen)
        };
        async move { response }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    assert_bursts(async |call| outcome(upstreams.call(&server, call).await)).await;
    assert_eq!(fake.requests("initialize").len(), 1);
}

#[tokio::test]
async fn bursts_of_progress_in_parallel_calls_arrive_in_order_before_the_answers_from_one_process() {
    // All calls are awaited, so that their bursts come mixed.
    let on_call = r#"ids="$ids $id"; n=$((n + 1)); if [ $n = 10 ]; then
        i=1; while [ $i -le 200 ]; do for id in $ids; do
            say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'$id',"progress":'$i'}}'
        done; i=$((i + 1)); done
        for id in $ids; do answer $id 1; done; fi"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    assert_bursts(async |call| outcome(upstreams.call(&server, call).await)).await;
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_request_of_the_server_goes_to_the_client_whose_call_it_is_and_its_answer_back() {
    let stream = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&stream);
    let fake = FakeServer::start(move |seen: Seen| {
        let response = plain(&seen).unwrap_or_else(|| {
            let (sender, response) = open_stream();
            sender.send(event(&request(r#""u 1""#, "elicitation/create"))).unwrap();
            sender.send(event(&request("7", "roots/list"))).unwrap();
            *kept.lock().unwrap() = Some((sender, seen.id().to_owned()));
            response
        });
        async move { response }
    })
    .await;
    let (upstreams, server, client) = (upstreams(), fake.server(SessionMode::Stateless), Recorder::new());
    let answering = async {
        let asked = client.wait_for(2).await;
        assert!(asked[0].contains("elicitation/create") && asked[1].contains("roots/list"), "{asked:?}");
        assert_ne!(id_of(&asked[0]), id_of(&asked[1]));
        let answered =
            format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{"action":"accept","n":1.0}}}}"#, id_of(&asked[0]));
        client.take_reply().send(&response(&answered));
        // Given up without an answer: the server must not wait for ever.
        drop(client.take_reply());
        let replies = |fake: &FakeServer| fake.seen().into_iter().filter(|seen| seen.method().is_empty()).count();
        fake.wait_until(|fake| replies(fake) == 2).await;
        let (sender, id) = stream.lock().unwrap().take().unwrap();
        sender.send(event(&answer(id, "1"))).unwrap();
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call_of(&client)), answering);
    outcome(answer).unwrap();
    let bodies: Vec<_> = fake.requests("").into_iter().map(|seen| seen.body).collect();
    assert!(
        bodies.contains(&r#"{"jsonrpc":"2.0","id":"u 1","result":{"action":"accept","n":1.0}}"#.to_owned()),
        "{bodies:?}"
    );
    assert!(bodies.iter().any(|body| body.contains(r#""id":7,"error""#)), "{bodies:?}");
}

#[tokio::test]
async fn from_a_process_a_request_is_for_a_client_only_if_no_other_is_calling() {
    let on_call = r#"if [ -z "$first" ]; then first=$id; say '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"one"}}'
        else
            say '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"two"}}'
            say '{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage"}'; IFS= read -r refusal
            answer $first "[$refusal]"
            say '{"jsonrpc":"2.0","id":"s2","method":"sampling/createMessage"}'; IFS= read -r reply
            answer $id "[$reply]"
        fi"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    let (first, second) = (Recorder::new(), Recorder::new());
    let scenario = async {
        first.wait_for(1).await;
        let answering = async {
            let asked = second.wait_for(1).await;
            let answered = format!(r#"{{"jsonrpc":"2.0","id":{},"result":"mine"}}"#, id_of(&asked[0]));
            second.take_reply().send(&response(&answered));
        };
        tokio::join!(upstreams.call(&server, call_of(&second)), answering).0
    };
    let (first_answer, second_answer) = tokio::join!(upstreams.call(&server, call_of(&first)), scenario);
    let refused = outcome(first_answer).unwrap();
    assert!(refused.contains(r#""id":"s1""#) && refused.contains(REFUSAL), "{refused}");
    assert_eq!(outcome(second_answer).unwrap(), r#"[{"jsonrpc":"2.0","id":"s2","result":"mine"}]"#);
    assert_eq!(first.received().len(), 1);
    assert_eq!(second.received().len(), 1);
    upstreams.shutdown().await;
}

#[tokio::test]
async fn from_a_paired_process_what_is_for_no_single_call_is_for_its_client() {
    let on_call = r#"if [ -z "$first" ]; then first=$id; say '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"one"}}'
        else
            say '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"two"}}'
            answer $id 2; answer $first 1
        fi"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateless));
    let (client, first, second) = (Recorder::new(), Recorder::new(), Recorder::new());
    let paired =
        |counterpart: &Arc<Recorder>| Call { paired_with: Some(pairing("d", &client)), ..call_of(counterpart) };
    let scenario = async {
        first.wait_for(1).await;
        upstreams.call(&server, paired(&second)).await
    };
    let (first_answer, second_answer) = tokio::join!(upstreams.call(&server, paired(&first)), scenario);
    assert_eq!((outcome(first_answer), outcome(second_answer)), (Ok("1".to_owned()), Ok("2".to_owned())));
    assert_eq!((first.received().len(), second.received().len()), (1, 0));
    assert!(client.received()[0].contains(r#""data":"two""#), "{:?}", client.received());
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_server_that_answers_twice_answers_once() {
    let on_call = r#"answer $id 1; answer $id 2; say '{"jsonrpc":"2.0","id":'$id',"error":{"code":1,"message":"m"}}'
        say '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":'$id',"progress":1}}'"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    let client = Recorder::new();
    for _ in 0..20 {
        assert_eq!(outcome(upstreams.call(&server, call_with(&client, "1")).await).unwrap(), "1");
    }
    assert!(client.received().is_empty(), "{:?}", client.received());
    upstreams.shutdown().await;
}

#[tokio::test]
async fn a_flood_for_nobody_holds_nothing_up() {
    let on_call = r#"i=0; while [ $i -lt 20000 ]; do say '{"jsonrpc":"2.0","method":"notifications/message","params":{}}'
        i=$((i + 1)); done; answer $id 1"#;
    let (upstreams, server) = (upstreams_with_children(), child(on_call, SessionMode::Stateful));
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "1");
    upstreams.shutdown().await;
}

#[tokio::test]
async fn list_changes_are_heard_by_the_gateway_and_passed_on_to_nobody() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| {
            let changes = ["tools", "prompts", "resources"]
                .map(|list| format!(r#"{{"jsonrpc":"2.0","method":"notifications/{list}/list_changed"}}"#));
            events(changes.into_iter().chain([answer(seen.id(), "1")]))
        });
        async move { response }
    })
    .await;
    let (upstreams, server, client) = (upstreams(), fake.server(SessionMode::Stateless), Recorder::new());
    outcome(upstreams.call(&server, call_of(&client)).await).unwrap();
    let changed = upstreams.hints().next().await;
    assert!(changed.len() == 1 && changed.contains(&server.name), "{changed:?}");
    assert!(client.received().is_empty());
}

#[tokio::test]
async fn the_log_level_is_set_before_the_call_where_it_differs_and_a_refusal_harms_nobody() {
    for refuses in [false, true] {
        let fake = FakeServer::start(move |seen| {
            let response = match seen.method().as_str() {
                "initialize" => result(&seen, r#"{"protocolVersion":"2025-11-25","capabilities":{"logging":{}}}"#),
                "logging/setLevel" if refuses => status(500, "no"),
                "logging/setLevel" => result(&seen, "{}"),
                _ => plain(&seen).unwrap_or_else(|| result(&seen, "1")),
            };
            async move { response }
        })
        .await;
        let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
        let levels = [None, Some(LogLevel::Debug), Some(LogLevel::Debug), None, Some(LogLevel::Error)];
        for log_level in levels {
            outcome(upstreams.call(&server, Call { log_level, ..call() }).await).unwrap();
        }
        let methods: Vec<_> = fake.seen().iter().skip(2).map(Seen::method).collect();
        let (call, set) = ("tools/call", "logging/setLevel");
        assert_eq!(methods, [call, set, call, call, call, set, call]);
        let set: Vec<_> = fake.requests(set).into_iter().map(|seen| seen.body).collect();
        assert!(set[0].contains(r#""params":{"level":"debug"}"#) && set[1].contains(r#"{"level":"error"}"#), "{set:?}");
    }
}

#[tokio::test]
async fn a_server_without_logging_is_not_asked_to_set_its_level() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, "1"));
        async move { response }
    })
    .await;
    let loud = Call { log_level: Some(LogLevel::Debug), ..call() };
    outcome(upstreams().call(&fake.server(SessionMode::Stateless), loud).await).unwrap();
    assert!(fake.requests("logging/setLevel").is_empty());
}

#[tokio::test]
async fn a_clients_notification_reaches_all_that_is_paired_with_it_in_order_and_nothing_else() {
    let sessions = SessionServer::default();
    let fake = FakeServer::start(move |seen| {
        let response = sessions.answer(&seen);
        async move { response }
    })
    .await;
    let (upstreams, server, client) = (upstreams(), fake.server(SessionMode::Stateless), Recorder::new());
    let sent = AtomicUsize::new(0);
    let notify = |downstream: &str| {
        let n = sent.fetch_add(1, Ordering::Relaxed);
        let text = format!(r#"{{"jsonrpc":"2.0","method":"notifications/roots/list_changed","params":{{"n":{n}}}}}"#);
        upstreams.notify_paired(downstream, &crate::two_way::notification(&text));
        text
    };
    notify("d1");
    for downstream in ["d1", "d2"] {
        let call = Call { paired_with: Some(pairing(downstream, &client)), ..call() };
        outcome(upstreams.call(&server, call).await).unwrap();
    }
    let expected: Vec<_> = (0..10).map(|_| notify("d1")).collect();
    let roots = "notifications/roots/list_changed";
    fake.wait_until(|fake| fake.requests(roots).len() == 10).await;
    let seen = fake.requests(roots);
    assert_eq!(seen.iter().map(|seen| seen.body.clone()).collect::<Vec<_>>(), expected);
    assert!(seen.iter().all(|seen| seen.verb == Method::POST && seen.session() == Some("s1")));
}

const ASKED: usize = 100;

fn reply_to(n: usize) -> String {
    answer(format_args!("\"r{n}\""), "[]")
}

/// Answers all that the server asks at once, when all of it has come.
async fn answer_all(client: &Recorder) {
    let asked = client.wait_for(ASKED).await;
    for message in asked {
        client.take_reply().send(&response(&answer(id_of(&message), "[]")));
    }
}

#[tokio::test]
async fn answers_to_many_requests_of_a_server_arrive_in_order_over_http() {
    let stream = Arc::new(Mutex::new(None));
    let kept = Arc::clone(&stream);
    let fake = FakeServer::start(move |seen: Seen| {
        let response = plain(&seen).unwrap_or_else(|| {
            let (sender, response) = open_stream();
            for n in 0..ASKED {
                sender.send(event(&request(&format!("\"r{n}\""), "roots/list"))).unwrap();
            }
            *kept.lock().unwrap() = Some((sender, seen.id().to_owned()));
            response
        });
        async move { response }
    })
    .await;
    let (upstreams, server, client) = (upstreams(), fake.server(SessionMode::Stateless), Recorder::new());
    let scenario = async {
        answer_all(&client).await;
        let replies = |fake: &FakeServer| -> Vec<String> {
            fake.seen().into_iter().map(|seen| seen.body).filter(|body| body.contains("\"result\":[]")).collect()
        };
        fake.wait_until(|fake| replies(fake).len() == ASKED).await;
        assert_eq!(replies(&fake), (0..ASKED).map(reply_to).collect::<Vec<_>>());
        let (sender, id) = stream.lock().unwrap().take().unwrap();
        sender.send(event(&answer(id, "1"))).unwrap();
    };
    let (answered, ()) = tokio::join!(upstreams.call(&server, call_of(&client)), scenario);
    assert_eq!(outcome(answered).unwrap(), "1");
}

#[tokio::test]
async fn answers_to_many_requests_of_a_process_arrive_in_order() {
    let on_call = format!(
        r#"n=0; while [ $n -lt {ASKED} ]; do say '{{"jsonrpc":"2.0","id":"r'$n'","method":"roots/list"}}'; n=$((n+1)); done
        n=0; while [ $n -lt {ASKED} ]; do
            IFS= read -r reply; case $reply in *'"r'$n'"'*) n=$((n+1)) ;; *) answer "$id" "[$reply]" ;; esac
        done; answer "$id" 1"#
    );
    let (upstreams, server, client) =
        (upstreams_with_children(), child(&on_call, SessionMode::Stateful), Recorder::new());
    let (answered, ()) = tokio::join!(upstreams.call(&server, call_of(&client)), answer_all(&client));
    assert_eq!(outcome(answered).unwrap(), "1");
    upstreams.shutdown().await;
}
