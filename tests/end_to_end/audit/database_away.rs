//! Records while PostgreSQL is away: they wait on the disk, and where that is full a setting decides.

use std::sync::Arc;

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::records;
use crate::harness::client::{Client, send};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;
use crate::postgres::Cluster;

/// A home whose `.env` names a new database and turns the audit log on.
fn home_in(cluster: &Cluster, more: &str) -> Arc<TempDir> {
    let home = new_home();
    let (url, key) = (cluster.url(&cluster.create_database()), "5a".repeat(32));
    let environment = format!("DATABASE_URL={url}\nMCPJUNGLE_SECRET_KEY={key}\nMCPJUNGLE_AUDIT=true\n{more}");
    std::fs::write(home.path().join(".env"), environment).expect("the home is writable");
    home
}

fn calls(gateway: &Gateway) -> usize {
    records(gateway, &[]).iter().filter(|record| record["kind"] == "call").count()
}

fn verify(gateway: &Gateway) {
    let verified = gateway.succeed(&["audit", "verify"]);
    assert!(verified.contains("Nothing was changed or removed."), "{verified}");
}

#[tokio::test]
async fn records_wait_on_the_disk_until_the_database_is_back_also_over_a_restart() {
    let cluster = Cluster::start();
    let home = home_in(&cluster, "");
    let upstream = RawServer::http(&[]);
    let mut gateway = Gateway::start_in(Arc::clone(&home), &[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    client.call("raw__numbers", "{}").await;
    assert_eq!(calls(&gateway), 1);
    cluster.stop();
    for _ in 0..10 {
        client.call("raw__numbers", "{}").await;
    }
    let finished = gateway.run(&["audit"]);
    let problem = "the database cannot be reached, so the audit log cannot be read now";
    assert!(finished.code == Some(1) && finished.stderr.contains(problem), "{finished:?}");
    cluster.resume();
    until("the records arrive", || gateway.run(&["audit"]).code == Some(0)).await;
    assert_eq!(calls(&gateway), 11);
    verify(&gateway);

    cluster.stop();
    client.call("raw__numbers", "{}").await;
    drop(client);
    gateway.signal(Signal::TERM);
    assert!(gateway.ended().await.success(), "it ends although it has no database");
    cluster.resume();
    let gateway = Gateway::start_in(home, &[]);
    assert_eq!(calls(&gateway), 12);
    verify(&gateway);
}

/// Fills the journal with long arguments; the answers, of which the last may be a refusal.
async fn fill(client: &Client, calls: usize) -> Vec<Value> {
    let arguments = json!({ "long": "x".repeat(60_000) }).to_string();
    let mut answers = Vec::new();
    while answers.len() < calls {
        let answer: Value = serde_json::from_str(&client.call("raw__spaced", &arguments).await).expect("JSON comes");
        let is_refused = answer["error"].is_object();
        answers.push(answer);
        if is_refused {
            break;
        }
    }
    answers
}

async fn with_full_journal(when_full: &str) -> (Cluster, Gateway, RawServer, Client, Vec<Value>) {
    let cluster = Cluster::start();
    let settings = format!("OTEL_ENABLED=true\nMCPJUNGLE_AUDIT_JOURNAL_MB=1\nMCPJUNGLE_AUDIT_WHEN_FULL={when_full}\n");
    let gateway = Gateway::start_in(home_in(&cluster, &settings), &[]);
    let upstream = RawServer::http(&[]);
    let mut registration = upstream.registration("raw");
    registration["audit"] = json!({ "arguments": true, "max_bytes": 65_536 });
    gateway.register(&registration);
    let client = Client::connect(gateway.url("/mcp")).await;
    cluster.stop();
    // Twice as many as find room; where calls are refused, as many as are made before the writer has come so far.
    let answers = fill(&client, if when_full == "drop" { 40 } else { 1_000 }).await;
    (cluster, gateway, upstream, client, answers)
}

#[tokio::test]
async fn a_full_journal_refuses_calls_and_changes_until_there_is_room_where_that_is_set() {
    let (cluster, gateway, upstream, client, answers) = with_full_journal("refuse").await;
    let refusal = answers.last().expect("there are answers");
    assert_eq!(refusal["error"]["code"], -31002, "{refusal}");
    assert!(refusal["error"]["message"].as_str().is_some_and(|text| text.contains("the audit log has no room")));
    let made = upstream.requests("tools/call").len();
    assert_eq!(made, answers.len() - 1, "what is refused does not reach the server");
    let reply = send(Client::new(gateway.url("/api/v0/servers/raw")).bare(Method::DELETE)).await;
    assert!(reply.status == 503 && reply.body.contains("the audit log has no room"), "{reply:?}");
    cluster.resume();
    let arguments = json!({ "last": true }).to_string();
    let mut answer = client.call("raw__numbers", &arguments).await;
    while answer.contains("-31002") {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        answer = client.call("raw__numbers", &arguments).await;
    }
    assert_eq!(calls(&gateway), made + 1, "every call that was made is recorded");
    verify(&gateway);
}

#[tokio::test]
async fn a_full_journal_drops_records_and_counts_them_where_that_is_set() {
    let (cluster, gateway, upstream, _client, answers) = with_full_journal("drop").await;
    assert!(answers.iter().all(|answer| answer["result"].is_object()), "no call is refused");
    cluster.resume();
    until("the records arrive", || gateway.run(&["audit"]).code == Some(0)).await;
    let metrics = send(Client::new(gateway.url("/metrics")).bare(Method::GET)).await.body;
    let dropped = metrics.lines().find_map(|line| line.strip_prefix("mcpjungle_audit_dropped_total "));
    let dropped: usize = dropped.and_then(|count| count.parse().ok()).expect("they are counted");
    let made = upstream.requests("tools/call").len();
    assert!(dropped > 0 && calls(&gateway) + dropped == made, "{dropped} of {made}");
    assert!(gateway.log().contains("the audit log is full: records are dropped"), "{}", gateway.log());
    verify(&gateway);
}

#[test]
fn without_a_secret_key_enterprise_mode_on_postgresql_does_not_start_and_says_what_to_do() {
    let cluster = Cluster::start();
    let home = new_home();
    let mut command = bare_command(home.path());
    command.args(["start", "--port", "0", "--host", "127.0.0.1", "--enterprise"]);
    command.env("DATABASE_URL", cluster.url(&cluster.create_database()));
    let finished = finish(command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for words in ["the audit log needs a secret key: set MCPJUNGLE_SECRET_KEY", "MCPJUNGLE_AUDIT=false"] {
        assert!(finished.stderr.contains(words), "{finished:?}");
    }
}
