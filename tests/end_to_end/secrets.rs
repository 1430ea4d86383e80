//! Secrets of upstream servers in enterprise mode: administrators see them if they ask, others never do.

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::admin::Admin;
use crate::harness::enterprise::{self, client, user};
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn secrets_are_shown_to_an_administrator_who_asks_and_to_nobody_else() {
    let people = [user("alice", "token-of-alice"), client("reader", "token-of-reader", &["*"])];
    let gateway = enterprise::start(&people).await;
    let (http, stdio) = (RawServer::http(&[]), RawServer::stdio());
    let mut registration = http.registration("http");
    registration["url"] = format!("{}?key=url-s3cret", http.url()).into();
    registration["bearer_token"] = json!("bearer-s3cret");
    registration["headers"] = json!({ "X-Key": "header-s3cret" });
    gateway.register(&registration);
    let mut registration = stdio.registration("stdio");
    registration["env"] = json!({ "TOKEN": "env-s3cret" });
    gateway.register(&registration);

    let (admin, alice) = (Admin::of(&gateway), Admin::with_token(&gateway, "token-of-alice"));
    let encrypted = ["bearer-s3cret", "header-s3cret", "env-s3cret"];
    for path in ["/servers", "/server_configs", "/server_configs?reveal=false", "/openapi.json", "/tools"] {
        let shown = admin.get(path).await.to_string();
        assert!(encrypted.iter().all(|secret| !shown.contains(secret)), "{path}: {shown}");
    }
    let revealed = admin.get("/server_configs?reveal=true").await.to_string();
    assert!(encrypted.iter().all(|secret| revealed.contains(secret)), "{revealed}");

    let listed = alice.get("/servers").await;
    assert_eq!(listed[0]["url"], http.url().replace("/mcp", "/[redacted]"));
    assert!(listed[1]["args"].as_array().unwrap().iter().all(|arg| arg == "[redacted]"), "{listed}");
    assert!(!listed.to_string().contains("s3cret"), "{listed}");
    for path in ["/server_configs", "/server_configs?reveal=true"] {
        for token in ["token-of-alice", "token-of-reader"] {
            let (status, answer) = Admin::with_token(&gateway, token).send(Method::GET, path, None).await;
            assert!(matches!(status, StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED), "{path}: {status}");
            assert!(!answer.to_string().contains("s3cret"), "{answer}");
        }
    }
    gateway.succeed(&["export", "--reveal", "-d", "revealed"]);
    std::fs::write(gateway.home().join(".mcpjungle.conf"), "access_token: token-of-alice\n").unwrap();
    for arguments in [&["export", "--reveal", "-d", "hers"][..], &["apply", "-f", "revealed"]] {
        let refused = gateway.run(arguments);
        assert!(refused.code == Some(1) && refused.stderr.contains("not authorized"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("s3cret"), "{refused:?}");
    }
    assert!(!gateway.log().contains("s3cret"), "{}", gateway.log());
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn on_postgres_without_a_key_a_server_with_secrets_is_refused_and_the_variable_named() {
    let home = enterprise::home_on(crate::postgres::Cluster::shared(), &[]).await;
    let variables = std::fs::read_to_string(home.path().join(".env")).unwrap();
    let without: String = variables.lines().filter(|line| line.starts_with("DATABASE_URL=")).collect();
    // With its audit log the gateway would not even start: that has a key of its own to store.
    std::fs::write(home.path().join(".env"), format!("{without}\nMCPJUNGLE_AUDIT=false\n")).unwrap();
    let gateway = enterprise::start_in(home, &[]);
    let upstream = RawServer::http(&[]);
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("s3cret");
    let refused = gateway.run_with_file(&["register", "-c"], &registration);
    assert!(
        refused.code == Some(1)
            && refused.stderr.contains("a secret cannot be stored without a key: set MCPJUNGLE_SECRET_KEY"),
        "{refused:?}"
    );
    assert_eq!(Admin::of(&gateway).get("/servers").await, json!([]), "nothing half-done");
    gateway.register(&upstream.registration("raw"));
}
