//! Enterprise mode: who may change policies, and what they cannot take away.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::admin::Admin;
use crate::harness::client::Client;
use crate::harness::enterprise::{self, client};
#[cfg(feature = "e2e")]
use crate::harness::live::{Live, within};
use crate::harness::raw_server::RawServer;
use crate::plugins::{component, installed};

#[tokio::test]
async fn a_gateway_keeps_an_authenticator_and_administrators_keep_the_api() {
    let gateway = enterprise::start(&[client("one", "token-of-one", &["raw"])]).await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let session = Client::new(gateway.url("/mcp")).with_token("token-of-one").introduced("{}").await;
    assert!(session.call("raw__numbers", "{}").await.contains("1.50e+3"));
    for verb in ["remove", "disable"] {
        let finished = gateway.run(&["plugin", verb, "builtin-auth"]);
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("enterprise mode needs an authenticator"), "{finished:?}");
    }
    assert_eq!(installed(&gateway).len(), 4);
    // One call in a millisecond of an authenticator that may not take one: it gives no usable answer any more.
    gateway.succeed(&["plugin", "add", "first", "builtin:auth", "--before", "builtin-auth"]);
    let admin = Admin::of(&gateway);
    let starved = json!({ "limits": { "host_calls": 0 } });
    let (status, answer) = admin.send(Method::PATCH, "/plugins/first", Some(&starved)).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let refused = session.post(crate::harness::client::request("tools/list", "{}")).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    // The stock authenticator lets administrators in, whatever is installed.
    gateway.succeed(&["plugin", "rollback"]);
    let again = Client::new(gateway.url("/mcp")).with_token("token-of-one").introduced("{}").await;
    assert!(again.call("raw__numbers", "{}").await.contains("1.50e+3"));

    let home = gateway.keep_home();
    let (_, _) = admin.send(Method::PATCH, "/plugins/first", Some(&starved)).await;
    drop(gateway);
    let strict = enterprise::start_in(home, &["--admin-auth", "installed"]);
    let (status, _) = Admin::of(&strict).send(Method::GET, "/plugins", None).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "the installed authenticators are asked");
}

#[tokio::test]
async fn of_changes_at_the_same_time_none_is_lost() {
    let gateway = enterprise::start(&[]).await;
    let deny = component("deny-one-tool.wasm");
    gateway.succeed(&["plugin", "add", "deny", &deny, "--settings", r#"{"deny": []}"#]);
    let admin = Admin::of(&gateway);
    let changes = (0..6).map(|number| {
        let admin = admin.clone();
        tokio::spawn(async move {
            let body = json!({ "name": format!("extra-{number}"), "component": "builtin:acl" });
            admin.send(Method::POST, "/plugins", Some(&body)).await
        })
    });
    for change in changes.collect::<Vec<_>>() {
        let (status, answer) = change.await.expect("it is answered");
        assert_eq!(status, StatusCode::CREATED, "{answer}");
    }
    assert_eq!(installed(&gateway).len(), 11);
    let history = admin.get("/plugins/history").await;
    assert_eq!(history.as_array().map(Vec::len), Some(7));
    assert_eq!(history[0]["author"], "admin");
}

#[tokio::test]
async fn an_update_that_wants_more_than_was_granted_is_refused_and_says_what() {
    let gateway = enterprise::start(&[]).await;
    let (deny, borrower) = (component("deny-one-tool.wasm"), component("borrower.wasm"));
    gateway.succeed(&["plugin", "add", "corp", &deny, "--settings", r#"{"deny": []}"#]);
    let before = gateway.succeed(&["plugin", "get", "corp", "--json"]);
    let finished = gateway.run(&["plugin", "update", "corp", &borrower, "--settings", "{}"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for wanted in ["kv", "http:HOST", "secret:NAME"] {
        assert!(finished.stderr.contains(wanted), "{wanted}: {finished:?}");
    }
    assert_eq!(gateway.succeed(&["plugin", "get", "corp", "--json"]), before, "the old version stays");

    let grants = ["--grant", "kv", "--grant", "http:example.com", "--grant", "secret:key"];
    gateway.succeed(&[&["plugin", "update", "corp", &borrower, "--settings", "{}"], &grants[..]].concat());
    gateway.succeed(&["plugin", "rollback", "corp"]);
    assert_eq!(gateway.succeed(&["plugin", "get", "corp", "--json"]), before, "with the grants that it had");
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn a_session_ends_that_the_new_authenticators_do_not_let_in() {
    let gateway = enterprise::start(&[client("one", "token-of-one", &["*"])]).await;
    let session = Client::new(gateway.url("/mcp")).with_token("token-of-one").introduced("{}").await;
    let mut listening = Live::listen(&session).await;
    let jwt = crate::examples::component("jwt-auth");
    let settings = r#"{"issuer": "i", "audience": ["a"], "keys_url": "http://127.0.0.1:9/keys"}"#;
    let jwt = jwt.to_str().expect("its path is UTF-8");
    let add = ["plugin", "add", "jwt", jwt, "--replace", "builtin-auth", "--settings", settings];
    gateway.succeed(&[&add[..], &["--grant", "http:127.0.0.1", "--deadline", "10000", "--memory", "64"]].concat());
    within("the end of its stream", async { while listening.next().await.is_some() {} }).await;
    let refused = session.post(crate::harness::client::request("tools/list", "{}")).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED, "{refused:?}");
    gateway.succeed(&["plugin", "rollback"]);
    Client::new(gateway.url("/mcp")).with_token("token-of-one").introduced("{}").await;
}
