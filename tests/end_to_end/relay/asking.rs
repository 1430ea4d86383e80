//! Answers of clients: taken from whom was asked, once, and from nobody else.

use serde_json::json;

use crate::harness::json::member;
use crate::harness::live::Live;
use crate::relay::{Rig, http, stdio};

const ROOTS: &str = r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#;

#[tokio::test]
async fn answers_to_nothing_that_was_asked_go_by() {
    for rig in [Rig::stateless(http(&[])), Rig::stateful(stdio())] {
        for (client, prefix) in rig.clients().await {
            for id in ["99999999", r#""r""#, "-1", "1.5", r#""1""#] {
                client.tell(format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"stray":true}}}}"#)).await;
            }
            client.call(&format!("{prefix}numbers"), "{}").await;
        }
        let stray = rig.upstream.record().into_iter().filter(|entry| entry.body.contains("stray"));
        assert_eq!(stray.count(), 0, "the server never hears of them");
    }
}

#[tokio::test]
async fn nobody_can_answer_in_the_place_of_who_was_asked_and_nobody_can_answer_twice() {
    for rig in [Rig::stateless(http(&[])), Rig::stateful(stdio())] {
        let stranger = rig.client("/mcp").await;
        for (client, prefix) in rig.clients().await {
            let mut live = Live::open(client.performing(prefix, "7", None, &json!([{ "ask": ROOTS }]))).await;
            let asked = live.until("roots/list").await;
            stranger.answer(&asked, r#"{"roots":["forged"]}"#).await;
            client.answer(&asked, r#"{"roots":["genuine"]}"#).await;
            client.answer(&asked, r#"{"roots":["second"]}"#).await;
            let (before, response) = live.rest().await;
            assert_eq!(before, Vec::<String>::new());
            assert!(response.contains("genuine"), "{response}");
        }
        let others = rig.upstream.record().into_iter();
        let others = others.filter(|entry| entry.body.contains("forged") || entry.body.contains("second"));
        assert_eq!(others.count(), 0);
    }
}

#[tokio::test]
async fn an_error_of_the_clients_is_the_servers_answer() {
    for rig in [Rig::stateless(http(&[])), Rig::stateful(stdio())] {
        for (client, prefix) in rig.clients().await {
            let mut live = Live::open(client.performing(prefix, "7", None, &json!([{ "ask": ROOTS }]))).await;
            let asked = live.until("roots/list").await;
            let id = member(&asked, "id").expect("a request has an id");
            let error = r#"{"data":{"x":1.50e+3},"message":"n\u006f","code":-1}"#;
            client.tell(format!(r#"{{"error":{error},"jsonrpc":"2.0","id":{id}}}"#)).await;
            let (_, response) = live.rest().await;
            assert!(response.contains(error), "{response}");
        }
    }
}

#[tokio::test]
async fn a_server_whose_client_has_gone_is_told_so() {
    for rig in [Rig::stateless(http(&[])), Rig::stateful(stdio())] {
        let client = rig.client("/mcp").await;
        let done = rig.upstream.path("done");
        let steps = json!([{ "ask": ROOTS }, { "write": done }]);
        let mut live = Live::open(client.performing("raw__", "7", None, &steps)).await;
        live.until("roots/list").await;
        let session = client.session().expect("there is a session");
        let end = client.bare(reqwest::Method::DELETE).header("mcp-session-id", session);
        assert_eq!(crate::harness::client::send(end).await.status, 204);
        crate::harness::until("the server to go on", || done.exists()).await;
    }
}
