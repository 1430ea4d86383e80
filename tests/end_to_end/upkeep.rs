//! `mcpjungle server …` on the database of a gateway, while it runs and while it does not.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::PATIENCE;
use crate::harness::admin::Admin;
use crate::harness::client::Client;
use crate::harness::enterprise::{self, ADMIN_TOKEN, client};
use crate::harness::gateway::{Finished, Gateway, bare_command, finish};
use crate::harness::raw_server::RawServer;
#[cfg(feature = "e2e")]
use crate::harness::until;

/// Runs `mcpjungle server` in the home of a gateway.
fn upkeep(home: &tempfile::TempDir, arguments: &[&str]) -> Finished {
    let mut command = bare_command(home.path());
    command.arg("server").args(arguments);
    finish(command)
}

async fn until_let_in(gateway: &Gateway, token: &str) {
    let let_in = async {
        while Admin::with_token(gateway, token).send(Method::GET, "/server_configs", None).await.0 != StatusCode::OK {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, let_in).await.expect("the gateway follows its database");
}

async fn recovers_a_lost_token(home: Arc<tempfile::TempDir>) {
    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    until_let_in(&gateway, ADMIN_TOKEN).await;
    let reset = upkeep(&home, &["reset-admin-token"]);
    assert_eq!(reset.code, Some(0), "{reset:?}");
    let token = reset.stdout.trim_end();
    assert!(token.len() == 43 && !reset.stderr.contains(token), "{reset:?}");
    until_let_in(&gateway, token).await;
    assert_eq!(Admin::of(&gateway).send(Method::GET, "/servers", None).await.0, StatusCode::UNAUTHORIZED);
    assert!(!gateway.log().contains(token));
    drop(gateway);

    let reset = upkeep(&home, &["reset-admin-token", "--user", "admin", "--access-token", "a-token-of-choice"]);
    assert_eq!((reset.code, reset.stdout.as_str()), (Some(0), "a-token-of-choice\n"), "{reset:?}");
    let gateway = enterprise::start_in(home, &[]);
    until_let_in(&gateway, "a-token-of-choice").await;
}

#[tokio::test]
async fn a_lost_admin_token_is_replaced_while_the_gateway_runs_and_while_it_does_not() {
    recovers_a_lost_token(enterprise::home(&[]).await).await;
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn a_lost_admin_token_is_replaced_on_postgres_too() {
    recovers_a_lost_token(enterprise::home_on(crate::postgres::Cluster::shared(), &[]).await).await;
}

#[tokio::test]
async fn a_gateway_under_the_old_key_serves_on_and_one_under_the_new_key_takes_over() {
    let home = enterprise::home(&[client("reader", "token-of-reader", &["*"])]).await;
    let upstream = RawServer::http(&[]);
    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("s3cret");
    gateway.register(&registration);
    let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;

    let rekeyed = upkeep(&home, &["rekey"]);
    assert_eq!(rekeyed.code, Some(0), "{rekeyed:?}");
    assert!(rekeyed.stdout.starts_with("Encrypted 1 secret of 1 MCP server under a new key"), "{rekeyed:?}");
    assert!(reader.call("raw__numbers", "{}").await.contains("1.50e+3"));
    gateway.succeed(&["disable", "tool", "raw__spaced"]);
    assert!(reader.call("raw__numbers", "{}").await.contains("1.50e+3"), "still there after a change");
    let sent = upstream.requests("tools/call").pop().expect("it was asked");
    assert_eq!(sent.headers["authorization"], "Bearer s3cret");
    let refused = gateway.run_with_file(&["register", "--force", "-c"], &registration);
    assert!(
        refused.code == Some(1)
            && refused.stderr.contains("restart the gateway with that key")
            && refused.stderr.trim_end().ends_with("nothing was changed"),
        "{refused:?}"
    );
    drop(gateway);

    let gateway = enterprise::start_in(home, &[]);
    let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;
    assert!(reader.call("raw__numbers", "{}").await.contains("1.50e+3"));
    let refused = reader.call("raw__spaced", "{}").await;
    assert!(refused.contains("-32602"), "what was disabled meanwhile is: {refused}");
    let registered = gateway.run_with_file(&["register", "--force", "-c"], &registration);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    assert!(!gateway.log().contains("s3cret"));
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn on_postgres_the_new_key_is_provided_and_gateways_with_either_key_serve_the_same() {
    let people = [client("reader", "token-of-reader", &["*"])];
    let home = enterprise::home_on(crate::postgres::Cluster::shared(), &people).await;
    let upstream = RawServer::http(&[]);
    let old = enterprise::start_in(Arc::clone(&home), &[]);
    let mut registration = upstream.registration("raw");
    registration["headers"] = json!({ "X-Key": "s3cret" });
    old.register(&registration);

    let refused = upkeep(&home, &["rekey"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("MCPJUNGLE_NEW_SECRET_KEY"), "{refused:?}");
    let (old_key, new_key) = ("5a".repeat(32), "6b".repeat(32));
    std::fs::write(home.path().join("new.key"), format!("{new_key}\n")).unwrap();
    let rekeyed = upkeep(&home, &["rekey", "--new-key-file", "new.key"]);
    assert_eq!(rekeyed.code, Some(0), "{rekeyed:?}");
    let variables = std::fs::read_to_string(home.path().join(".env")).unwrap();
    std::fs::write(home.path().join(".env"), variables.replace(&old_key, &new_key)).unwrap();
    let new = enterprise::start_in(home, &[]);
    new.succeed(&["disable", "tool", "raw__spaced"]);
    for gateway in [&old, &new] {
        let reader = Client::new(gateway.url("/mcp")).with_token("token-of-reader").introduced("{}").await;
        let admin = Admin::of(gateway);
        let seen = async {
            while admin.get("/tool?name=raw__spaced").await["enabled"] != false {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, seen).await.expect("the change is seen");
        assert!(reader.call("raw__numbers", "{}").await.contains("1.50e+3"));
    }
    let refused = old.run_with_file(&["register", "--force", "-c"], &registration);
    assert!(refused.code == Some(1) && refused.stderr.contains("restart the gateway with that key"), "{refused:?}");
    let registered = new.run_with_file(&["register", "--force", "-c"], &registration);
    assert_eq!(registered.code, Some(0), "{registered:?}");
    // Its secrets may be others now: this gateway cannot know, and says so.
    until("the old gateway tells", || old.log().contains("was registered anew by a gateway that has the new key"))
        .await;
}
