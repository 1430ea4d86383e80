//! Listing all that a server has.

use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::Offer;

use crate::fixture::{FakeServer, Seen, json, plain, result, upstreams};

fn capable(seen: &Seen, capabilities: &str) -> Response {
    let answer = result(seen, &format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{capabilities}}}"#));
    ([("mcp-session-id", "s1")], answer).into_response()
}

/// What a server offers that declares `capabilities` and answers lists by `list`.
async fn offer<F>(capabilities: &'static str, list: F) -> (Result<Offer, String>, FakeServer)
where
    F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
{
    let fake = FakeServer::start(move |seen| {
        let response = match seen.method().as_str() {
            "initialize" => capable(&seen, capabilities),
            _ => plain(&seen).unwrap_or_else(|| list(&seen)),
        };
        async move { response }
    })
    .await;
    let server = fake.server(SessionMode::Stateless);
    let headers = HeaderMap::from_iter([("x-key".parse().unwrap(), "k".parse().unwrap())]);
    let offer = upstreams().fetch_offer(&server, headers).await.map_err(|error| error.to_string());
    (offer, fake)
}

#[tokio::test]
async fn everything_is_listed_as_the_server_spelled_it_page_by_page() {
    let (offer, fake) = offer(r#"{"tools":{},"prompts":{},"resources":{}}"#, |seen| {
        let cursor = seen.body.split_once(r#""cursor":"#).map(|(_, cursor)| cursor);
        match (seen.method().as_str(), cursor) {
            ("tools/list", None) => result(seen, r#"{"tools":[{"name":"a", "x":1.0}, 7],"nextCursor":""}"#),
            ("tools/list", Some(cursor)) if cursor.starts_with("\"\"") => {
                result(seen, r#"{"tools":[],"nextCursor":"\u0061 b"}"#)
            }
            ("tools/list", Some(_)) => result(seen, r#"{"nextCursor":null,"tools":[{"name":"b"}]}"#),
            ("prompts/list", _) => result(seen, r#"{"prompts":[{"name":"p"}]}"#),
            ("resources/list", _) => result(seen, r#"{"resources":[{"uri":"r:1"}]}"#),
            (_, _) => result(seen, r#"{"resourceTemplates":[{"uriTemplate":"r:{x}"}]}"#),
        }
    })
    .await;
    let offer = offer.unwrap();
    assert_eq!(offer.tools, [r#"{"name":"a", "x":1.0}"#, "7", r#"{"name":"b"}"#]);
    assert_eq!(offer.prompts, [r#"{"name":"p"}"#]);
    assert_eq!(offer.resources, [r#"{"uri":"r:1"}"#]);
    assert_eq!(offer.resource_templates, [r#"{"uriTemplate":"r:{x}"}"#]);
    assert_eq!(
        offer.initialize,
        r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":{},"resources":{}}}"#
    );

    let pages: Vec<_> = fake.requests("tools/list").into_iter().map(|seen| seen.body).collect();
    assert_eq!(
        pages,
        [
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":""}}"#,
            r#"{"jsonrpc":"2.0","id":3,"method":"tools/list","params":{"cursor":"\u0061 b"}}"#,
        ]
    );
    assert!(fake.seen().iter().all(|seen| seen.header("x-key") == Some("k")));
    fake.wait_until_deleted("s1").await;
}

#[tokio::test]
async fn what_is_not_declared_is_not_asked_for() {
    let (offer, fake) = offer(r#"{"logging":{}}"#, |seen| result(seen, "{}")).await;
    let offer = offer.unwrap();
    assert_eq!((offer.tools.len(), offer.prompts.len(), offer.resources.len()), (0, 0, 0));
    assert!(fake.seen().iter().all(|seen| !seen.method().ends_with("/list")));
}

#[tokio::test]
async fn tools_that_cannot_be_listed_fail_the_server() {
    type List = fn(&Seen) -> Response;
    let cases: [(List, &str); 6] = [
        (|seen| result(seen, "[]"), "is not an object with an array `tools`"),
        (|seen| result(seen, r#"{"tools":{}}"#), "is not an object with an array `tools`"),
        (|seen| result(seen, r#"{"tools":[],"nextCursor":3}"#), "cursor is not a string"),
        (|seen| result(seen, r#"{"tools":[1],"nextCursor":"same"}"#), "comes back to a page"),
        (
            |seen| {
                json(format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":1,"message":"no \"list\""}}}}"#, seen.id()))
            },
            "is of no use: no \"list\"",
        ),
        (|_| json("nonsense"), "not valid JSON"),
    ];
    for (list, problem) in cases {
        let (offer, fake) = offer(r#"{"tools":{}}"#, list).await;
        let error = offer.unwrap_err();
        assert!(error.starts_with("server `fake`: ") && error.contains(problem), "{error}");
        fake.wait_until_deleted("s1").await;
    }
}

#[tokio::test]
async fn a_server_whose_prompts_cannot_be_listed_still_offers_its_tools() {
    let (offer, _fake) = offer(r#"{"tools":{},"prompts":{},"resources":{}}"#, |seen| match seen.method().as_str() {
        "tools/list" => result(seen, r#"{"tools":[{"name":"t"}]}"#),
        "resources/list" => result(seen, r#"{"resources":[{"uri":"u"}]}"#),
        _ => result(seen, "null"),
    })
    .await;
    let offer = offer.unwrap();
    assert_eq!((offer.tools.len(), offer.prompts.len(), offer.resources.len()), (1, 0, 1));
    assert!(offer.resource_templates.is_empty());
}
