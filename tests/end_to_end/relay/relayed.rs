//! What a server says and asks during a call: untouched, in order, before the response.

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::json::{mask, member};
use crate::harness::live::{Live, method_of, param, send};
use crate::relay::{CAPABILITIES, Rig, direct, http, stdio};

const TOKEN: &str = r#""t\u006fken \/ ä""#;

const LOG: &str = r#"{"params":{"data":{"big":12345678901234567890123,"tenth":0.10,"huge":1E400,"zero":-0,"text":"\u00e4\/"},"level":"info","logger":null,"x-unknown":[1.50e+3]},"method":"notifications/message","jsonrpc":"2.0"}"#;
const PROGRESS: &str = r#"{"jsonrpc":"2.0","x-top":{"":1.0},"method":"notifications/progress","params":{"x-eta":1.50e+3,"total":10.0,"progressToken":$token,"progress":0.10,"message":"\u00e4"}}"#;
const UNHEARD_OF: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/vendor/\u0061","params":{"kept":[1.0,null],"$schema":"x"}}"#;
const SAMPLING: &str = r#"{"params":{"messages":[{"role":"user","content":{"type":"hologram","depth":3.0}}],"maxTokens":1.0e2,"x-unknown":{"a":null}},"method":"sampling/createMessage","id":"s\u0031","jsonrpc":"2.0"}"#;
const FORM: &str = r#"{"jsonrpc":"2.0","id":17,"method":"elicitation/create","params":{"requestedSchema":{"type":"object","properties":{"a":{"type":"string","x-unknown":[1.0,1E400],"enumNames":["\u0061"],"oneOf":[{"const":"a","title":"A"}]}},"$defs":{"b":{"$anchor":"c"}}},"message":"l\u00e4uft","x":12345678901234567890123}}"#;
const URL: &str = r#"{"jsonrpc":"2.0","id":-3,"method":"elicitation/create","params":{"mode":"url","elicitationId":"e\u0031","url":"https:\/\/example.com\/a?b=c","message":"go there"}}"#;
const COMPLETE: &str =
    r#"{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":{"elicitationId":"e\u0031","x":1.0}}"#;
const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;

const ANSWERS: [(&str, &str); 4] = [
    (
        "sampling/createMessage",
        r#"{"content":{"type":"hologram","x":1.50e+3},"model":"m","role":"narrator","x":[0.10]}"#,
    ),
    ("elicitation/create", r#"{"action":"accept","content":{"a":"\u00e4","n":12345678901234567890123,"z":-0}}"#),
    ("roots/list", r#"{"roots":[{"uri":"file:\/\/\/a","x":1.0}],"_meta":{"y":null}}"#),
    ("unused", "{}"),
];

fn everything() -> Value {
    json!([
        send(LOG), send(PROGRESS), send(UNHEARD_OF),
        { "ask": SAMPLING }, send(PROGRESS), { "ask": FORM }, { "ask": URL }, send(COMPLETE), { "ask": ROOTS },
        send(LOG),
    ])
}

/// Runs a call, answers what is asked, and returns all that was heard, with what is
/// told apart per connection masked: the ids of what was asked.
async fn hear_everything(client: &Client, prefix: &str) -> Vec<String> {
    let mut live = Live::open(client.performing(prefix, r#""id\u0021""#, Some(TOKEN), &everything())).await;
    let mut heard = Vec::new();
    while let Some(message) = live.next().await {
        let method = method_of(&message);
        match member(&message, "id").filter(|_| method.is_some()) {
            Some(id) => {
                let answer = ANSWERS.iter().find(|(asked, _)| method.as_deref() == Some(asked));
                client.answer(&message, answer.expect("that was asked for").1).await;
                heard.push(mask(&message, &[id]));
            }
            None => heard.push(message),
        }
    }
    heard
}

#[tokio::test]
async fn what_a_server_says_and_asks_is_untouched_and_in_order_and_so_are_the_answers() {
    let (_server, client) = direct().await;
    let expected = hear_everything(&client, "").await;
    assert_eq!(expected.len(), 11, "{expected:#?}");
    for (kind, rig) in Rig::of_every_kind() {
        for (client, prefix) in rig.clients().await {
            assert_eq!(hear_everything(&client, prefix).await, expected, "{kind}, {prefix:?}");
        }
    }
}

#[tokio::test]
async fn a_server_hears_what_this_client_declared_letter_by_letter() {
    for (kind, rig) in Rig::of_every_kind() {
        for (client, prefix) in rig.clients().await {
            let before = rig.upstream.requests("tools/call").len();
            client.call(&format!("{prefix}numbers"), "{}").await;
            assert_eq!(rig.upstream.requests("tools/call").len(), before + 1, "{kind}");
            let declared = rig.upstream.requests("initialize").into_iter().any(|entry| {
                let params = member(&entry.body, "params").expect("initialize has params");
                member(params, "capabilities") == Some(CAPABILITIES)
            });
            assert!(declared, "{kind}, {prefix:?}");
        }
    }
}

const STEPS: usize = 200;

async fn a_burst_arrives_whole(client: &Client, prefix: &str, number: usize) {
    let (id, token) = (format!(r#""call {number}""#), format!(r#""t\u006f {number}""#));
    let progress =
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":$token,"progress":$n}}"#;
    let steps = json!([{ "repeat": { "times": STEPS, "text": progress } }]);
    let mut live = Live::open(client.performing(prefix, &id, Some(&token), &steps)).await;
    let (before, response) = live.rest().await;
    assert_eq!(before.len(), STEPS);
    for (step, message) in before.iter().enumerate() {
        assert_eq!(method_of(message).as_deref(), Some("notifications/progress"), "{message}");
        assert_eq!(param(message, "progress"), step.to_string());
        assert_eq!(param(message, "progressToken"), token);
    }
    assert_eq!(member(&response, "id"), Some(&*id));
    assert_eq!(live.next().await, None, "nothing follows the response");
}

async fn bursts_arrive_whole(client: &Client, prefix: &str) {
    let calls = (0..10).map(|number| a_burst_arrives_whole(client, prefix, number));
    futures_util::future::join_all(calls).await;
}

#[tokio::test]
async fn bursts_of_progress_in_parallel_calls_arrive_in_order_and_before_their_responses() {
    let (_server, client) = direct().await;
    bursts_arrive_whole(&client, "").await;
    for rig in [Rig::stateless(http(&[])), Rig::stateful(http(&["--session-ids"])), Rig::stateful(stdio())] {
        for (client, prefix) in rig.clients().await {
            bursts_arrive_whole(&client, prefix).await;
        }
    }
}

#[tokio::test]
async fn a_server_is_given_no_token_where_the_client_gave_none() {
    for (kind, rig) in Rig::of_every_kind() {
        for (client, prefix) in rig.clients().await {
            let guessed = PROGRESS.replace("$token", "1");
            let steps = json!([send(PROGRESS), send(&guessed)]);
            let mut live = Live::open(client.performing(prefix, "7", None, &steps)).await;
            let (before, response) = live.rest().await;
            assert_eq!(before, Vec::<String>::new(), "{kind}: progress that nobody asked for");
            assert!(response.contains(r#""wants_progress":false"#), "{response}");
        }
        for entry in rig.upstream.requests("tools/call") {
            assert!(!entry.body.contains("progressToken\":"), "{kind}: {}", entry.body);
        }
    }
}
