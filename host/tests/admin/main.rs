//! The HTTP API on a real gateway, with a real MCP server behind it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use axum::body::Body;
use http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::{Home, Upstream};

mod clients;
mod fixture;
mod groups;
mod initializing;
mod openapi;
mod sync;
mod users;

const R_URI: &str = "mcpj://res/s/ZmlsZTovLy9y";

/// Takes out what differs from run to run, after a look at it.
fn without_head(mut record: Value) -> Value {
    let members = record.as_object_mut().unwrap();
    assert!(members.remove("ID").unwrap().is_i64());
    for time in ["CreatedAt", "UpdatedAt"] {
        let time = members.remove(time).unwrap();
        assert!(time.as_str().unwrap().starts_with("20") && time.as_str().unwrap().ends_with('Z'), "{time}");
    }
    assert_eq!(members.remove("DeletedAt"), Some(Value::Null));
    record
}

fn error(body: &Value) -> &str {
    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
    body["error"].as_str().unwrap()
}

#[tokio::test]
async fn the_gateway_tells_of_itself() {
    let home = Home::new().await;
    assert_eq!(home.get("/health").await, (StatusCode::OK, json!({ "status": "ok" })));
    assert_eq!(home.get("/metadata").await, (StatusCode::OK, json!({ "version": "v0.1.0" })));
    let (status, body) = home.post("/init", json!({ "mode": "production" })).await;
    assert_eq!((status, error(&body)), (StatusCode::BAD_REQUEST, "Server is already initialized"));
    let (status, body) = home.send("POST", "/init", "{").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(error(&body).starts_with("Invalid request body: "), "{body}");
}

#[tokio::test]
async fn what_the_api_does_not_have_is_said_in_json() {
    let home = Home::new().await;
    for (method, path, status) in [
        ("GET", "/api/v0/nothing", StatusCode::NOT_FOUND),
        ("GET", "/api/v0", StatusCode::NOT_FOUND),
        ("GET", "/api/v0/", StatusCode::NOT_FOUND),
        ("GET", "/nothing", StatusCode::NOT_FOUND),
        ("GET", "/", StatusCode::NOT_FOUND),
        ("DELETE", "/api/v0/servers/%FF", StatusCode::BAD_REQUEST),
        ("POST", "/api/v0/servers/%FF/enable", StatusCode::BAD_REQUEST),
        ("GET", "/api/v0/tool-groups/%FF", StatusCode::BAD_REQUEST),
        ("POST", "/v0/groups/%FF/mcp", StatusCode::BAD_REQUEST),
        ("POST", "/v0/servers/%FF/mcp", StatusCode::BAD_REQUEST),
        ("PATCH", "/api/v0/servers", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/api/v0/tools/invoke", StatusCode::METHOD_NOT_ALLOWED),
        ("DELETE", "/health", StatusCode::METHOD_NOT_ALLOWED),
        ("GET", "/api/v0/users/whoami", StatusCode::FORBIDDEN),
        ("POST", "/api/v0/clients", StatusCode::FORBIDDEN),
        ("DELETE", "/api/v0/users/alice", StatusCode::FORBIDDEN),
    ] {
        let (got, body) = home.send(method, path, "").await;
        assert_eq!(got, status, "{method} {path}");
        assert!(!error(&body).is_empty());
    }
    let (_, body) = home.get("/api/v0/users").await;
    assert_eq!(error(&body), "this request is only allowed in enterprise mode");
    let (status, body) = home.send("POST", "/api/v0/tools/invoke", vec![b' '; (32 << 20) + 1]).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(!error(&body).is_empty());
}

#[tokio::test]
async fn a_registered_server_is_listed_and_shown_in_both_forms() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    assert_eq!(home.get("/api/v0/servers").await, (StatusCode::OK, json!([])));
    let (status, body) = home.post("/api/v0/servers", upstream.description("s")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    let listed = json!({
        "name": "s", "transport": "streamable_http", "enabled": true, "description": "a fixture",
        "url": upstream.url(), "command": "", "args": null, "env": null, "session_mode": "stateless",
        "tool_sync_interval_seconds": 300,
        "health": { "state": "healthy", "last_error": null, "last_error_at": null }
    });
    let mut both = listed.clone();
    both["server"] = listed.clone();
    assert_eq!(body, both);
    assert_eq!(home.get("/api/v0/servers").await, (StatusCode::OK, json!([listed])));
}

#[tokio::test]
async fn a_taken_name_is_refused_before_the_upstream_is_asked() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let asked = upstream.count("initialize");
    let (status, body) = home.post("/api/v0/servers", upstream.description("s")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(error(&body), "MCP server s already exists");
    assert_eq!(upstream.count("initialize"), asked);
}

#[tokio::test]
async fn of_registrations_of_one_name_at_once_one_wins() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    let registrations = (0..6).map(|_| home.post("/api/v0/servers", upstream.description("s")));
    let mut statuses: Vec<_> =
        futures_util::future::join_all(registrations).await.into_iter().map(|(status, _)| status.as_u16()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409, 409, 409, 409]);
    assert_eq!(home.get("/api/v0/servers").await.1.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_registration_that_fails_leaves_nothing_behind() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    let unreachable = json!({ "name": "s", "transport": "streamable_http", "url": "http://127.0.0.1:9/mcp" });
    let (status, body) = home.post("/api/v0/servers", unreachable.clone()).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!error(&body).is_empty());
    for (body, fragment) in [
        (r#"{"name":"a__b","transport":"stdio","command":"x"}"#, "invalid server name"),
        (r#"{"name":"a","transport":"streamable_http","url":"x"}"#, "must be a valid http or https url"),
        (r#"{"name":7}"#, "cannot unmarshal"),
        (r#"{"name":"#, "not valid JSON"),
        (r#"{"name":"a","transport":"sse"}"#, "url is required for SSE transport"),
    ] {
        let (status, answer) = home.send("POST", "/api/v0/servers", body).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(error(&answer).contains(fragment), "{body}: {answer}");
    }
    let (status, _) = home.post("/api/v0/servers?force=maybe", upstream.description("s")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(home.get("/api/v0/servers").await.1, json!([]));

    home.register("s", &upstream).await;
    let before = home.get("/api/v0/servers").await;
    let (status, _) = home.post("/api/v0/servers?force=true", unreachable).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(home.get("/api/v0/servers").await, before, "the old one stays until the new one works");
}

#[tokio::test]
async fn force_replaces_a_server() {
    let (home, old, new) = (Home::new().await, Upstream::start().await, Upstream::start().await);
    home.register("s", &old).await;
    home.post("/api/v0/tools/disable?entity=s__add", json!({})).await;
    let (status, body) = home.post("/api/v0/servers?force=true", new.description("s")).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(home.get("/api/v0/servers").await.1[0]["url"], new.url());
    assert_eq!(home.get("/api/v0/tool?name=s__add").await.1["enabled"], false);
    home.post("/api/v0/tools/invoke", json!({ "name": "s__echo" })).await;
    assert_eq!((old.count("tools/call"), new.count("tools/call")), (0, 1));
}

#[tokio::test]
async fn secrets_go_upstream_and_are_masked_unless_asked_for() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    let mut description = upstream.description("s");
    description["bearer_token"] = json!("t0ken");
    description["headers"] = json!({ "X-Key": "k3y" });
    let (status, body) = home.post("/api/v0/servers", description).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(upstream.authorization().as_deref(), Some("Bearer t0ken"));
    assert!(!body.to_string().contains("t0ken") && !body.to_string().contains("k3y"));

    let config = |token: &str, key: &str| {
        json!([{
            "name": "s", "transport": "streamable_http", "description": "a fixture", "url": upstream.url(),
            "bearer_token": token, "headers": { "X-Key": key }, "session_mode": "stateless"
        }])
    };
    assert_eq!(home.get("/api/v0/server_configs").await.1, config("[redacted]", "[redacted]"));
    assert_eq!(home.get("/api/v0/server_configs?reveal=true").await.1, config("t0ken", "k3y"));
}

#[tokio::test]
async fn a_deregistered_server_is_gone_with_all_it_offered() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    assert_eq!(home.send("DELETE", "/api/v0/servers/s", "").await, (StatusCode::NO_CONTENT, Value::Null));
    assert_eq!(home.get("/api/v0/tools").await.1, json!([]));
    let (status, body) = home.send("DELETE", "/api/v0/servers/s", "").await;
    assert_eq!((status, error(&body)), (StatusCode::NOT_FOUND, "MCP server s not found"));
    assert_eq!(home.send("DELETE", "/api/v0/servers/a__b", "").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_server_is_switched_with_all_it_offers() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.post("/api/v0/tools/disable?entity=s__add", json!({})).await;
    let (status, body) = home.post("/api/v0/servers/s/disable", Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, json!({ "name": "s", "tools_affected": ["s__echo"], "prompts_affected": ["s__greet"] }));
    assert_eq!(home.get("/api/v0/servers").await.1[0]["enabled"], false);
    assert_eq!(home.get("/api/v0/resources").await.1[0]["enabled"], false);
    let (_, body) = home.post("/api/v0/servers/s/disable", Value::Null).await;
    assert_eq!(body, json!({ "name": "s", "tools_affected": null, "prompts_affected": null }));
    let (_, body) = home.post("/api/v0/servers/s/enable", Value::Null).await;
    assert_eq!(body["tools_affected"], json!(["s__add", "s__echo"]));
    assert_eq!(home.post("/api/v0/servers/x/enable", Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn tools_are_listed_and_found() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.register("other", &upstream).await;
    let (_, all) = home.get("/api/v0/tools").await;
    assert_eq!(all.as_array().unwrap().len(), 4);
    let (_, tools) = home.get("/api/v0/tools?server=s").await;
    let add = json!({
        "name": "s__add", "enabled": true, "description": "Adds", "annotations": { "readOnlyHint": true },
        "input_schema": { "type": "object", "properties": { "a": { "type": "number" } }, "anyOf": [true] }
    });
    assert_eq!(without_head(tools[0].clone()), add);
    assert_eq!(tools[1]["annotations"], Value::Null);
    assert_eq!(without_head(home.get("/api/v0/tool?name=s__add").await.1), add);
    for (path, status, fragment) in [
        ("/api/v0/tools?server=a__b", StatusCode::BAD_REQUEST, "invalid server name"),
        ("/api/v0/tools?server=x", StatusCode::NOT_FOUND, "not found"),
        ("/api/v0/tool", StatusCode::BAD_REQUEST, "name"),
        ("/api/v0/tool?name=plain", StatusCode::BAD_REQUEST, "does not contain a __ separator"),
        ("/api/v0/tool?name=s__x", StatusCode::NOT_FOUND, "tool s__x not found: `mcpjungle explain` says why"),
    ] {
        let (got, body) = home.get(path).await;
        assert_eq!(got, status, "{path}");
        assert!(error(&body).contains(fragment), "{path}: {body}");
    }
}

#[tokio::test]
async fn a_tool_is_invoked_with_its_arguments_in_either_form() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    for (body, arguments) in [
        (json!({ "name": "s__echo", "a": 1 }), json!({ "a": 1 })),
        (json!({ "name": "s__echo", "arguments": { "name": "x" } }), json!({ "name": "x" })),
    ] {
        let (status, answer) = home.post("/api/v0/tools/invoke", body).await;
        assert_eq!(status, StatusCode::OK, "a tool's own error is an answer");
        let text = arguments.to_string();
        assert_eq!(answer, json!({ "content": [{ "type": "text", "text": text }], "isError": true }));
    }
    for (body, status, fragment) in [
        ("{}", StatusCode::BAD_REQUEST, "missing 'name' field in request body"),
        (r#"{"name":7}"#, StatusCode::BAD_REQUEST, "'name' field must be a string"),
        (r#"{"name":"plain"}"#, StatusCode::BAD_REQUEST, "does not contain a __ separator"),
        (r#"{"name":"x__t"}"#, StatusCode::NOT_FOUND, "MCP server x not found"),
        (r#"{"name":"s__t"}"#, StatusCode::NOT_FOUND, "tool 's__t' not found: `mcpjungle explain` says why"),
        (r#"{"name":"s__add"}"#, StatusCode::INTERNAL_SERVER_ERROR, "the adder is worn out"),
    ] {
        let (got, answer) = home.send("POST", "/api/v0/tools/invoke", body).await;
        assert_eq!(got, status, "{body}");
        assert!(error(&answer).contains(fragment), "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_disabled_tool_can_still_be_invoked_over_the_api() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.post("/api/v0/tools/disable?entity=s__echo", json!({})).await;
    assert_eq!(home.post("/api/v0/tools/invoke", json!({ "name": "s__echo" })).await.0, StatusCode::OK);
    home.post("/api/v0/servers/s/disable", json!({})).await;
    assert_eq!(home.post("/api/v0/tools/invoke", json!({ "name": "s__echo" })).await.0, StatusCode::OK);
}

#[tokio::test]
async fn tools_and_prompts_are_switched_one_by_one_or_by_server() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let post = |path: &'static str| {
        let home = &home;
        async move { home.post(path, Value::Null).await }
    };
    assert_eq!(post("/api/v0/tools/disable?entity=s__add").await, (StatusCode::OK, json!(["s__add"])));
    assert_eq!(post("/api/v0/tools/disable?entity=s__add").await, (StatusCode::OK, json!(["s__add"])));
    assert_eq!(post("/api/v0/tools/disable?entity=s").await, (StatusCode::OK, json!(["s__echo"])));
    assert_eq!(post("/api/v0/tools/disable?entity=s").await, (StatusCode::OK, Value::Null));
    assert_eq!(post("/api/v0/tools/enable?entity=s").await, (StatusCode::OK, json!(["s__add", "s__echo"])));
    assert_eq!(post("/api/v0/prompts/disable?entity=s__greet").await, (StatusCode::OK, json!(["s__greet"])));
    assert_eq!(post("/api/v0/prompts/enable?entity=s").await, (StatusCode::OK, json!(["s__greet"])));
    for (path, status) in [
        ("/api/v0/tools/enable", StatusCode::BAD_REQUEST),
        ("/api/v0/tools/enable?entity=a/b", StatusCode::BAD_REQUEST),
        ("/api/v0/tools/enable?entity=x", StatusCode::NOT_FOUND),
        ("/api/v0/tools/enable?entity=s__x", StatusCode::NOT_FOUND),
        ("/api/v0/prompts/enable?entity=s__x", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(post(path).await.0, status, "{path}");
    }
}

#[tokio::test]
async fn a_database_that_went_back_in_time_is_served_as_it_is() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let disabled = async || -> Vec<Value> {
        let (_, tools) = home.get("/api/v0/tools").await;
        let disabled = tools.as_array().unwrap().iter().filter(|tool| tool["enabled"] == false);
        disabled.map(|tool| tool["name"].clone()).collect()
    };
    for verb in ["disable", "enable", "disable", "enable"] {
        home.send("POST", &format!("/api/v0/tools/{verb}?entity=s__add"), "").await;
    }
    // As it might have been long ago, under a revision of the server that the gateway takes for another.
    home.change_database("UPDATE items SET enabled = 0 WHERE item_key = 'echo'; UPDATE revision SET revision = 1")
        .await;
    let (status, body) = home.post("/api/v0/tool-groups", json!({ "name": "g", "included_servers": ["s"] })).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(disabled().await, ["s__echo"]);
    home.send("POST", "/api/v0/tools/disable?entity=s__add", "").await;
    assert_eq!(disabled().await, ["s__add", "s__echo"]);
}

#[tokio::test]
async fn prompts_are_listed_found_and_rendered() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let greet = json!({
        "name": "s__greet", "enabled": true, "description": "Greets",
        "arguments": [{ "name": "who", "required": true }]
    });
    assert_eq!(without_head(home.get("/api/v0/prompts?server=s").await.1[0].clone()), greet);
    assert_eq!(without_head(home.get("/api/v0/prompt?name=s__greet").await.1), greet);
    assert_eq!(home.get("/api/v0/prompt?name=s__x").await.0, StatusCode::NOT_FOUND);

    let (status, body) =
        home.post("/api/v0/prompts/render", json!({ "name": "s__greet", "arguments": { "who": "you" } })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        body,
        json!({
            "description": "A greeting", "meta": { "m": 1 },
            "messages": [{ "role": "user", "content": { "type": "text", "text": "Hello \"you\"" } }]
        })
    );
    assert_eq!(home.post("/api/v0/prompts/render", json!({ "name": "s__x" })).await.0, StatusCode::NOT_FOUND);
    assert_eq!(home.post("/api/v0/prompts/render", json!({ "name": "plain" })).await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn resources_are_listed_found_and_read_under_our_uris() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let record = json!({
        "uri": R_URI, "name": "s__r", "enabled": true, "description": "", "mime_type": "text/plain",
        "annotations": null, "meta": { "k": 1 }
    });
    assert_eq!(without_head(home.get("/api/v0/resources").await.1[0].clone()), record);
    assert_eq!(without_head(home.post("/api/v0/resources/get", json!({ "uri": R_URI })).await.1), record);
    let (status, body) = home.post("/api/v0/resources/read", json!({ "uri": R_URI })).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body, json!({ "contents": [{ "uri": R_URI, "text": "content" }] }));
    for route in ["/api/v0/resources/get", "/api/v0/resources/read"] {
        let (status, body) = home.post(route, json!({ "uri": "file:///r" })).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(error(&body).contains("not a valid MCPJungle resource URI"), "{body}");
        let (status, _) = home.post(route, json!({ "uri": "mcpj://res/x/ZmlsZTovLy9y" })).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_change_that_was_begun_is_finished_though_its_caller_hung_up() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let was_read = Arc::new(AtomicBool::new(false));
    let body = body_that_tells(r#"{"name":"g","included_servers":["s"]}"#, Arc::clone(&was_read));
    let mut creation = Box::pin(home.send("POST", "/api/v0/tool-groups", body));
    // Nothing is waited for between the end of the body and the beginning of the change, so both are in one poll.
    std::future::poll_fn(|context| {
        assert!(creation.as_mut().poll(context).is_pending(), "a change runs apart from its caller");
        if was_read.load(Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    drop(creation);
    // Changes of groups take turns, so by the end of this one the first has ended, too.
    home.post("/api/v0/tool-groups", json!({ "name": "h", "included_servers": ["s"] })).await;
    let (_, groups) = home.get("/api/v0/tool-groups").await;
    assert_eq!(groups.as_array().unwrap().len(), 2, "{groups}");
}

/// A body that tells when it has been read to its end.
fn body_that_tells(text: &'static str, was_read: Arc<AtomicBool>) -> Body {
    let mut rest = Some(text);
    Body::from_stream(futures_util::stream::poll_fn(move |_| {
        let part = rest.take();
        was_read.store(part.is_none(), Ordering::Relaxed);
        Poll::Ready(part.map(Ok::<_, Infallible>))
    }))
}
