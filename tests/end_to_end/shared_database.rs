//! Gateways on a PostgreSQL server: one that loses it and finds it again, and two that share it.

use std::sync::Arc;

use serde_json::json;
use tempfile::TempDir;

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::{PATIENCE, processes_with, until};
use crate::postgres::{Cluster, PASSWORD};

/// A home whose `.env` names a new database; any number of gateways may start in it.
fn home_in(cluster: &Cluster) -> Arc<TempDir> {
    let home = new_home();
    let url = cluster.url(&cluster.create_database());
    let key = "5a".repeat(32);
    std::fs::write(home.path().join(".env"), format!("DATABASE_URL={url}\nMCPJUNGLE_SECRET_KEY={key}\n")).unwrap();
    home
}

/// Waits until a client's list of tools is as long as this.
async fn until_listed(client: &Client, tools: usize) {
    let seen = async {
        while client.list("tools/list", "tools").await.len() != tools {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, seen).await.expect("the change is seen");
}

#[tokio::test]
async fn without_its_database_a_gateway_serves_on_and_refuses_changes_until_it_is_back() {
    let cluster = Cluster::start();
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start_in(home_in(&cluster), &[]);
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("s3cret");
    gateway.register(&registration);
    gateway.create_group(&json!({ "name": "g", "included_tools": ["raw__numbers"] }));
    let client = Client::connect(gateway.url("/mcp")).await;
    let before = client.list("tools/list", "tools").await;

    cluster.stop();
    let newcomer = Client::connect(gateway.url("/mcp")).await;
    assert_eq!(newcomer.list("tools/list", "tools").await, before);
    for client in [&client, &newcomer] {
        assert!(client.call("raw__numbers", "{}").await.contains("1.50e+3"));
    }
    let listed = gateway.succeed(&["list", "tools"]);
    let refusal = "the database cannot be reached: nothing was changed; try again when it is back";
    for change in [
        &["disable", "tool", "raw__numbers"][..],
        &["disable", "server", "raw"],
        &["deregister", "raw"],
        &["delete", "group", "g"],
        &["register", "--name", "other", "--url", &upstream.url()],
        &["register", "--force", "--name", "raw", "--url", &upstream.url()],
    ] {
        let finished = gateway.run(change);
        assert!(finished.code == Some(1) && finished.stderr.trim_end().ends_with(refusal), "{change:?}: {finished:?}");
    }
    assert_eq!(gateway.succeed(&["list", "tools"]), listed, "nothing is half done");
    assert_eq!(client.list("tools/list", "tools").await, before);

    cluster.resume();
    gateway.succeed(&["disable", "tool", "raw__numbers"]);
    assert_eq!(client.list("tools/list", "tools").await.len(), before.len() - 1);
    gateway.succeed(&["register", "--name", "other", "--url", &upstream.url()]);
    gateway.succeed(&["delete", "group", "g"]);
    gateway.succeed(&["deregister", "raw"]);
    assert_eq!(client.list("tools/list", "tools").await.len(), before.len());
    assert!(!gateway.log().contains(PASSWORD) && !gateway.log().contains("s3cret"));
}

#[tokio::test]
async fn what_one_gateway_changes_the_other_serves() {
    let cluster = Cluster::start();
    let home = home_in(&cluster);
    let (one, other) = (Gateway::start_in(Arc::clone(&home), &[]), Gateway::start_in(home, &[]));
    let upstream = RawServer::stdio();
    let client = Client::connect(other.url("/mcp")).await;
    let mut registration = upstream.registration("raw");
    registration["env"] = json!({ "TOKEN": "s3cret" });
    registration["session_mode"] = json!("stateful");

    one.register(&registration);
    let all = Client::connect(one.url("/mcp")).await.list("tools/list", "tools").await.len();
    until_listed(&client, all).await;
    assert!(client.call("raw__numbers", "{}").await.contains("1.50e+3"));
    one.succeed(&["disable", "tool", "raw__numbers"]);
    until_listed(&client, all - 1).await;
    other.succeed(&["enable", "tool", "raw__numbers"]);
    until_listed(&Client::connect(one.url("/mcp")).await, all).await;

    assert!(!processes_with(&upstream.mark()).is_empty(), "the other gateway keeps its session");
    one.succeed(&["deregister", "raw"]);
    until_listed(&client, 0).await;
    until("the end of the other gateway's process", || processes_with(&upstream.mark()).is_empty()).await;
}

#[tokio::test]
async fn gateways_that_keep_to_one_folder_do_not_take_each_others_work_for_a_failure() {
    let cluster = Cluster::start();
    let upstream = RawServer::http(&[]);
    let home = home_in(&cluster);
    let files = home.path().join("files");
    std::fs::create_dir(&files).unwrap();
    let names = ["a", "b", "c", "d"];
    for name in names {
        std::fs::write(files.join(format!("{name}.json")), upstream.registration(name).to_string()).unwrap();
    }
    // At once, so that both find the same to do.
    let gateways = std::thread::scope(|scope| {
        let start = || Gateway::start_in(Arc::clone(&home), &["--config-dir", "files"]);
        [scope.spawn(start), scope.spawn(start)].map(|starting| starting.join().unwrap())
    });
    let are_there = |gateway: &Gateway, names: &[&str]| {
        let listed: Vec<serde_json::Value> =
            serde_json::from_str(&gateway.succeed(&["list", "servers", "--json"])).unwrap();
        listed.iter().map(|server| server["name"].as_str().unwrap()).eq(names.iter().copied())
    };
    for gateway in &gateways {
        until("the folder's servers are there", || are_there(gateway, &names)).await;
    }
    std::fs::remove_file(files.join("d.json")).unwrap();
    for gateway in &gateways {
        until("the one whose file is gone is gone", || are_there(gateway, &names[..3])).await;
        assert!(!gateway.log().contains("is tried again"), "{}", gateway.log());
    }
}
