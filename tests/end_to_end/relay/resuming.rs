//! Streams that break are taken up where they were left, and no stream shows another's messages.

use serde_json::json;

use crate::harness::client::send as post;
use crate::harness::json::member;
use crate::harness::live::{Live, let_go, param, send, wait_for};
use crate::relay::{Rig, http, stdio};

/// Progress, because that says itself which call it is of, even where all share one process.
fn said(token: &str, text: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"message":"{text}","progressToken":{token},"progress":1.0}}}}"#
    )
}

#[tokio::test]
async fn after_a_connection_was_cut_in_a_call_the_rest_and_the_result_arrive() {
    for (_, rig) in Rig::of_every_kind() {
        for (number, (client, prefix)) in rig.clients().await.into_iter().enumerate() {
            let go = rig.upstream.path(&format!("go {number}"));
            let steps = |name: &str| {
                let [first, second, third] = ["1", "2", "3"].map(|number| said("$token", &format!("{name}{number}")));
                json!([send(&first), send(&second), wait_for(&go), send(&third)])
            };
            let mut one = Live::open(client.performing(prefix, "1", Some("5"), &steps("a"))).await;
            let mut other = Live::open(client.performing(prefix, "2", Some("6"), &steps("b"))).await;
            assert_eq!(one.until("notifications/progress").await, said("5", "a1"));
            assert_eq!(other.until("notifications/progress").await, said("6", "b1"));
            let event = one.last_event_id.clone().expect("events have ids");
            drop(one);
            let mut resumed = Live::open(client.listening(Some(&event))).await;
            let_go(&go);
            let (before, response) = resumed.rest().await;
            assert_eq!(
                before,
                [said("5", "a2"), said("5", "a3")],
                "nothing twice, nothing lost, nothing of the other call"
            );
            assert_eq!(member(&response, "id"), Some("1"));
            assert_eq!(resumed.next().await, None);
            let (before, response) = other.rest().await;
            assert_eq!(before, [said("6", "b2"), said("6", "b3")]);
            assert_eq!(member(&response, "id"), Some("2"));

            // Nothing follows the last event, and another session has no such stream.
            let last = resumed.last_event_id.expect("events have ids");
            assert_eq!(post(client.listening(Some(&last))).await.status, 405);
            let stranger = rig.client("/mcp").await;
            assert_eq!(post(stranger.listening(Some(&event))).await.status, 400);
        }
    }
}

#[tokio::test]
async fn two_sessions_with_the_same_ids_and_tokens_never_hear_each_other() {
    for rig in [Rig::stateless(http(&[])), Rig::stateful(http(&["--session-ids"])), Rig::stateful(stdio())] {
        let go = rig.upstream.path("go");
        let mut calls = Vec::new();
        for (number, (client, prefix)) in rig.clients().await.into_iter().enumerate() {
            let progress = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":$token,"progress":$n,"of":{number}}}}}"#
            );
            let burst = json!({ "repeat": { "times": 50, "text": progress } });
            let live = Live::open(client.performing(prefix, "7", Some("7"), &json!([burst, wait_for(&go), burst])));
            calls.push((number, live.await, client));
        }
        let_go(&go);
        for (number, mut live, _client) in calls {
            let (before, response) = live.rest().await;
            assert_eq!(before.len(), 100);
            for message in before {
                assert_eq!(param(&message, "of"), number.to_string(), "{message}");
                assert_eq!(param(&message, "progressToken"), "7");
            }
            assert_eq!(member(&response, "id"), Some("7"));
        }
    }
}
