//! Upstreams that take long, or for ever.

use serde_json::json;

use crate::faults::{Rig, blamed};
use crate::harness::gateway::Gateway;
use crate::harness::live::{Live, let_go, wait_for, within};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

#[tokio::test]
async fn a_call_that_hangs_holds_up_no_other_and_ends_when_it_is_cancelled() {
    for (kind, rig) in Rig::of_every_kind().await {
        let steps = json!([wait_for(&rig.faulty.path("never"))]);
        let mut hung = Live::open(rig.performing(&steps)).await;
        rig.sound_one_answers().await;
        rig.very_next_call_works().await;
        rig.client
            .tell(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"its own"}}"#)
            .await;
        assert_eq!(hung.next().await, None, "{kind}: who cancels gets no answer");
        until("the server to be told", || rig.faulty.requests("notifications/cancelled").len() == 1).await;
        rig.very_next_call_works().await;
    }
}

#[tokio::test]
async fn a_call_that_hangs_is_told_why_when_its_server_is_deregistered() {
    for (kind, rig) in Rig::of_every_kind().await {
        let steps = json!([wait_for(&rig.faulty.path("never"))]);
        let mut hung = Live::open(rig.performing(&steps)).await;
        rig.gateway.succeed(&["deregister", "faulty"]);
        let (_, response) = hung.rest().await;
        let message = blamed(&response);
        assert!(message.contains("deregistered"), "{kind}: {message}");
        rig.sound_one_answers().await;
    }
}

#[tokio::test]
async fn a_process_that_no_longer_initializes_fails_within_the_time_for_it_and_works_once_it_does() {
    let faulty = RawServer::stdio();
    let hang = faulty.path("hang");
    let mut registration = faulty.registration("faulty");
    let mut arguments = vec![
        json!("-c"),
        json!(r#"if [ -e "$0" ]; then exec cat > /dev/null; else exec "$@"; fi"#),
        json!(hang),
        registration["command"].take(),
    ];
    arguments.extend(registration["args"].as_array().expect("there are arguments").clone());
    registration["command"] = json!("sh");
    registration["args"] = json!(arguments);
    let gateway = Gateway::start_with_environment(&[("MCP_SERVER_INIT_REQ_TIMEOUT_SEC", "1")]);
    let rig = Rig::registered(gateway, faulty, &registration).await;
    rig.very_next_call_works().await;

    let_go(&hang);
    // Sessions that were opened in time may be used up first.
    let failed = async {
        loop {
            let answer = rig.client.call("faulty__numbers", "{}").await;
            rig.sound_one_answers().await;
            if !answer.contains("1.50e+3") {
                return blamed(&answer);
            }
        }
    };
    let message = within("a call that fails", failed).await;
    assert!(message.contains("timed out after 1 seconds"), "{message}");
    std::fs::remove_file(&hang).expect("it was made");
    rig.next_call_works().await;
}

#[tokio::test]
async fn an_answer_that_comes_byte_by_byte_arrives_and_holds_up_no_other() {
    for (kind, rig) in Rig::of_every_kind().await {
        let (before, after) = if kind == "http" { ("data: ", "\n\n") } else { ("", "\n") };
        let answer = r#"{"jsonrpc":"2.0","id":$id,"result":{"content":[],"slow":1.50e+3}}"#;
        let steps = json!([{ "drip": { "pause_ms": 10, "text": format!("{before}{answer}{after}") } }]);
        let (_, response) = rig.perform(&steps).await;
        assert!(response.contains(r#""slow":1.50e+3"#), "{kind}: {response}");
        rig.very_next_call_works().await;
    }
}
