//! MCP clients over the API, and what becomes of their tokens.

use http::StatusCode;
use mcpjungle_host::identity::TokenDigest;
use serde_json::{Value, json};

use crate::fixture::{ADMIN, Home};
use crate::{error, without_head};

async fn send(home: &Home, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
    home.send_as(ADMIN, method, &format!("/api/v0{path}"), body).await
}

async fn create(home: &Home, client: Value) -> Value {
    let (status, body) = send(home, "POST", "/clients", client).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    body
}

#[tokio::test]
async fn a_client_is_created_listed_and_deleted() {
    let home = Home::enterprise().await;
    assert_eq!(send(&home, "GET", "/clients", Value::Null).await, (StatusCode::OK, json!([])));
    let given = json!({ "name": "cursor local", "description": "d", "allow_list": [" a ", "b__*", "a"] });
    let mut created = create(&home, given.clone()).await;
    let token = created.as_object_mut().unwrap().remove("access_token").unwrap();
    let token = token.as_str().unwrap();
    assert_eq!(token.len(), 43);
    let shown = json!({ "name": "cursor local", "description": "d", "allow_list": ["a", "b__*"] });
    assert_eq!(without_head(created.clone()), shown);
    assert_eq!(send(&home, "GET", "/clients", Value::Null).await, (StatusCode::OK, json!([created])));
    assert_eq!(home.connect_as(token, "/mcp").await, StatusCode::OK);

    let (status, body) = send(&home, "POST", "/clients", given).await;
    assert_eq!((status, error(&body)), (StatusCode::CONFLICT, "MCP client cursor local already exists"));
    for _ in 0..2 {
        let gone = send(&home, "DELETE", "/clients/cursor%20local", Value::Null).await;
        assert_eq!(gone, (StatusCode::NO_CONTENT, Value::Null));
    }
    assert_eq!(send(&home, "GET", "/clients", Value::Null).await.1, json!([]));
    assert_eq!(home.connect_as(token, "/mcp").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_clients_token_can_be_chosen_and_is_nobody_elses_then() {
    let home = Home::enterprise().await;
    let created = create(&home, json!({ "name": "a", "access_token": "my_custom_token" })).await;
    assert_eq!((&created["access_token"], &created["allow_list"]), (&json!("my_custom_token"), &json!([])));
    assert_eq!(home.connect_as("my_custom_token", "/mcp").await, StatusCode::OK);
    let taken = "this access token is in use already: choose another one";
    for token in ["my_custom_token", ADMIN] {
        let (status, body) = send(&home, "POST", "/clients", json!({ "name": "b", "access_token": token })).await;
        assert_eq!((status, error(&body)), (StatusCode::CONFLICT, taken));
        create(&home, json!({ "name": "c" })).await;
        let (status, body) = send(&home, "PUT", "/clients/c", json!({ "access_token": token })).await;
        assert_eq!((status, error(&body)), (StatusCode::CONFLICT, taken));
        send(&home, "DELETE", "/clients/c", Value::Null).await;
    }
    // As command lines send it that know only this way to ask for a token.
    let generated = create(&home, json!({ "name": "d", "access_token": "", "is_custom_access_token": false })).await;
    assert_eq!(generated["access_token"].as_str().unwrap().len(), 43);
}

#[tokio::test]
async fn a_client_that_is_not_described_well_is_refused() {
    let home = Home::enterprise().await;
    create(&home, json!({ "name": "c" })).await;
    for (method, path, body, status, fragment) in [
        ("POST", "/clients", json!({}), 400, "name is required"),
        ("POST", "/clients", json!({ "name": " c" }), 400, "invalid client name: ' c' must not begin or end"),
        ("POST", "/clients", json!({ "name": "x", "access_token": "short" }), 400, "at least 8 characters in length"),
        ("POST", "/clients", json!({ "name": "x", "access_token": "a b c d e" }), 400, "whitespace characters"),
        (
            "POST",
            "/clients",
            json!({ "name": "x", "access_token": "", "is_custom_access_token": true }),
            400,
            "at least",
        ),
        ("POST", "/clients", json!({ "name": "x", "allow_list": "a" }), 400, "cannot unmarshal"),
        ("POST", "/clients", json!({ "name": "x", "allow_list": ["a", ""] }), 400, "allow_list: entry 2 is empty"),
        ("POST", "/clients", json!({ "name": "x", "description": "\u{0}" }), 400, "NUL character"),
        ("PUT", "/clients/x", json!({ "description": "" }), 404, "MCP client x not found"),
        ("PUT", "/clients/c", json!({}), 400, "nothing to update"),
        ("PUT", "/clients/c", json!({ "access_token": "" }), 400, "invalid access token"),
        ("PUT", "/clients/c", json!({ "grace_seconds": 5 }), 400, "'grace_seconds' needs a new token"),
        ("PUT", "/clients/c", json!({ "rotate": true, "grace_seconds": -5 }), 400, "cannot unmarshal"),
        ("PUT", "/clients/c", json!({ "rotate": true, "access_token": "my_custom_token" }), 400, "not both"),
        ("PUT", "/clients/c", json!({ "allow_list": [" "] }), 400, "allow_list: entry 1 is empty"),
        ("PUT", "/clients/%00", json!({ "description": "" }), 400, "invalid client name"),
        ("DELETE", "/clients/%00", Value::Null, 400, "invalid client name"),
    ] {
        let (got, answer) = send(&home, method, path, body.clone()).await;
        assert_eq!(got, status, "{method} {path} {body}: {answer}");
        assert!(error(&answer).contains(fragment), "{method} {path} {body}: {answer}");
    }
    assert_eq!(send(&home, "GET", "/clients", Value::Null).await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn of_a_client_only_what_is_given_is_replaced() {
    let home = Home::enterprise().await;
    let before = json!({ "name": "c", "description": "d", "allow_list": ["a"], "access_token": "my_custom_token" });
    create(&home, before).await;
    let (status, body) = send(&home, "PUT", "/clients/c", json!({ "name": "x", "allow_list": ["b", "c"] })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(without_head(body), json!({ "name": "c", "description": "d", "allow_list": ["b", "c"] }));
    let (_, body) = send(&home, "PUT", "/clients/c", json!({ "description": "", "allow_list": [] })).await;
    assert_eq!(without_head(body), json!({ "name": "c", "description": "", "allow_list": [] }));
    assert_eq!(home.connect_as("my_custom_token", "/mcp").await, StatusCode::OK);
    let change = json!({ "access_token": "my_other_token", "description": "new" });
    let (_, body) = send(&home, "PUT", "/clients/c", change).await;
    let shown = json!({ "name": "c", "description": "new", "allow_list": [] });
    assert_eq!(without_head(body), shown, "a token that was chosen is not shown again");
    assert_eq!(home.connect_as("my_custom_token", "/mcp").await, StatusCode::UNAUTHORIZED);
    assert_eq!(home.connect_as("my_other_token", "/mcp").await, StatusCode::OK);
}

#[tokio::test]
async fn a_replaced_token_lives_on_as_long_as_asked_for() {
    let home = Home::enterprise().await;
    create(&home, json!({ "name": "c", "access_token": "token-one" })).await;
    let (status, body) = send(&home, "PUT", "/clients/c", json!({ "rotate": true, "grace_seconds": 600 })).await;
    assert_eq!(status, StatusCode::OK);
    let generated = body["access_token"].as_str().unwrap().to_owned();
    for token in ["token-one", &generated] {
        assert_eq!(home.connect_as(token, "/mcp").await, StatusCode::OK);
    }
    home.change_database("UPDATE access_tokens SET expires_at = 1 WHERE expires_at > 1; UPDATE revision SET revision = revision + 1; UPDATE identities SET revision = (SELECT revision FROM revision) WHERE name = 'c'").await;
    send(&home, "PUT", "/clients/c", json!({ "description": "read again" })).await;
    assert_eq!(home.connect_as("token-one", "/mcp").await, StatusCode::UNAUTHORIZED, "its time has come");
    assert_eq!(home.connect_as(&generated, "/mcp").await, StatusCode::OK);

    send(&home, "PUT", "/clients/c", json!({ "access_token": "token-three", "grace_seconds": 600 })).await;
    assert_eq!(home.connect_as(&generated, "/mcp").await, StatusCode::OK);
    send(&home, "PUT", "/clients/c", json!({ "access_token": "token-four" })).await;
    for gone in [generated.as_str(), "token-three"] {
        assert_eq!(home.connect_as(gone, "/mcp").await, StatusCode::UNAUTHORIZED, "{gone}");
    }
}

#[tokio::test]
async fn a_token_is_neither_shown_again_nor_stored() {
    let home = Home::enterprise().await;
    create(&home, json!({ "name": "c", "access_token": "my_custom_token" })).await;
    let generated = create(&home, json!({ "name": "d" })).await["access_token"].as_str().unwrap().to_owned();
    let (_, user) = send(&home, "POST", "/users", json!({ "username": "u" })).await;
    let of_user = user["access_token"].as_str().unwrap().to_owned();
    let (_, clients) = send(&home, "GET", "/clients", Value::Null).await;
    let (_, users) = send(&home, "GET", "/users", Value::Null).await;
    let shown = format!("{clients}{users}");
    let stored = home.files();
    for token in ["my_custom_token", &generated, &of_user, ADMIN] {
        let digest = TokenDigest::of(token).to_string();
        assert!(!shown.contains(token) && !shown.contains(&digest), "{shown}");
        assert!(!stored.windows(token.len()).any(|window| window == token.as_bytes()), "{token} is stored");
        assert!(stored.windows(digest.len()).any(|window| window == digest.as_bytes()), "its digest is, though");
    }
}
