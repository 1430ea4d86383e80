//! Cancelling is said, and never guessed from a connection that closed.

use serde_json::json;

use crate::harness::json::member;
use crate::harness::live::{Live, let_go, send, wait_for};
use crate::harness::until;
use crate::relay::Rig;

const SAID: &str = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"begun"}}"#;

#[tokio::test]
async fn a_cancellation_reaches_the_server_under_its_own_id_for_the_call() {
    for (kind, rig) in Rig::of_every_kind() {
        for (number, (client, prefix)) in rig.clients().await.into_iter().enumerate() {
            let go = rig.upstream.path(&format!("go {number}"));
            let steps = json!([send(SAID), wait_for(&go)]);
            let mut live = Live::open(client.performing(prefix, r#""own\u0021""#, None, &steps)).await;
            live.until("notifications/message").await;

            // Somebody else's call, then one that does not exist: both change nothing.
            let other = rig.client("/mcp").await;
            let cancelled = |id: &str| {
                format!(
                    r#"{{"params":{{"x":1.50e+3,"requestId":{id},"reason":"\u0061"}},"method":"notifications/cancelled","jsonrpc":"2.0"}}"#
                )
            };
            other.tell(cancelled(r#""own!""#)).await;
            client.tell(cancelled("99")).await;
            client.tell(cancelled(r#""own!""#)).await;
            until("the cancellation to reach the server", || {
                rig.upstream.requests("notifications/cancelled").len() == number + 1
            })
            .await;
            let told = rig.upstream.requests("notifications/cancelled").pop().expect("it was told");
            let called = rig.upstream.requests("tools/call").pop().expect("it was called");
            let id = member(&called.body, "id").expect("a call has an id");
            assert_eq!(told.body, cancelled(id), "{kind}, {prefix:?}");
            let_go(&go);
            while live.next().await.is_some() {}
        }
    }
}

#[tokio::test]
async fn a_closed_connection_cancels_nothing() {
    for (kind, rig) in Rig::of_every_kind() {
        for (number, (client, prefix)) in rig.clients().await.into_iter().enumerate() {
            let path = |what: &str| rig.upstream.path(&format!("{what} {number}"));
            let (go, done) = (path("go"), path("done"));
            let steps = json!([send(SAID), wait_for(&go), send(SAID), { "write": done }]);
            let mut live = Live::open(client.performing(prefix, "7", None, &steps)).await;
            live.until("notifications/message").await;
            let event = live.last_event_id.clone().expect("events have ids");
            drop(live);
            // The stream can be taken up only where its reader is known to have gone.
            let mut taken_up = Live::open(client.listening(Some(&event))).await;
            let_go(&go);
            until("the call to end by itself", || done.exists()).await;
            let (before, response) = taken_up.rest().await;
            assert_eq!(before.len(), 1, "{before:?}");
            assert!(response.contains("result"), "{response}");
            assert!(rig.upstream.requests("notifications/cancelled").is_empty(), "{kind}, {prefix:?}");
        }
    }
}
