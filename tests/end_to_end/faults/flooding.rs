//! Upstreams that say more than anybody wants to hear.

use serde_json::json;

use crate::faults::Rig;

/// More than anything on the way keeps.
const TIMES: usize = 50_000;

#[tokio::test]
async fn a_flood_of_notifications_for_nobody_delays_no_other_server_and_the_answer_comes() {
    let stray = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"$n","progress":$n}}"#;
    for (kind, rig) in Rig::of_every_kind().await {
        let steps = json!([{ "repeat": { "times": TIMES, "text": stray } }]);
        let (before, response) = rig.perform(&steps).await;
        assert_eq!(before, Vec::<String>::new(), "{kind}");
        assert!(response.contains("result"), "{kind}: {response}");
        rig.very_next_call_works().await;
    }
}

#[tokio::test]
async fn a_flood_of_list_changes_ends_in_the_answer_and_in_a_bounded_number_of_readings() {
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    for (kind, rig) in Rig::of_every_kind().await {
        let (_, response) = rig.perform(&json!([{ "repeat": { "times": 5_000, "text": changed } }])).await;
        assert!(response.contains("result"), "{kind}: {response}");
        rig.very_next_call_works().await;
        let readings = rig.faulty.requests("tools/list").len();
        assert!(readings < 200, "{kind}: {readings} pages were read");
    }
}

#[tokio::test]
async fn a_flood_of_garbage_is_passed_over() {
    for session_mode in ["stateful", "stateless"] {
        let rig = Rig::with(crate::harness::raw_server::RawServer::stdio(), session_mode).await;
        let steps = json!([{ "repeat_bytes": { "times": TIMES, "text": "[$n] listening … {\"id\":\n" } }]);
        let (_, response) = rig.perform(&steps).await;
        assert!(response.contains("result"), "{session_mode}: {response}");
        rig.very_next_call_works().await;
    }
}

#[tokio::test]
async fn a_flood_of_comments_and_unknown_fields_is_passed_over() {
    let rig = Rig::with(crate::harness::raw_server::RawServer::http(&[]), "stateless").await;
    let steps = json!([{ "repeat_bytes": { "times": TIMES, "text": ": $n\nx-unknown: y\nevent: other\n\n" } }]);
    let (_, response) = rig.perform(&steps).await;
    assert!(response.contains("result"), "{response}");
    rig.very_next_call_works().await;
}

#[tokio::test]
async fn a_line_that_does_not_end_fails_its_call_at_a_bound() {
    for (kind, rig) in Rig::of_every_kind().await {
        let begin = if kind == "http" { "data: " } else { "" };
        let piece = "x".repeat(64 << 10);
        let steps = json!([
            { "bytes": format!(r#"{begin}{{"jsonrpc":"2.0","id":$id,"result":""#) },
            { "repeat_bytes": { "times": 1_100, "text": piece } },
        ]);
        let message = rig.fail(&steps).await;
        assert!(message.contains("more than 67108864 bytes"), "{kind}: {message}");
        rig.next_call_works().await;
    }
}
