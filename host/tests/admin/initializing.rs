//! `POST /init`: a gateway in enterprise mode is made somebody's, once.

use http::StatusCode;
use serde_json::{Value, json};

use crate::error;
use crate::fixture::{ADMIN, Home};

fn enterprise() -> Value {
    json!({ "mode": "enterprise" })
}

#[tokio::test]
async fn whoever_initialises_a_gateway_is_its_administrator() {
    let home = Home::uninitialized(None).await;
    let (status, body) = home.get("/api/v0/servers").await;
    assert_eq!((status, error(&body)), (StatusCode::FORBIDDEN, "server is not initialized"));
    let (status, body) = home.post("/init", json!({ "mode": "production" })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let token = body["admin_access_token"].as_str().unwrap();
    assert_eq!(body, json!({ "status": "Server initialized successfully", "admin_access_token": token }));
    assert_eq!(token.len(), 43);
    let (status, body) = home.send_as(token, "GET", "/api/v0/users/whoami", Value::Null).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "username": "admin", "role": "admin" })));
    let (status, body) = home.post("/init", enterprise()).await;
    assert_eq!((status, error(&body)), (StatusCode::BAD_REQUEST, "Server is already initialized"));
}

#[tokio::test]
async fn a_server_is_initialised_in_the_mode_that_it_was_started_in_only() {
    let home = Home::uninitialized(None).await;
    for (mode, problem) in [
        ("development", "this server was started in enterprise mode: it cannot be initialized in 'development' mode"),
        ("open", "this server was started in enterprise mode: it cannot be initialized in 'open' mode"),
    ] {
        let (status, body) = home.post("/init", json!({ "mode": mode })).await;
        assert_eq!((status, error(&body)), (StatusCode::BAD_REQUEST, problem));
    }
    for body in ["", "{}", r#"{"mode":7}"#, r#"{"mode":"enterprise","access_token":7}"#] {
        let (status, answer) = home.send("POST", "/init", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(error(&answer).starts_with("Invalid request body: "), "{body}: {answer}");
    }
    for token in ["", "short", "with a space"] {
        let (status, body) = home.post("/init", json!({ "mode": "enterprise", "access_token": token })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{token}");
        assert!(error(&body).starts_with("invalid access token: "), "{body}");
    }
    let (status, body) = home.get("/api/v0/servers").await;
    assert_eq!((status, error(&body)), (StatusCode::FORBIDDEN, "server is not initialized"), "nothing has changed");
    assert_eq!(home.post("/init", enterprise()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_administrators_token_can_be_chosen() {
    let home = Home::uninitialized(None).await;
    let (status, body) = home.post("/init", json!({ "mode": "enterprise", "access_token": ADMIN })).await;
    assert_eq!((status, &body["admin_access_token"]), (StatusCode::OK, &json!(ADMIN)));
    assert_eq!(home.send_as(ADMIN, "GET", "/api/v0/users", Value::Null).await.0, StatusCode::OK);
}

#[tokio::test]
async fn only_who_knows_the_bootstrap_token_initialises_a_server_that_has_one() {
    let home = Home::uninitialized(Some("the-bootstrap-token")).await;
    let wanted = "this server is initialized only by who knows its bootstrap token: send it as \
                  `Authorization: Bearer <bootstrap token>`, as `mcpjungle init-server --bootstrap-token` does";
    let (status, body) = home.post("/init", enterprise()).await;
    assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, wanted));
    for wrong in ["", "the-bootstrap", "the-bootstrap-tokens"] {
        let (status, body) = home.send_as(wrong, "POST", "/init", enterprise()).await;
        assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, wanted), "{wrong}");
    }
    let (status, body) = home.send_as("the-bootstrap-token", "POST", "/init", enterprise()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let (status, body) = home.send_as("the-bootstrap-token", "GET", "/api/v0/users", Value::Null).await;
    assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, "invalid access token"), "it is good for no more");
}

#[tokio::test]
async fn of_several_who_initialise_at_once_one_does() {
    let home = Home::uninitialized(None).await;
    let attempts = futures_util::future::join_all((0..6).map(|_| home.post("/init", enterprise()))).await;
    let (done, refused): (Vec<_>, Vec<_>) = attempts.into_iter().partition(|(status, _)| *status == StatusCode::OK);
    assert_eq!((done.len(), refused.len()), (1, 5));
    assert!(refused.iter().all(|(_, body)| error(body) == "Server is already initialized"), "{refused:?}");
    let token = done[0].1["admin_access_token"].as_str().unwrap();
    let (_, users) = home.send_as(token, "GET", "/api/v0/users", Value::Null).await;
    assert_eq!(users, json!([{ "username": "admin", "role": "admin" }]));
}
