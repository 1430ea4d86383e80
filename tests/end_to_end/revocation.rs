//! What ends when a token is replaced, when it expires and when its owner is deleted: the
//! streams that it opened, and nobody else's.

use std::time::Duration;

use mcpjungle_host::store::{IdentityRef, IdentityUpdate, NewToken};
use reqwest::Method;
use serde_json::json;

use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{self, client, digest};
use crate::harness::gateway::Gateway;
use crate::harness::live::{Live, send, wait_for, within};
use crate::harness::raw_server::RawServer;

const READER: IdentityRef<'static> = IdentityRef::Client("reader");

async fn gateway() -> Gateway {
    let everything: &[&str] = &["*"];
    enterprise::start(&[client("reader", "token-of-reader", everything), client("other", "token-of-other", everything)])
        .await
}

async fn connect(gateway: &Gateway, token: &str) -> Client {
    Client::new(gateway.url("/mcp")).with_token(token).introduced("{}").await
}

fn rotation(token: &str, grace: Duration) -> IdentityUpdate {
    IdentityUpdate { token: Some(NewToken { digest: digest(token), grace }), ..IdentityUpdate::default() }
}

/// Whether the client can still open a session.
async fn is_let_in(client: &Client) -> bool {
    match client.post(INITIALIZE).await.status.as_u16() {
        200 => true,
        401 => false,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn deleting_a_client_ends_its_streams_and_nobody_elses() {
    let gateway = gateway().await;
    let upstream = RawServer::conformance();
    gateway.register(&upstream.registration("raw"));
    let reader = connect(&gateway, "token-of-reader").await;
    let other = connect(&gateway, "token-of-other").await;
    let (mut listening, mut of_other) = (Live::listen(&reader).await, Live::listen(&other).await);
    let go_on = upstream.path("go on");
    let notice = r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}"#;
    let steps = json!([send(notice), wait_for(&go_on), send(notice)]);
    let mut calling = Live::open(reader.performing("raw__", "1", None, &steps)).await;
    calling.message().await;
    let old = within(
        "an SSE stream",
        Client::new(gateway.url("/sse")).with_token("token-of-reader").bare(Method::GET).send(),
    );
    let old = old.await.expect("an answer comes");

    let store = enterprise::open(gateway.home()).await;
    assert!(store.delete_identity(READER).await.unwrap());
    assert_eq!(listening.next().await, None);
    assert_eq!(calling.next().await, None, "a call that goes on tells nobody");
    within("the end of the SSE stream", old.bytes()).await.expect("it ends properly");
    assert!(!is_let_in(&reader).await);
    assert_eq!(reader.post(crate::harness::client::request("ping", "{}")).await.status, 401);
    std::fs::write(go_on, "").unwrap();

    // Nobody else notices.
    gateway.register(&upstream.registration("more"));
    other.list("tools/list", "tools").await;
    gateway.succeed(&["deregister", "more"]);
    of_other.until("notifications/tools/list_changed").await;
    assert!(is_let_in(&other).await);
}

#[tokio::test]
async fn a_replaced_token_ends_what_it_opened_at_once_or_after_its_grace() {
    let gateway = gateway().await;
    let store = enterprise::open(gateway.home()).await;
    let first = connect(&gateway, "token-of-reader").await;
    let mut listening = Live::listen(&first).await;
    store.update_identity(READER, &rotation("second-token", Duration::ZERO)).await.unwrap();
    assert_eq!(listening.next().await, None);
    assert!(!is_let_in(&first).await);

    let second = connect(&gateway, "second-token").await;
    let mut listening = Live::listen(&second).await;
    store.update_identity(READER, &rotation("third-token", Duration::from_secs(3))).await.unwrap();
    let third = Client::new(gateway.url("/mcp")).with_token("third-token");
    crate::harness::until_true("the third token is known", async || is_let_in(&third).await).await;
    let third = third.introduced("{}").await;
    let mut of_third = Live::listen(&third).await;
    third.list("tools/list", "tools").await;
    assert_eq!(listening.next().await, None, "ends when the grace has passed, by itself");
    assert!(!is_let_in(&second).await);
    // The one that was opened with the new token goes on.
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    of_third.until("notifications/tools/list_changed").await;
}

#[tokio::test]
async fn a_shorter_allow_list_is_told_to_a_client_that_only_listens() {
    let gateway = gateway().await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let reader = connect(&gateway, "token-of-reader").await;
    let mut listening = Live::listen(&reader).await;
    assert!(!reader.list("tools/list", "tools").await.is_empty());
    let store = enterprise::open(gateway.home()).await;
    let nothing = IdentityUpdate { allow: Some(Vec::new()), ..IdentityUpdate::default() };
    store.update_identity(READER, &nothing).await.unwrap();
    listening.until("notifications/tools/list_changed").await;
    assert!(reader.list("tools/list", "tools").await.is_empty());
}
