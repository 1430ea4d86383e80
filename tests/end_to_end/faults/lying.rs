//! Upstreams whose answers are none, or somebody else's.

use serde_json::json;

use crate::faults::Rig;
use crate::harness::live::send;

const FIRST: &str = r#"{"jsonrpc":"2.0","id":$id,"result":{"content":[],"which":"first"}}"#;

#[tokio::test]
async fn garbage_in_the_place_of_an_answer_fails_that_call() {
    for (kind, rig) in Rig::of_every_kind().await {
        for garbage in [
            r#"{"jsonrpc":"1.0","id":$id,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":$id}"#,
            r#"{"jsonrpc":"2.0","id":$id,"result":{},"error":{"code":1,"message":"both"}}"#,
        ] {
            let message = rig.fail(&json!([send(garbage)])).await;
            assert!(message.contains("not valid"), "{kind}, {garbage}: {message}");
            rig.very_next_call_works().await;
        }
    }
}

#[tokio::test]
async fn a_stream_of_garbage_that_ends_fails_that_call() {
    let rig = Rig::with(crate::harness::raw_server::RawServer::http(&[]), "stateless").await;
    for garbage in ["data: {oops\n\n", "no event at all", "\0\n\n", "data: []\n\n"] {
        rig.fail(&json!([{ "bytes": garbage }, "end"])).await;
        rig.very_next_call_works().await;
    }
}

#[tokio::test]
async fn a_second_answer_is_nobodys() {
    for (kind, rig) in Rig::of_every_kind().await {
        for _ in 0..3 {
            let (_, response) = rig.perform(&json!([send(FIRST), send(FIRST)])).await;
            assert!(response.contains(r#""which":"first""#), "{kind}: {response}");
            rig.very_next_call_works().await;
        }
    }
}

#[tokio::test]
async fn an_answer_to_something_else_is_passed_over_and_does_not_reach_another_call() {
    let strays = ["4294967295", "0", "-1", r#""$id""#, "$id.0", "null", "1e400"];
    for (kind, rig) in Rig::of_every_kind().await {
        for stray in strays {
            let stray = FIRST.replace("$id", stray).replace("first", "stray");
            let (before, response) = rig.perform(&json!([send(&stray), send(FIRST)])).await;
            assert_eq!(before, Vec::<String>::new());
            assert!(response.contains(r#""which":"first""#), "{kind}, {stray}: {response}");
        }
        rig.very_next_call_works().await;
    }
}
