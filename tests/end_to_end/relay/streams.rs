//! Streams that nobody reads, and calls that say nothing for long.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::harness::client::Client;
use crate::harness::json::member;
use crate::harness::live::{Live, let_go, wait_for};
use crate::harness::{PATIENCE, until};
use crate::relay::{Rig, http, stdio};

/// More than the gateway keeps for a client that does not read, and than all buffers on the way take.
const FLOOD_MESSAGES: usize = 3_000;
const MESSAGE_BYTES: usize = 40_000;
/// The gateway keeps 32 MiB for one such client.
const MAX_GROWTH_BYTES: u64 = 96 << 20;

/// Sends a call as a client that then reads nothing at all.
fn send_without_reading(rig: &Rig, client: &Client, body: &str) -> TcpStream {
    let address = rig.gateway.url("").replace("http://", "");
    let session = client.session().expect("there is a session");
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\nmcp-session-id: {session}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut connection = TcpStream::connect(&address).expect("the gateway listens");
    connection.set_read_timeout(Some(PATIENCE)).expect("a time limit can be set");
    connection.write_all(head.as_bytes()).expect("the gateway takes the request");
    connection.write_all(body.as_bytes()).expect("the gateway takes the request");
    connection
}

async fn one_unread_stream_blocks_nothing(rig: Rig) {
    let client = rig.client("/mcp").await;
    client.call("raw__numbers", "{}").await;
    let memory_before = rig.gateway.peak_memory_bytes();
    let (flooded, go) = (rig.upstream.path("flooded"), rig.upstream.path("go"));
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","data":"{}"}}}}"#,
        "x".repeat(MESSAGE_BYTES)
    );
    let steps = json!([{ "repeat": { "times": FLOOD_MESSAGES, "text": text } }, { "write": flooded }, wait_for(&go)]);
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":"unread","method":"tools/call","params":{{"name":"raw__perform","arguments":{{"steps":{steps}}}}}}}"#
    );
    let mut unread = send_without_reading(&rig, &client, &body);

    // The server gets rid of all of it, and the session's other calls go on meanwhile.
    until("the flood to reach the gateway", || !rig.upstream.requests("tools/call").is_empty()).await;
    let mut calls = 0;
    while !flooded.exists() || calls < 3 {
        assert!(client.call("raw__numbers", "{}").await.contains("1.50e+3"));
        calls += 1;
    }
    let growth = rig.gateway.peak_memory_bytes() - memory_before;
    assert!(growth < MAX_GROWTH_BYTES, "{growth} bytes are held for a client that does not read");
    let_go(&go);

    // It was cut off: what it finds is not all, and has no proper end.
    let read = tokio::task::spawn_blocking(move || {
        let mut read = Vec::new();
        let end = unread.read_to_end(&mut read);
        (read, end.map_err(|error| error.kind()))
    });
    let (read, end) = read.await.expect("the reader is not broken off");
    assert!(!matches!(end, Err(std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)), "it is still open");
    assert!(read.len() < FLOOD_MESSAGES * MESSAGE_BYTES, "{} bytes", read.len());
    assert!(!read.ends_with(b"\r\n0\r\n\r\n"), "it ended as if it were whole");
    assert!(client.call("raw__numbers", "{}").await.contains("1.50e+3"));
}

#[tokio::test]
async fn a_client_that_never_reads_a_stream_is_cut_off_and_holds_up_nothing_over_http() {
    one_unread_stream_blocks_nothing(Rig::stateless(http(&[]))).await;
}

#[tokio::test]
async fn a_client_that_never_reads_a_stream_is_cut_off_and_holds_up_nothing_on_a_shared_process() {
    one_unread_stream_blocks_nothing(Rig::stateful(stdio())).await;
}

/// Scaled to the gateway's own times: a stream begins after one second of silence, and
/// says every fifteen that it is alive. Beyond that no clock runs on a call; that the
/// session does not idle meanwhile is a unit test, which passes the time in.
#[tokio::test]
async fn a_silent_call_is_a_stream_that_shows_that_it_is_alive_until_the_answer_comes() {
    let rig = Rig::stateless(http(&[]));
    let client = rig.client("/mcp").await;
    let mut listening = Live::listen(&client).await;
    let go = rig.upstream.path("go");
    let mut silent = Live::open(client.performing("raw__", "7", None, &json!([wait_for(&go)]))).await;
    assert!(silent.is_stream(), "its head comes while the tool is silent");
    until_alive(&mut silent, &go).await;
    let (before, response) = silent.rest().await;
    assert_eq!(before, Vec::<String>::new());
    assert!(member(&response, "result").is_some(), "{response}");
    assert!(silent.comments > 0);

    // So does the stream beside calls: it ends with the session only.
    let session = client.session().expect("there is a session");
    let end = client.bare(reqwest::Method::DELETE).header("mcp-session-id", session);
    assert_eq!(crate::harness::client::send(end).await.status, 204);
    assert_eq!(listening.next().await, None);
    assert!(listening.comments > 0);
}

async fn until_alive(silent: &mut Live, go: &std::path::Path) {
    silent.until_comment().await;
    let_go(go);
}
