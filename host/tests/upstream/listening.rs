//! The stream for what belongs to no call.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use bytes::Bytes;
use http::Method;
use mcpjungle_host::protocol::ProtocolVersion;
use mcpjungle_host::server::{Server, SessionMode};
use mcpjungle_host::upstream::{Call, ClientDeclaration, Upstreams};
use tokio::sync::{Semaphore, mpsc};

use crate::fixture::{FakeServer, Seen, SessionServer, call, call_as, outcome, plain, result, status, upstreams};
use crate::two_way::{
    Recorder, answer, call_of, call_with, event, id_of, log, open_stream, pairing, progress, request, response, token,
};

fn gets(fake: &FakeServer) -> Vec<Seen> {
    fake.seen().into_iter().filter(|seen| seen.verb == Method::GET).collect()
}

/// A server with sessions whose GET streams a test writes, and which holds calls.
struct Talkative {
    fake: FakeServer,
    streams: Arc<Mutex<Vec<mpsc::UnboundedSender<String>>>>,
    gate: Arc<Semaphore>,
}

impl Talkative {
    async fn start() -> Self {
        let (streams, gate, sessions) =
            (Arc::new(Mutex::new(Vec::new())), Arc::new(Semaphore::new(0)), SessionServer::default());
        let (opened, held) = (Arc::clone(&streams), Arc::clone(&gate));
        let fake = FakeServer::start(move |seen: Seen| {
            let (opened, held, sessions) = (Arc::clone(&opened), Arc::clone(&held), sessions.clone());
            async move {
                if seen.verb == Method::GET {
                    let (sender, response) = open_stream();
                    opened.lock().unwrap().push(sender);
                    return response;
                }
                if seen.method() == "tools/call" {
                    held.acquire().await.unwrap().forget();
                }
                sessions.answer(&seen)
            }
        })
        .await;
        Self { fake, streams, gate }
    }

    async fn wait_for_stream(&self) {
        self.fake
            .wait_until(|fake| gets(fake).len() == self.streams.lock().unwrap().len() && !gets(fake).is_empty())
            .await;
    }

    fn say(&self, text: &str) {
        self.streams.lock().unwrap().last().unwrap().send(text.to_owned()).unwrap();
    }

    async fn wait_for_calls(&self, count: usize) {
        self.fake.wait_until(|fake| fake.requests("tools/call").len() == count).await;
    }

    /// Waits until all that was said was heard: pings are answered in their turn.
    async fn wait_until_heard(&self, mark: &str) {
        self.say(&event(&request(mark, "ping")));
        let pong = answer(mark, "{}");
        self.fake.wait_until(|fake| fake.seen().iter().any(|seen| seen.body == pong)).await;
    }
}

#[tokio::test]
async fn what_comes_aside_on_a_session_that_has_served_others_is_for_nobody() {
    let talkative = Talkative::start().await;
    let (upstreams, server) = (upstreams(), talkative.fake.server(SessionMode::Stateful));
    talkative.gate.add_permits(1);
    outcome(upstreams.call(&server, call()).await).unwrap();
    talkative.wait_for_stream().await;

    // Nobody is calling.
    talkative.say(&event(&log("nobody")));
    talkative.say(&event(&request("1", "roots/list")));
    talkative.say(&event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#));
    assert!(upstreams.hints().next().await.contains(&server.name));

    let (first, second) = (Recorder::new(), Recorder::new());
    let scenario = async {
        talkative.wait_for_calls(2).await;
        talkative.say(&event(&log("one")));
        talkative.say(&event(&request("2", "roots/list")));
        talkative.wait_until_heard("8").await;
        let second_call = upstreams.call(&server, call_with(&second, "\"p\""));
        let ending = async {
            talkative.wait_for_calls(3).await;
            let token = token(&talkative.fake.requests("tools/call")[2]);
            talkative.say(&event(&log("two")));
            talkative.say(&event(&request("3", "roots/list")));
            talkative.say(&event(&progress(token, 1)));
            second.wait_for(1).await;
            talkative.gate.add_permits(2);
        };
        tokio::join!(second_call, ending).0
    };
    let (first_answer, second_answer) = tokio::join!(upstreams.call(&server, call_of(&first)), scenario);
    outcome(first_answer).unwrap();
    outcome(second_answer).unwrap();
    assert_eq!(first.received(), [""; 0]);
    assert_eq!(second.received(), [progress("\"p\"", 1)]);
    talkative.wait_until_heard("9").await;
    for id in ["1", "2", "3"] {
        let is_reply = |seen: &Seen| {
            seen.body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"#)) && seen.method().is_empty()
        };
        talkative.fake.wait_until(|fake| fake.seen().iter().any(is_reply)).await;
        let reply = talkative.fake.seen().into_iter().find(is_reply).unwrap();
        assert!(reply.body.contains("-32601"), "{}", reply.body);
        assert_eq!(reply.session(), Some("s1"));
    }
}

#[tokio::test]
async fn what_comes_aside_is_for_the_one_client_that_a_session_has_served_while_it_calls() {
    let talkative = Talkative::start().await;
    let (upstreams, server) = (upstreams(), talkative.fake.server(SessionMode::Stateful));
    let client = Recorder::new();
    talkative.gate.add_permits(1);
    outcome(upstreams.call(&server, call_of(&client)).await).unwrap();
    talkative.wait_for_stream().await;
    let ending = async {
        talkative.wait_for_calls(2).await;
        talkative.say(&event(&log("one")));
        client.wait_for(1).await;
        talkative.gate.add_permits(1);
    };
    let (answered, ()) = tokio::join!(upstreams.call(&server, call_of(&client)), ending);
    outcome(answered).unwrap();
    assert_eq!(client.received(), [log("one")]);
}

#[tokio::test]
async fn what_comes_aside_on_a_paired_session_is_for_its_client_even_during_a_call() {
    let talkative = Talkative::start().await;
    let (upstreams, server) = (upstreams(), talkative.fake.server(SessionMode::Stateless));
    let (client, caller) = (Recorder::new(), Recorder::new());
    let scenario = async {
        talkative.wait_for_calls(1).await;
        talkative.wait_for_stream().await;
        let updated = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"r:1"}}"#;
        talkative.say(&event(&log("aside")));
        talkative.say(&event(updated));
        assert_eq!(client.wait_for(2).await, [log("aside"), updated.to_owned()]);
        talkative.gate.add_permits(1);
    };
    let call = Call { paired_with: Some(pairing("d", &client)), ..call_of(&caller) };
    let (called, ()) = tokio::join!(upstreams.call(&server, call), scenario);
    outcome(called).unwrap();
    assert!(caller.received().is_empty());
    // After the call too.
    talkative.say(&event(&request("5", "roots/list")));
    let asked = client.wait_for(3).await;
    client.take_reply().send(&response(&answer_to(&asked[2])));
    talkative.fake.wait_until(|fake| fake.seen().iter().any(|seen| seen.body == answer("5", "[]"))).await;

    // The stream ends with the session.
    upstreams.end_paired("d");
    talkative.fake.wait_until_deleted("s1").await;
    let stream = talkative.streams.lock().unwrap()[0].clone();
    stream.closed().await;
}

fn answer_to(asked: &str) -> String {
    answer(id_of(asked), "[]")
}

#[tokio::test]
async fn a_stream_that_ends_is_taken_up_where_it_ended() {
    let talkative = Talkative::start().await;
    let (upstreams, server) = (upstreams(), talkative.fake.server(SessionMode::Stateless));
    let client = Recorder::new();
    talkative.gate.add_permits(1);
    let call = Call { paired_with: Some(pairing("d", &client)), ..call() };
    outcome(upstreams.call(&server, call).await).unwrap();
    talkative.wait_for_stream().await;
    talkative.say(&format!("id: e 1\nretry: 1\n{}", event(&log("first"))));
    talkative.streams.lock().unwrap().clear();
    talkative.fake.wait_until(|fake| gets(fake).len() == 2).await;
    talkative.fake.wait_until(|_| !talkative.streams.lock().unwrap().is_empty()).await;
    talkative.say(&event(&log("second")));
    assert_eq!(client.wait_for(2).await, [log("first"), log("second")]);
    let positions: Vec<_> =
        gets(&talkative.fake).iter().map(|seen| seen.header("last-event-id").map(str::to_owned)).collect();
    assert_eq!(positions, [None, Some("e 1".to_owned())]);
}

/// A server with sessions that answers GET by `answer`.
async fn answering(answer: fn() -> Response) -> FakeServer {
    let sessions = SessionServer::default();
    FakeServer::start(move |seen| {
        let response = if seen.verb == Method::GET { answer() } else { sessions.answer(&seen) };
        async move { response }
    })
    .await
}

async fn call_and_wait_for_get(upstreams: &Upstreams, server: &Arc<Server>, fake: &FakeServer) {
    outcome(upstreams.call(server, call()).await).unwrap();
    fake.wait_until(|fake| !gets(fake).is_empty()).await;
}

#[tokio::test]
async fn a_server_without_such_a_stream_is_not_asked_at_every_session() {
    let answers: [fn() -> Response; 4] =
        [|| status(405, ""), || status(404, ""), || status(401, ""), || crate::fixture::json("{}")];
    for answer in answers {
        let fake = answering(answer).await;
        let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
        call_and_wait_for_get(&upstreams, &server, &fake).await;
        for n in 0..20 {
            outcome(upstreams.call(&server, call_as(&format!("Bearer {n}"))).await).unwrap();
        }
        upstreams.shutdown().await;
        // The first of them may come before the refusal has.
        assert!(gets(&fake).len() < 10, "{}", gets(&fake).len());
    }
}

#[tokio::test]
async fn only_who_may_be_turned_to_listens() {
    let cases: [(bool, &'static str, bool); 4] =
        [(true, "{}", false), (true, "{ }", false), (true, r#"{"roots":{}}"#, true), (false, r#"{"roots":{}}"#, false)];
    for (issues_ids, capabilities, listens) in cases {
        let sessions = SessionServer::default();
        let gate = Arc::new(Semaphore::new(0));
        let held = Arc::clone(&gate);
        let fake = FakeServer::start(move |seen: Seen| {
            let (sessions, held) = (sessions.clone(), Arc::clone(&held));
            async move {
                if seen.method() == "tools/call" {
                    held.acquire().await.unwrap().forget();
                }
                match issues_ids {
                    true => sessions.answer(&seen),
                    false => plain(&seen).unwrap_or_else(|| result(&seen, "1")),
                }
            }
        })
        .await;
        let client = ClientDeclaration {
            protocol_version: ProtocolVersion::LATEST,
            capabilities: Bytes::from_static(capabilities.as_bytes()),
        };
        let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
        let release = async {
            fake.wait_until(|fake| fake.requests("tools/call").len() == 1 && (!listens || !gets(fake).is_empty()))
                .await;
            gate.add_permits(1);
        };
        let (answer, ()) = tokio::join!(upstreams.call(&server, Call { client, ..call() }), release);
        outcome(answer).unwrap();
        upstreams.shutdown().await;
        assert_eq!(!gets(&fake).is_empty(), listens, "{capabilities}");
    }
}

#[tokio::test]
async fn a_server_without_a_stream_is_found_out_once_and_nothing_is_listened_to() {
    let sessions = SessionServer::default();
    let fake = FakeServer::start(move |seen: Seen| {
        let response = sessions.answer(&seen);
        async move { response }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    for _ in 0..2 {
        let session = upstreams.listen(&server, &http::HeaderMap::new()).await.unwrap();
        session.ended().await;
        assert!(!session.has_begun());
    }
    outcome(upstreams.call(&server, call()).await).unwrap();
    upstreams.shutdown().await;
    assert_eq!(gets(&fake).len(), 1);

    let talkative = Talkative::start().await;
    let upstreams = crate::fixture::upstreams();
    let session =
        upstreams.listen(&talkative.fake.server(SessionMode::Stateful), &http::HeaderMap::new()).await.unwrap();
    session.begun().await;
    assert!(session.has_begun());
}
