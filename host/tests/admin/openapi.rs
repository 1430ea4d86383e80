//! The description of the API against the API, and against its documentation for people.

use std::collections::BTreeSet;

use axum::body::Body;
use http::StatusCode;
use serde_json::Value;

use crate::fixture::Home;

const METHODS: [&str; 7] = ["get", "post", "put", "delete", "patch", "options", "trace"];

async fn document(home: &Home) -> Value {
    let (status, document) = home.get("/api/v0/openapi.json").await;
    assert_eq!(status, StatusCode::OK);
    document
}

/// Each operation: method in lower case, path, and what is said of it.
fn operations(document: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap();
            methods.iter().map(move |(method, operation)| (method.as_str(), path.as_str(), operation))
        })
        .collect()
}

fn walk(value: &Value, see: &mut impl FnMut(&str, &Value)) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| {
            see(name, value);
            walk(value, see);
        }),
        Value::Array(elements) => elements.iter().for_each(|element| walk(element, see)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_is_whole() {
    let document = document(&Home::new().await).await;
    assert_eq!((&document["openapi"], &document["info"]["version"]), (&"3.1.0".into(), &"0.1.0".into()));
    let mut used = BTreeSet::new();
    walk(&document, &mut |name, value| {
        if name == "$ref" {
            used.insert(value.as_str().unwrap().trim_start_matches("#/components/schemas/").to_owned());
        }
    });
    let schemas: BTreeSet<String> = document["components"]["schemas"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(used.difference(&schemas).collect::<Vec<_>>(), Vec::<&String>::new(), "schemas that are missing");
    let operations = operations(&document);
    let ids: BTreeSet<&str> =
        operations.iter().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len(), "each operation has an id of its own");
    let tags: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    for (method, path, operation) in operations {
        assert!(tags.contains(operation["tags"][0].as_str().unwrap()), "{method} {path}");
        let in_path =
            operation["parameters"].as_array().into_iter().flatten().filter(|parameter| parameter["in"] == "path");
        assert_eq!(in_path.count(), path.matches('{').count(), "{method} {path}: parameters in the path");
    }
}

#[tokio::test]
async fn what_is_described_is_served_and_no_other_method_is() {
    let home = Home::new().await;
    let document = document(&home).await;
    let described: BTreeSet<(&str, &str)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let paths: BTreeSet<&str> = described.iter().map(|(_, path)| *path).collect();
    for path in paths {
        // No name, so that nothing is done; and nothing that was described is unknown.
        let real = path.replace("{name}", "%20");
        for method in METHODS {
            let (status, body) = home.send(&method.to_uppercase(), &real, Body::empty()).await;
            let is_served = status != StatusCode::METHOD_NOT_ALLOWED && body["error"] != "there is no such route";
            assert_eq!(is_served, described.contains(&(method, path)), "{method} {path}: {status} {body}");
            if !is_served {
                assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
                assert_eq!(body["error"], "this route does not take that method", "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn programs_and_people_are_told_of_the_same_routes() {
    let home = Home::new().await;
    let document = document(&home).await;
    let for_programs: BTreeSet<String> = operations(&document)
        .into_iter()
        .map(|(method, path, _)| format!("{} {}", method.to_uppercase(), path.trim_start_matches("/api/v0")))
        .collect();
    let page = include_str!("../../../docs/http-api.md");
    let for_people: BTreeSet<String> = page
        .split('`')
        .filter(|code| METHODS.iter().any(|method| code.starts_with(&format!("{} /", method.to_uppercase()))))
        .map(|code| code.split(['[', '?']).next().unwrap_or_default().replace("/api/v0", ""))
        // It is there only if metrics are on.
        .filter(|route| route != "GET /metrics")
        .collect();
    assert_eq!(for_programs, for_people);
}

#[tokio::test]
async fn metrics_are_described_where_they_are_served() {
    let home = Home::with_metrics().await;
    let document = document(&home).await;
    assert!(document["paths"]["/metrics"]["get"].is_object());
    assert_eq!(home.send_raw("GET", "/metrics", Body::empty()).await.0, StatusCode::OK);
}
