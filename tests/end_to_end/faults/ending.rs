//! Children that do not want to end, and gateways that end without a word.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faults::Rig;
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;
use crate::harness::{processes_with, until};

/// The server below a shell that heeds neither TERM nor the end of its input, beside a
/// grandchild of the same kind. The record's path stands in the command line of each.
fn stubborn(server: &RawServer) -> Value {
    let mut registration = server.registration("faulty");
    let script = r#"trap '' TERM HUP INT
        sh -c 'trap "" TERM HUP INT; while :; do sleep 1000; done' "$0" < /dev/null > /dev/null 2>&1 &
        "$@"
        while :; do sleep 1000; done"#;
    let mut arguments = vec![json!("-c"), json!(script), json!(server.mark()), registration["command"].take()];
    arguments.extend(registration["args"].as_array().expect("there are arguments").clone());
    registration["command"] = json!("sh");
    registration["args"] = json!(arguments);
    registration["session_mode"] = json!("stateful");
    registration
}

async fn running() -> Rig {
    let server = RawServer::stdio();
    let registration = stubborn(&server);
    let rig = Rig::registered(Gateway::start(), server, &registration).await;
    rig.very_next_call_works().await;
    // The supervisor, the shell, the server and the grandchild.
    until("all of them to run", || processes_with(&rig.faulty.mark()).len() >= 4).await;
    rig
}

async fn none_is_left(rig: &Rig) {
    until("the end of every child and grandchild", || processes_with(&rig.faulty.mark()).is_empty()).await;
}

#[tokio::test]
async fn a_child_that_ignores_term_ends_with_its_registration_and_holds_up_nobody() {
    let rig = running().await;
    let deregister = tokio::task::spawn_blocking({
        let url = rig.gateway.url("");
        let home = rig.gateway.home().to_owned();
        move || {
            let mut command = crate::harness::gateway::bare_command(&home);
            command.args(["--registry", &url, "deregister", "faulty"]);
            crate::harness::gateway::finish(command)
        }
    });
    while !deregister.is_finished() {
        rig.sound_one_answers().await;
    }
    let finished = deregister.await.expect("the command runs");
    assert_eq!(finished.code, Some(0), "{finished:?}");
    none_is_left(&rig).await;
    rig.gateway.register(&rig.faulty.registration("faulty"));
    rig.very_next_call_works().await;
}

#[tokio::test]
async fn a_child_that_ignores_term_does_not_keep_the_gateway_from_ending() {
    let mut rig = running().await;
    rig.gateway.signal(Signal::TERM);
    assert_eq!(rig.gateway.ended().await.code(), Some(0), "{}", rig.gateway.log());
    none_is_left(&rig).await;
}

#[tokio::test]
async fn a_gateway_that_is_killed_in_a_call_leaves_neither_child_nor_grandchild() {
    let mut rig = running().await;
    let steps = json!([{ "await": rig.faulty.path("never") }]);
    let call = tokio::spawn(rig.performing(&steps).send());
    until("the call to reach the server", || rig.faulty.requests("tools/call").len() == 2).await;
    rig.gateway.signal(Signal::KILL);
    rig.gateway.ended().await;
    none_is_left(&rig).await;
    let broken = crate::harness::live::within("the end of the call", call).await.expect("it is not broken off");
    if let Ok(response) = broken {
        let rest = crate::harness::live::within("the end of the stream", response.bytes()).await;
        assert!(rest.is_err(), "a stream that is not whole does not end properly: {rest:?}");
    }
}
