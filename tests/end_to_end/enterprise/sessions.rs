//! Another client's session is no session, whatever is tried with its id; and what goes on
//! in it is nobody else's.

use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::enterprise::world::World;
use crate::harness::client::{Client, Reply, request, send};
use crate::harness::json::{member, text};
use crate::harness::live::{Live, let_go, param, wait_for};
use crate::harness::until;

/// At each endpoint where both may do something: the path, and what stands before names.
const PATHS: [(&str, &str); 3] = [("/mcp", "one__"), ("/v0/groups/few/mcp", "one__"), ("/v0/servers/one/mcp", "")];

/// Who owns the session, and who tries; both may call everything of the server `one`.
const OWNER: &str = "all";
const THIEF: &str = "one server";

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;

/// A request of the thief's that says the session of this id.
fn with_id(world: &World, path: &str, id: &str) -> Client {
    world.person(THIEF, path).with_session(id)
}

fn shown(reply: &Reply) -> String {
    format!("{} {:?} {}", reply.status, reply.header("content-type"), reply.body)
}

/// Everything that can be done with a session's id over Streamable HTTP, and how.
fn attempts(client: &Client, prefix: &str, event: &str) -> Vec<RequestBuilder> {
    let call = format!(r#"{{"name":"{prefix}echo","arguments":{{}},"_meta":{{"mark":"stolen"}}}}"#);
    let id = client.session().expect("it says one").to_owned();
    vec![
        client.polite(request("ping", "{}")),
        client.polite(request("tools/list", "{}")),
        client.polite(request("tools/call", &call)),
        client.polite(request("tasks/list", "{}")),
        client.polite(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#),
        client.polite(r#"{"jsonrpc":"2.0","method":"notifications/made/up","params":{"_meta":{"mark":"stolen"}}}"#),
        client.polite(r#"{"jsonrpc":"2.0","id":1,"result":{"roots":["stolen"]}}"#),
        client.listening(None),
        client.listening(Some(event)),
        client.bare(Method::DELETE).header("mcp-session-id", id),
    ]
}

#[tokio::test]
async fn the_id_of_anothers_session_is_as_unknown_as_one_that_is_made_up() {
    let world = World::start().await;
    for (path, prefix) in PATHS {
        let owner = world.person(OWNER, path).introduced("{}").await;
        let id = owner.session().expect("there is a session").to_owned();
        let mut call = Live::open(owner.performing(prefix, "1", None, &json!([{ "send": progress() }]))).await;
        call.rest().await;
        let event = call.last_event_id.expect("events have ids");

        let made_up: String = id.chars().rev().collect();
        let (stolen, unknown) = (with_id(&world, path, &id), with_id(&world, path, &made_up));
        for (stolen, unknown) in attempts(&stolen, prefix, &event).into_iter().zip(attempts(&unknown, prefix, &event)) {
            let what = format!("{stolen:?}");
            let (stolen, unknown) = (send(stolen).await, send(unknown).await);
            assert_eq!(stolen.status, 404, "{what}: {stolen:?}");
            assert_eq!(shown(&stolen), shown(&unknown), "{what}");
        }
        // Nor is it known where it was not opened, even to who opened it.
        for (other, _) in PATHS.iter().filter(|(other, _)| *other != path) {
            let elsewhere = world.person(OWNER, other).with_session(&id);
            assert_eq!(elsewhere.post(request("ping", "{}")).await.status, 404, "{other}");
        }
        assert!(!world.marks().contains(&"stolen".to_owned()), "no server was asked");
        assert_eq!(owner.post(request("ping", "{}")).await.status, 200, "the session is as it was");
        let resumed = send(owner.listening(Some(&event))).await;
        assert_ne!(resumed.status, 404, "its own client finds the stream: {resumed:?}");
    }
}

fn progress() -> &'static str {
    r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"for the owner"}}"#
}

#[tokio::test]
async fn messages_to_anothers_stream_are_turned_away_as_those_to_none_are() {
    let world = World::start().await;
    for (path, prefix) in PATHS {
        let owner = world.person(OWNER, &path.replace("/mcp", "/sse"));
        let mut stream = Live::open(owner.listening(None)).await;
        let endpoint = stream.message().await;
        let (_, id) = endpoint.split_once('=').expect("it says the session");
        let made_up = endpoint.replace(id, &id.chars().rev().collect::<String>());
        let call = format!(r#"{{"name":"{prefix}echo","arguments":{{}},"_meta":{{"mark":"stolen"}}}}"#);
        for message in [
            request("ping", "{}"),
            request("tools/call", &call),
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned(),
            "no JSON".to_owned(),
        ] {
            let stolen = world.person(THIEF, &endpoint).post(&*message).await;
            let unknown = world.person(THIEF, &made_up).post(&*message).await;
            assert_eq!(stolen.status, 404, "{message}: {stolen:?}");
            assert_eq!(shown(&stolen), shown(&unknown), "{message}");
        }
        // Nor by the transport that it does not belong to, even by its owner.
        for who in [THIEF, OWNER] {
            let other_transport = world.person(who, path).with_session(id);
            assert_eq!(other_transport.post(request("ping", "{}")).await.status, 404, "{who}");
        }
        let messages = world.person(OWNER, &endpoint);
        assert_eq!(messages.post(request("ping", "{}")).await.status, 202);
        let heard = stream.message().await;
        assert_eq!(heard, r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "the first that its owner hears is its own");
        assert!(!world.marks().contains(&"stolen".to_owned()), "no server was asked");
    }
}

#[tokio::test]
async fn nobody_answers_or_cancels_what_is_under_way_for_another() {
    let world = World::start().await;
    for (path, prefix) in PATHS {
        let owner = world.person(OWNER, path).introduced(r#"{"roots":{}}"#).await;
        let thief = world.person(THIEF, path).introduced(r#"{"roots":{}}"#).await;
        let go = world.upstream.path(&format!("go {}", path.replace('/', " ")));
        let steps = json!([{ "ask": ROOTS }, wait_for(&go)]);
        let mut call = Live::open(owner.performing(prefix, "1", Some("1"), &steps)).await;
        let mut own_call = Live::open(thief.performing(prefix, "1", Some("1"), &steps)).await;
        let asked = call.until("roots/list").await;
        let thief_asked = own_call.until("roots/list").await;
        assert_ne!(member(&asked, "id"), member(&thief_asked, "id"), "no two questions are taken for one another");

        let before = world.upstream.asked_so_far().await;
        thief.answer(&asked, r#"{"roots":["forged"]}"#).await;
        let forged = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{},"progress":1}}}}"#,
            member(&asked, "id").expect("a request has an id")
        );
        thief.tell(forged).await;
        owner.answer(&asked, r#"{"roots":["genuine"]}"#).await;
        thief.answer(&thief_asked, r#"{"roots":["of the thief"]}"#).await;
        // Both calls have the id 1, and this is the thief's own.
        thief
            .tell(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"mine"}}"#)
            .await;
        let is_cancelled = || world.upstream.record().iter().skip(before).any(|entry| entry.body.contains("mine"));
        until("the cancellation to arrive", is_cancelled).await;
        let_go(&go);
        let (_, response) = call.rest().await;
        assert!(response.contains("genuine") && !response.contains("forged"), "{path}: {response}");
        // The server had an answer all the same, which is the thief's.
        let (_, response) = own_call.rest().await;
        assert!(response.contains("of the thief"), "{path}: {response}");

        let record = world.upstream.record();
        let session_of = |text: &str| {
            let entries: Vec<_> = record.iter().skip(before).filter(|entry| entry.body.contains(text)).collect();
            assert_eq!(entries.len(), 1, "{path}: {text} reaches the server once");
            entries[0].session.clone()
        };
        assert_eq!(session_of("mine"), session_of("of the thief"), "{path}: what is cancelled is the thief's own");
        assert_ne!(session_of("mine"), session_of("genuine"), "{path}");
        assert!(record.iter().all(|entry| !entry.body.contains("forged")), "{path}: the server never heard of it");
    }
}

#[tokio::test]
async fn another_clients_task_is_no_task() {
    let world = World::start().await;
    for (path, prefix) in PATHS {
        let owner = world.person(OWNER, path).introduced("{}").await;
        let thief = world.person(THIEF, path).introduced("{}").await;
        let params = format!(r#"{{"name":"{prefix}work","arguments":{{}},"task":{{}}}}"#);
        let begun = owner.ask("tools/call", &params).await;
        let task = member(&begun, "result").and_then(|result| member(result, "task"));
        let task = task.and_then(|task| text(member(task, "taskId")?)).unwrap_or_else(|| panic!("no task: {begun}"));
        let asked_before = world.upstream.requests("tasks/cancel").len();
        for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
            let about = async |task: &str| thief.ask(method, &format!(r#"{{"taskId":"{task}"}}"#)).await;
            assert_eq!(
                about(&task).await,
                about("no-such-task").await.replace("no-such-task", &task),
                "{path}, {method}"
            );
        }
        assert_eq!(world.upstream.requests("tasks/cancel").len(), asked_before, "{path}");
        assert!(!thief.ask("tasks/list", "{}").await.contains(&task), "{path}");
        let status = owner.ask("tasks/get", &format!(r#"{{"taskId":"{task}"}}"#)).await;
        assert!(status.contains("working"), "{path}: nobody has cancelled it: {status}");
    }
}

#[tokio::test]
async fn what_a_server_says_in_a_call_only_its_caller_hears() {
    let world = World::start().await;
    for (path, prefix) in PATHS {
        let [owner, thief] = [OWNER, THIEF].map(|who| world.person(who, path));
        let (owner, thief) = (owner.introduced("{}").await, thief.introduced("{}").await);
        let go = world.upstream.path(&format!("heard {}", path.replace('/', " ")));
        let said = |whose: &str| {
            let text = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":$token,"progress":$n,"message":"{whose}"}}}}"#
            );
            json!([{ "repeat": { "times": 20, "text": text } }, wait_for(&go), { "repeat": { "times": 20, "text": text } }])
        };
        let mut calls = [
            (Live::open(owner.performing(prefix, "7", Some("7"), &said("owner"))).await, r#""owner""#),
            (Live::open(thief.performing(prefix, "7", Some("7"), &said("thief"))).await, r#""thief""#),
        ];
        let_go(&go);
        for (call, whose) in &mut calls {
            let (before, _) = call.rest().await;
            assert_eq!(before.len(), 40, "{path}: {whose}");
            assert!(before.iter().all(|message| param(message, "message") == *whose), "{path}: {before:?}");
        }
    }
}
