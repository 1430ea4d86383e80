//! How the gateway ends: with its calls answered and no child left, or at least with no child left.

use rustix::process::Signal;
use serde_json::json;

use crate::harness::client::{Client, request};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;
use crate::harness::{processes_with, until};

async fn a_signal_lets_calls_finish(signal: Signal, upstream: RawServer) {
    let mut gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let file = upstream.path("go");
    let arguments = json!({ "file": file }).to_string();
    let call = tokio::spawn(async move { client.call("raw__wait_for", &arguments).await });
    until("the call to reach the upstream", || upstream.requests("tools/call").len() == 1).await;

    gateway.signal(signal);
    std::fs::write(&file, "").expect("the file can be made");
    let answer = call.await.expect("the call in flight is answered");
    assert!(answer.contains("it is there"), "{answer}");
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    let log = gateway.log();
    let (_, ending) = log.split_once("shutting down").expect("it says that it ends");
    assert!(!ending.contains("WARN"), "a clean end is no reason to warn: {ending}");
}

#[tokio::test]
async fn sigterm_lets_a_call_in_flight_finish_and_exits_0() {
    a_signal_lets_calls_finish(Signal::TERM, RawServer::http(&[])).await;
}

#[tokio::test]
async fn sigint_lets_a_call_in_flight_finish_and_exits_0() {
    a_signal_lets_calls_finish(Signal::INT, RawServer::http(&[])).await;
}

#[tokio::test]
async fn clients_that_only_listen_do_not_hold_up_the_end() {
    let mut gateway = Gateway::start();
    let client = Client::connect(gateway.url("/mcp")).await;
    let get = client.bare(http::Method::GET).header("accept", "text/event-stream");
    let session = client.session().expect("a session");
    let listening = get.header("mcp-session-id", session).send().await.expect("it answers");
    assert_eq!(listening.status(), 200);
    let old = client.bare(http::Method::GET).header("accept", "text/event-stream");
    let old = old.build().expect("a request");
    let mut url = old.url().clone();
    url.set_path("/sse");
    let old_stream = reqwest::get(url).await.expect("it answers");
    assert_eq!(old_stream.status(), 200);

    gateway.signal(Signal::TERM);
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    assert!(!gateway.log().contains("did not finish in time"), "{}", gateway.log());
    // Both streams have ended properly.
    listening.text().await.expect("the stream ends");
    old_stream.text().await.expect("the old stream ends");
}

#[tokio::test]
async fn sigterm_leaves_no_child_behind() {
    let upstream = RawServer::stdio();
    let mark = upstream.mark();
    a_signal_lets_calls_finish(Signal::TERM, upstream).await;
    assert_eq!(processes_with(&mark), Vec::<u32>::new());
}

#[tokio::test]
async fn even_sigkill_leaves_no_child_behind() {
    let upstream = RawServer::stdio();
    let mut gateway = Gateway::start();
    let mut registration = upstream.registration("raw");
    registration["session_mode"] = json!("stateful");
    gateway.register(&registration);
    let client = Client::connect(gateway.url("/mcp")).await;
    client.call("raw__numbers", "{}").await;
    assert!(!processes_with(&upstream.mark()).is_empty(), "a stateful session keeps its process");

    gateway.signal(Signal::KILL);
    gateway.ended().await;
    until("the end of every child", || processes_with(&upstream.mark()).is_empty()).await;
}

#[tokio::test]
async fn deregistering_a_server_ends_its_processes() {
    let upstream = RawServer::stdio();
    let gateway = Gateway::start();
    let mut registration = upstream.registration("raw");
    registration["session_mode"] = json!("stateful");
    gateway.register(&registration);
    let client = Client::connect(gateway.url("/mcp")).await;
    client.call("raw__numbers", "{}").await;
    assert!(!processes_with(&upstream.mark()).is_empty(), "a stateful session keeps its process");
    gateway.succeed(&["deregister", "raw"]);
    until("the end of every child", || processes_with(&upstream.mark()).is_empty()).await;
}

#[tokio::test]
async fn a_call_that_does_not_end_does_not_keep_the_gateway_from_ending() {
    let upstream = RawServer::stdio();
    let mut gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let arguments = json!({ "file": upstream.path("never") }).to_string();
    let endless = tokio::spawn(async move {
        let params = format!(r#"{{"name":"raw__wait_for","arguments":{arguments}}}"#);
        client.polite(request("tools/call", &params)).send().await
    });
    until("the call to reach the upstream", || upstream.requests("tools/call").len() == 1).await;

    gateway.signal(Signal::TERM);
    let address = gateway.url("").replace("http://", "");
    until("new connections to be refused", || std::net::TcpStream::connect(&address).is_err()).await;
    assert!(!endless.is_finished(), "the call may go on for a while");
    assert_eq!(gateway.ended().await.code(), Some(0), "{}", gateway.log());
    assert_eq!(processes_with(&upstream.mark()), Vec::<u32>::new());
    endless.abort();
}
