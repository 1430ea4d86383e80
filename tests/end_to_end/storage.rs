//! A disk without space: changes fail and say so, calls go on, and when there is space
//! again so are changes.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::admin::Admin;
use crate::harness::client::Client;
use crate::harness::enterprise::{self, client};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

/// Shorter than any database: no file can be written to beyond it, as on a disk that is full.
const NO_SPACE: u64 = 4096;

#[tokio::test]
async fn without_space_changes_fail_clearly_and_calls_go_on() {
    let home = enterprise::home(&[client("reader", "token-of-reader", &["*"])]).await;
    let gateway = Gateway::start_limitable(home, &["--enterprise", "--host", "127.0.0.1"]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    gateway.create_group(&json!({ "name": "kept", "included_tools": ["raw__numbers"] }));
    let admin = Admin::of(&gateway);
    let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;
    let state = async || [admin.get("/servers").await, admin.get("/tool-groups").await, admin.get("/tools").await];
    let before = state().await;

    gateway.limit_files(Some(NO_SPACE));
    let (group, changed) =
        (json!({ "name": "new", "included_servers": ["raw"] }), json!({ "included_servers": ["raw"] }));
    let (other, again) = (upstream.registration("other"), upstream.registration("raw"));
    let changes: [(Method, &str, Option<&Value>); 8] = [
        (Method::POST, "/tool-groups", Some(&group)),
        (Method::PUT, "/tool-groups/kept", Some(&changed)),
        (Method::DELETE, "/tool-groups/kept", None),
        (Method::POST, "/servers", Some(&other)),
        (Method::POST, "/servers?force=true", Some(&again)),
        (Method::POST, "/tools/disable?entity=raw__numbers", None),
        (Method::POST, "/servers/raw/disable", None),
        (Method::DELETE, "/servers/raw", None),
    ];
    for (method, path, body) in &changes {
        let (status, answer) = admin.send(method.clone(), path, *body).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{method} {path}: {answer}");
        let message = answer["error"].as_str().unwrap();
        assert_eq!(
            message,
            "the database cannot be written to: its disk is full, or its files may not grow any more: \
             nothing was changed; try again when there is space"
        );
        assert!(reader.call("raw__numbers", "{}").await.contains("1.50e+3"));
    }
    let newcomer = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;
    assert!(newcomer.call("raw__numbers", "{}").await.contains("1.50e+3"));
    assert_eq!(Client::new(gateway.url("/mcp")).with_token("wrong-token").post("{}").await.status, 401);
    assert_eq!(state().await[1..], before[1..], "nothing is half-done");

    gateway.limit_files(None);
    for (method, path, body) in &changes {
        let (status, answer) = admin.send(method.clone(), path, *body).await;
        assert!(status.is_success(), "{method} {path}: {status} {answer}");
    }
    let home = gateway.keep_home();
    drop(gateway);
    let gateway = enterprise::start_in(home, &[]);
    let names = Admin::of(&gateway).get("/servers").await;
    assert_eq!(names.as_array().unwrap().iter().map(|server| &server["name"]).collect::<Vec<_>>(), ["other"]);
}
