//! Tool groups over the API; what is in them is the stock tool-filter's decision.

use http::StatusCode;
use serde_json::{Value, json};

use crate::error;
use crate::fixture::{Home, Upstream};

async fn effective(home: &Home, group: &str) -> Value {
    home.get(&format!("/api/v0/tool-groups/{group}/effective-tools")).await.1["tools"].clone()
}

#[tokio::test]
async fn a_group_is_created_shown_and_deleted() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.register("t", &upstream).await;
    let group = json!({
        "name": "g", "description": "d", "included_tools": ["s__add"], "included_servers": ["t"],
        "excluded_tools": ["t__echo"]
    });
    let endpoints = json!({
        "streamable_http_endpoint": "http://127.0.0.1:8080/v0/groups/g/mcp",
        "sse_endpoint": "http://127.0.0.1:8080/v0/groups/g/sse",
        "sse_message_endpoint": "http://127.0.0.1:8080/v0/groups/g/message"
    });
    assert_eq!(home.post("/api/v0/tool-groups", group.clone()).await, (StatusCode::CREATED, endpoints.clone()));
    assert_eq!(home.get("/api/v0/tool-groups").await, (StatusCode::OK, json!([group])));
    let mut shown = group.clone();
    shown.as_object_mut().unwrap().extend(endpoints.as_object().unwrap().clone());
    assert_eq!(home.get("/api/v0/tool-groups/g").await, (StatusCode::OK, shown));
    assert_eq!(effective(&home, "g").await, json!(["s__add", "t__add"]));
    let (status, body) = home.post("/api/v0/tool-groups", group).await;
    assert_eq!(status, StatusCode::CONFLICT, "{body}");

    for _ in 0..2 {
        assert_eq!(home.send("DELETE", "/api/v0/tool-groups/g", "").await.0, StatusCode::NO_CONTENT);
    }
    for path in ["/api/v0/tool-groups/g", "/api/v0/tool-groups/g/effective-tools"] {
        let (status, body) = home.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(error(&body).contains("tool group not found"), "{body}");
    }
}

#[tokio::test]
async fn a_group_that_holds_nothing_is_refused_and_not_kept() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.post("/api/v0/tools/disable?entity=s__echo", Value::Null).await;
    for (group, status, fragment) in [
        (json!({ "name": "" }), StatusCode::BAD_REQUEST, "invalid group name"),
        (json!({ "name": "-x" }), StatusCode::BAD_REQUEST, "invalid group name"),
        (json!({ "name": "g" }), StatusCode::BAD_REQUEST, "at least one tool"),
        (
            json!({ "name": "g", "included_servers": ["s"], "excluded_tools": ["s__add", "s__echo"] }),
            StatusCode::BAD_REQUEST,
            "at least one tool",
        ),
        (
            json!({ "name": "g", "included_tools": ["s__x"] }),
            StatusCode::BAD_REQUEST,
            "tool s__x does not exist or is disabled",
        ),
        (
            json!({ "name": "g", "included_tools": ["s__echo"] }),
            StatusCode::BAD_REQUEST,
            "tool s__echo does not exist or is disabled",
        ),
        (json!({ "name": "g", "included_tools": ["plain"] }), StatusCode::BAD_REQUEST, "separator"),
        (json!({ "name": "g", "included_servers": ["x"] }), StatusCode::NOT_FOUND, "not found"),
        (json!({ "name": "g", "included_tools": "s__add" }), StatusCode::BAD_REQUEST, "cannot unmarshal"),
    ] {
        let (got, body) = home.post("/api/v0/tool-groups", group.clone()).await;
        assert_eq!(got, status, "{group}");
        assert!(error(&body).contains(fragment), "{group}: {body}");
    }
    assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([]));
    let with_a_disabled_tool = json!({ "name": "g", "included_servers": ["s"] });
    assert_eq!(home.post("/api/v0/tool-groups", with_a_disabled_tool).await.0, StatusCode::CREATED);
}

#[tokio::test]
async fn a_group_is_replaced_as_a_whole() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    let old = json!({ "name": "g", "description": "d", "included_servers": ["s"], "excluded_tools": ["s__add"] });
    home.post("/api/v0/tool-groups", old.clone()).await;
    // What the group already includes may have gone meanwhile.
    home.post("/api/v0/tools/disable?entity=s", Value::Null).await;

    let put = |body: Value| {
        let home = &home;
        async move { home.send("PUT", "/api/v0/tool-groups/g", body.to_string()).await }
    };
    let (status, body) = put(json!({ "name": "ignored", "included_servers": ["s"] })).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let new = json!({ "name": "g", "description": "", "included_servers": ["s"] });
    assert_eq!(body, json!({ "name": "g", "old": old, "new": new }));
    assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([new]));
    assert_eq!(effective(&home, "g").await, json!(["s__add", "s__echo"]));

    assert_eq!(put(json!({ "included_tools": ["s__x"] })).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(put(json!({})).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([new]), "a refused replacement changes nothing");
    let (status, _) = home.send("PUT", "/api/v0/tool-groups/x", "{}").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_group_may_be_of_prompts_and_resources_and_of_chosen_clients() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    for alone in [json!({ "included_prompts": ["s__greet"] }), json!({ "included_resources": ["s__r"] })] {
        let mut group = json!({ "name": "g", "description": "" });
        group.as_object_mut().unwrap().extend(alone.as_object().unwrap().clone());
        assert_eq!(home.post("/api/v0/tool-groups", group.clone()).await.0, StatusCode::CREATED, "{group}");
        assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([group]));
        assert_eq!(effective(&home, "g").await, json!([]));
        home.send("DELETE", "/api/v0/tool-groups/g", "").await;
    }
    let all = json!({
        "name": "g", "description": "d", "included_tools": ["s__add"], "included_prompts": ["s__greet"],
        "excluded_prompts": ["gone__p"], "included_resources": ["mcpj://res/s/ZmlsZTovLy9y", "s__file:///r"],
        "excluded_resources": ["gone__r"], "allowed_clients": ["not there yet"]
    });
    home.post("/api/v0/tool-groups", all.clone()).await;
    assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([all]));
    // A replacement that says nothing of them removes them; no client is not every client.
    let put = json!({ "included_tools": ["s__add"], "allowed_clients": [] });
    let (status, body) = home.send("PUT", "/api/v0/tool-groups/g", put.to_string()).await;
    let new = json!({ "name": "g", "description": "", "included_tools": ["s__add"], "allowed_clients": [] });
    assert_eq!((status, body), (StatusCode::OK, json!({ "name": "g", "old": all, "new": new })));
}

#[tokio::test]
async fn what_cannot_be_in_a_group_is_refused_by_name() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    for (part, fragment) in [
        (json!({ "included_prompts": ["s__add"] }), "prompt s__add does not exist or is disabled"),
        (json!({ "included_prompts": ["greet"] }), "separator"),
        (json!({ "included_resources": ["s__add"] }), "resource s__add does not exist or is disabled"),
        (json!({ "included_resources": ["mcpj://res/s/eA"] }), "resource mcpj://res/s/eA does not exist"),
        (json!({ "included_resources": ["file:///r"] }), "separator"),
        (json!({ "included_resources": ["mcpj://tpl/s/file:///{x}"] }), "name it as <server>__<name>"),
        (json!({ "excluded_prompts": ["-/__p"] }), "invalid server name"),
        (json!({ "excluded_resources": ["mcpj://res/s"] }), "'mcpj://res/s' is not a URI as the gateway lists them"),
        (json!({ "allowed_clients": [""] }), "invalid client name: '' must not be empty"),
        (json!({ "allowed_clients": "cursor" }), "cannot unmarshal"),
        (
            json!({ "included_tools": [], "included_prompts": ["s__greet"], "excluded_prompts": ["s__greet"] }),
            "at least one tool, prompt or resource",
        ),
        (
            json!({ "included_tools": [], "included_resources": ["s__r"], "excluded_resources": ["s__file:///r"] }),
            "at least one tool, prompt or resource",
        ),
    ] {
        let mut group = json!({ "name": "g", "included_tools": ["s__add"] });
        group.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        let (status, body) = home.post("/api/v0/tool-groups", group).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{part}: {body}");
        assert!(error(&body).contains(fragment), "{part}: {body}");
    }
    assert_eq!(home.get("/api/v0/tool-groups").await.1, json!([]));
}

#[tokio::test]
async fn a_group_outlives_a_server_that_it_includes() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.register("t", &upstream).await;
    home.post("/api/v0/tool-groups", json!({ "name": "g", "included_servers": ["s", "t"] })).await;
    home.send("DELETE", "/api/v0/servers/t", "").await;
    assert_eq!(effective(&home, "g").await, json!(["s__add", "s__echo"]));
    home.register("t", &upstream).await;
    assert_eq!(effective(&home, "g").await.as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn a_refused_replacement_does_not_undo_one_that_was_accepted_meanwhile() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    home.post("/api/v0/tool-groups", json!({ "name": "g", "included_servers": ["s"] })).await;
    let put = |body: Value| {
        let home = &home;
        async move { home.send("PUT", "/api/v0/tool-groups/g", body.to_string()).await.0 }
    };
    for round in 0..10 {
        let accepted = json!({ "description": round.to_string(), "included_servers": ["s"] });
        // The first and the third are each stored, found to hold nothing, and taken back.
        let (first, second, third) = tokio::join!(put(json!({})), put(accepted), put(json!({})));
        assert_eq!((first, second, third), (StatusCode::BAD_REQUEST, StatusCode::OK, StatusCode::BAD_REQUEST));
        let (_, group) = home.get("/api/v0/tool-groups/g").await;
        assert_eq!(group["description"], round.to_string());
    }
}

#[tokio::test]
async fn a_refused_group_does_not_take_an_accepted_one_of_its_name_along() {
    let (home, upstream) = (Home::new().await, Upstream::start().await);
    home.register("s", &upstream).await;
    for _ in 0..10 {
        let (refused, accepted) = tokio::join!(
            home.post("/api/v0/tool-groups", json!({ "name": "g" })),
            home.post("/api/v0/tool-groups", json!({ "name": "g", "included_servers": ["s"] })),
        );
        assert_ne!(refused.0, StatusCode::CREATED, "{}", refused.1);
        assert_eq!(accepted.0, StatusCode::CREATED, "a draft that is taken back takes no name: {}", accepted.1);
        assert_eq!(effective(&home, "g").await, json!(["s__add", "s__echo"]));
        home.send("DELETE", "/api/v0/tool-groups/g", "").await;
    }
}
