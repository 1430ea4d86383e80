//! Users over the API: who they are, and what their role lets them do.

use http::StatusCode;
use serde_json::{Value, json};

use crate::error;
use crate::fixture::{ADMIN, Home, Upstream};

async fn send(home: &Home, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    home.send_as(ADMIN, method, &format!("/api/v0{path}"), body).await
}

async fn whoami(home: &Home, token: &str) -> (StatusCode, Value) {
    home.send_as(token, "GET", "/api/v0/users/whoami", Value::Null).await
}

#[tokio::test]
async fn a_user_is_created_listed_and_deleted() {
    let home = Home::enterprise().await;
    let (status, created) = send(&home, "POST", "/users", json!({ "username": "alice" })).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let token = created["access_token"].as_str().unwrap();
    assert_eq!(created, json!({ "username": "alice", "role": "user", "access_token": token }));
    assert_eq!(token.len(), 43);
    assert_eq!(whoami(&home, token).await, (StatusCode::OK, json!({ "username": "alice", "role": "user" })));
    let listed = json!([{ "username": "admin", "role": "admin" }, { "username": "alice", "role": "user" }]);
    assert_eq!(send(&home, "GET", "/users", Value::Null).await, (StatusCode::OK, listed));
    let (status, body) = send(&home, "POST", "/users", json!({ "username": "alice" })).await;
    assert_eq!((status, error(&body)), (StatusCode::CONFLICT, "user alice already exists"));

    assert_eq!(send(&home, "DELETE", "/users/alice", Value::Null).await, (StatusCode::NO_CONTENT, Value::Null));
    let (status, body) = send(&home, "DELETE", "/users/alice", Value::Null).await;
    assert_eq!((status, error(&body)), (StatusCode::NOT_FOUND, "user alice not found"));
    let (status, body) = whoami(&home, token).await;
    assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, "invalid access token"));
}

#[tokio::test]
async fn a_users_token_is_replaced_from_the_next_request_on() {
    let home = Home::enterprise().await;
    send(&home, "POST", "/users", json!({ "username": "alice", "access_token": "alice_token_123" })).await;
    let change = json!({ "username": "ignored", "access_token": "alice_token_456" });
    let (status, body) = send(&home, "PUT", "/users/alice", change).await;
    assert_eq!((status, body), (StatusCode::OK, json!({ "username": "alice", "role": "user" })));
    assert_eq!(whoami(&home, "alice_token_123").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(whoami(&home, "alice_token_456").await.0, StatusCode::OK);

    let (_, body) = send(&home, "PUT", "/users/alice", json!({ "rotate": true, "grace_seconds": 600 })).await;
    let generated = body["access_token"].as_str().unwrap();
    for token in ["alice_token_456", generated] {
        assert_eq!(whoami(&home, token).await.0, StatusCode::OK);
    }
    let (status, _) = send(&home, "PUT", "/users/admin", json!({ "access_token": "the-new-admin-token" })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(whoami(&home, ADMIN).await.0, StatusCode::UNAUTHORIZED, "an admin replaces their own token, too");
    assert_eq!(whoami(&home, "the-new-admin-token").await.1["role"], "admin");
}

#[tokio::test]
async fn there_is_always_an_administrator() {
    let home = Home::enterprise().await;
    let (status, body) = send(&home, "DELETE", "/users/admin", Value::Null).await;
    assert_eq!((status, error(&body)), (StatusCode::BAD_REQUEST, "cannot delete an admin user"));
    let (status, body) = send(&home, "PUT", "/users/admin", json!({ "role": "user" })).await;
    let last = "cannot take the role from the last admin: make another user an admin first";
    assert_eq!((status, error(&body)), (StatusCode::BAD_REQUEST, last));

    let second = json!({ "username": "root", "role": "admin", "access_token": "token-of-root" });
    assert_eq!(send(&home, "POST", "/users", second).await.1["role"], "admin");
    assert_eq!(send(&home, "PUT", "/users/admin", json!({ "role": "user" })).await.1["role"], "user");
    let (status, body) = send(&home, "GET", "/users", Value::Null).await;
    assert_eq!((status, error(&body)), (StatusCode::FORBIDDEN, "user is not authorized to perform this action"));
    let (status, body) = home.send_as("token-of-root", "DELETE", "/api/v0/users/admin", Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    let users = home.send_as("token-of-root", "GET", "/api/v0/users", Value::Null).await;
    assert_eq!(users.1, json!([{ "username": "root", "role": "admin" }]));
}

#[tokio::test]
async fn a_user_that_is_not_described_well_is_refused() {
    let home = Home::enterprise().await;
    for (method, path, body, status, fragment) in [
        ("POST", "/users", json!({}), 400, "username is required"),
        ("POST", "/users", json!({ "username": "" }), 400, "username is required"),
        ("POST", "/users", json!({ "username": "whoami" }), 400, "invalid username: 'whoami'"),
        ("POST", "/users", json!({ "username": ".." }), 400, "invalid username: '..'"),
        ("POST", "/users", json!({ "username": "u", "role": "root" }), 400, "invalid role: 'root'"),
        ("POST", "/users", json!({ "username": "u", "access_token": "short" }), 400, "invalid access token"),
        ("POST", "/users", json!({ "username": "u", "access_token": ADMIN }), 409, "in use already"),
        ("PUT", "/users/u", json!({ "role": "admin" }), 404, "user u not found"),
        ("PUT", "/users/admin", json!({}), 400, "nothing to update"),
        ("PUT", "/users/admin", json!({ "access_token": "" }), 400, "invalid access token"),
        ("PUT", "/users/%00", json!({ "role": "admin" }), 400, "invalid username"),
        ("DELETE", "/users/%00", Value::Null, 400, "invalid username"),
    ] {
        let (got, answer) = send(&home, method, path, body.clone()).await;
        assert_eq!(got, status, "{method} {path} {body}: {answer}");
        assert!(error(&answer).contains(fragment), "{method} {path} {body}: {answer}");
    }
}

#[tokio::test]
async fn users_look_and_call_and_admins_do_everything() {
    let (home, upstream) = (Home::enterprise().await, Upstream::start().await);
    let (status, body) = send(&home, "POST", "/servers", upstream.description("s")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    send(&home, "POST", "/users", json!({ "username": "u", "access_token": "token-of-u" })).await;
    send(&home, "POST", "/clients", json!({ "name": "c", "access_token": "token-of-c", "allow_list": ["*"] })).await;
    let as_user = async |method: &str, path: &str, body: Value| {
        home.send_as("token-of-u", method, &format!("/api/v0{path}"), body).await
    };
    for path in ["/users/whoami", "/servers", "/tools", "/tool?name=s__add", "/prompts", "/resources"] {
        assert_eq!(as_user("GET", path, Value::Null).await.0, StatusCode::OK, "{path}");
    }
    assert_eq!(as_user("POST", "/tools/invoke", json!({ "name": "s__echo" })).await.0, StatusCode::OK);
    for (method, path, body) in [
        ("GET", "/users", Value::Null),
        ("POST", "/users", json!({ "username": "x" })),
        ("PUT", "/users/u", json!({ "role": "admin" })),
        ("DELETE", "/users/u", Value::Null),
        ("GET", "/clients", Value::Null),
        ("POST", "/clients", json!({ "name": "x" })),
        ("PUT", "/clients/c", json!({ "rotate": true })),
        ("DELETE", "/clients/c", Value::Null),
        ("DELETE", "/servers/s", Value::Null),
        ("GET", "/tool-groups", Value::Null),
    ] {
        let (status, answer) = as_user(method, path, body).await;
        let refusal = "user is not authorized to perform this action";
        assert_eq!((status, error(&answer)), (StatusCode::FORBIDDEN, refusal), "{method} {path}");
    }
    let (status, body) = home.get("/api/v0/users/whoami").await;
    assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, "missing access token"));
    let (status, body) = whoami(&home, "token-of-c").await;
    assert_eq!((status, error(&body)), (StatusCode::UNAUTHORIZED, "invalid access token"), "a client's opens no API");
    assert_eq!(home.connect_as("token-of-c", "/mcp").await, StatusCode::OK);
    for token in ["token-of-u", ADMIN] {
        assert_eq!(home.connect_as(token, "/mcp").await, StatusCode::UNAUTHORIZED, "a user's opens no endpoint");
    }
}
