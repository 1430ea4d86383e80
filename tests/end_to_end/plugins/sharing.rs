//! Two gateways on one database run the same policies.

use std::sync::Arc;

use tempfile::TempDir;

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until_true;
use crate::plugins::{add_deny, lists};
use crate::postgres::Cluster;

fn home_in(cluster: &Cluster) -> Arc<TempDir> {
    let home = new_home();
    let url = cluster.url(&cluster.create_database());
    let key = "5a".repeat(32);
    let variables = format!("DATABASE_URL={url}\nMCPJUNGLE_SECRET_KEY={key}\n");
    std::fs::write(home.path().join(".env"), variables).expect("the home is writable");
    home
}

#[tokio::test]
async fn what_one_gateway_installs_the_other_runs() {
    let home = home_in(Cluster::shared());
    let upstream = RawServer::http(&[]);
    let one = Gateway::start_in(Arc::clone(&home), &[]);
    one.register(&upstream.registration("raw"));
    let other = Gateway::start_in(home, &[]);
    let client = Client::connect(other.url("/mcp")).await;
    assert!(lists(&client, "raw__numbers").await);
    add_deny(&one, "raw__numbers");
    until_true("the other runs it", async || !lists(&client, "raw__numbers").await).await;
    other.succeed(&["plugin", "rollback"]);
    let client = Client::connect(one.url("/mcp")).await;
    until_true("undone on the other, it is undone here", async || lists(&client, "raw__numbers").await).await;
}
