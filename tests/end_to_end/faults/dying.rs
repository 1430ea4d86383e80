//! Upstreams that die while they are asked.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::faults::{Rig, blamed};
use crate::harness::live::{Live, wait_for};
use crate::harness::raw_server::RawServer;
use crate::harness::{processes_with, until};

fn kill_all_of(upstream: &RawServer) {
    for pid in processes_with(&upstream.mark()) {
        let path = format!("/proc/{pid}/cmdline");
        let is_supervisor = std::fs::read_to_string(path).is_ok_and(|line| line.contains("supervise"));
        if !is_supervisor {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process has an id");
            // One that has just ended needs no end.
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

#[tokio::test]
async fn a_process_that_is_killed_in_a_call_fails_that_call_and_no_other() {
    for session_mode in ["stateful", "stateless"] {
        let rig = Rig::with(RawServer::stdio(), session_mode).await;
        let steps = json!([wait_for(&rig.faulty.path("never"))]);
        let call = tokio::spawn({
            let request = rig.performing(&steps);
            async move { Live::open(request).await.rest().await }
        });
        until("the call to reach the server", || !rig.faulty.requests("tools/call").is_empty()).await;
        rig.sound_one_answers().await;
        kill_all_of(&rig.faulty);
        let (_, response) = call.await.expect("the call ends");
        let message = blamed(&response);
        assert!(message.contains("process ended") && message.contains("signal"), "{session_mode}: {message}");
        rig.next_call_works().await;
    }
}

#[tokio::test]
async fn a_process_that_aborts_in_the_middle_of_its_answer_fails_that_call() {
    for session_mode in ["stateful", "stateless"] {
        let rig = Rig::with(RawServer::stdio(), session_mode).await;
        let message = rig.fail(&json!([{ "bytes": r#"{"jsonrpc":"2.0","id":$id,"res"# }, "break"])).await;
        assert!(message.contains("process ended"), "{session_mode}: {message}");
        rig.next_call_works().await;
    }
}

#[tokio::test]
async fn a_connection_that_breaks_in_the_middle_of_an_answer_fails_that_call() {
    for (options, session_mode) in [(&[] as &[&str], "stateless"), (&["--session-ids"], "stateful")] {
        let rig = Rig::with(RawServer::http(options), session_mode).await;
        let message = rig.fail(&json!([{ "bytes": r#"data: {"jsonrpc":"2.0","id":$id,"res"# }, "break"])).await;
        assert!(message.contains("connection was closed"), "{message}");
        rig.very_next_call_works().await;
    }
}

#[tokio::test]
async fn an_http_server_that_is_killed_in_a_call_fails_it_and_serves_again_once_it_is_back() {
    for options in [&[] as &[&str], &["--session-ids"]] {
        let mut rig = Rig::with(RawServer::http(options), "stateless").await;
        let steps = json!([wait_for(&rig.faulty.path("never"))]);
        let call = tokio::spawn({
            let request = rig.performing(&steps);
            async move { Live::open(request).await.rest().await }
        });
        until("the call to reach the server", || !rig.faulty.requests("tools/call").is_empty()).await;
        rig.faulty.kill();
        let (_, response) = call.await.expect("the call ends");
        blamed(&response);
        // Down, it fails each call at once and clearly.
        let answer = rig.client.call("faulty__numbers", "{}").await;
        let message = blamed(&answer);
        assert!(message.contains("refused") || message.contains("down"), "{message}");
        rig.sound_one_answers().await;
        rig.faulty.revive();
        rig.next_call_works().await;
    }
}
