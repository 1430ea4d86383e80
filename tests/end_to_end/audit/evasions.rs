//! What somebody might try to go unrecorded, or to push out what is recorded.

use reqwest::Method;

use super::{records, summary};
use crate::harness::client::{Client, INITIALIZE, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN, client};
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn an_endpoint_that_is_hidden_is_a_denial_and_one_that_does_not_exist_is_nothing() {
    let gateway = enterprise::start(&[client("outsider", "token-of-outsider", &[])]).await;
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("raw"));
    for endpoint in ["/v0/servers/raw/mcp", "/v0/servers/nothing/mcp"] {
        let outsider = Client::new(gateway.url(endpoint)).with_token("token-of-outsider");
        assert_eq!(outsider.post(INITIALIZE).await.status, 404, "{endpoint}");
    }
    let denied = records(&gateway, &["--denied"]);
    let told: Vec<String> = denied.iter().map(summary).collect();
    assert_eq!(told, ["denial client outsider POST /v0/servers/raw/mcp denied denied"]);
    assert_eq!((&denied[0]["server"], &denied[0]["reason"]), (&"raw".into(), &"hidden".into()), "{denied:?}");
}

#[tokio::test]
async fn secrets_are_not_shown_unrecorded_however_the_question_is_spelled() {
    let gateway = enterprise::start(&[]).await;
    let url = gateway.url("/api/v0/server_configs?rev%65al=true");
    assert_eq!(send(Client::new(&url).with_token(ADMIN_TOKEN).bare(Method::GET)).await.status, 200);
    let told: Vec<String> = records(&gateway, &[]).iter().map(summary).collect();
    assert_eq!(told, ["admin admin admin GET /api/v0/server_configs - success"]);
}

#[tokio::test]
async fn who_asks_to_initialise_again_and_again_pushes_nothing_out() {
    let gateway = enterprise::start(&[]).await;
    let url = gateway.url("/init");
    let client = Client::new(&url);
    let attempt = || send(client.bare(Method::POST).body("{}"));
    let started = std::time::Instant::now();
    for _ in 0..10 {
        futures_util::future::join_all((0..100).map(|_| attempt())).await;
    }
    let seconds = usize::try_from(started.elapsed().as_secs()).expect("it did not take for ever") + 2;
    let recorded = records(&gateway, &[]);
    let one_by_one = seconds * 101;
    assert!(!recorded.is_empty() && recorded.len() <= one_by_one, "{} in {seconds} s", recorded.len());
    let suppressed: u64 = recorded.iter().filter_map(|record| record["suppressed"].as_u64()).sum();
    assert_eq!(recorded.len() as u64 + suppressed, 1_000);
}
