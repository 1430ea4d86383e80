//! What a server says and asks while it is called, byte by byte as a client gets it:
//! at the server itself, and through the gateway at both of its kinds of endpoints.

use serde_json::{Value, json};

use crate::harness::client::{Client, EventReader, send};
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

/// All that a client can be asked for.
const EVERYTHING: &str = r#"{"sampling":{},"elicitation":{"form":{},"url":{}},"roots":{}}"#;

/// Where a test runs, and what stands before names there.
struct Place {
    url: String,
    prefix: &'static str,
    over_http: bool,
    server: RawServer,
    /// `None` at the server itself.
    gateway: Option<Gateway>,
}

impl Place {
    fn call(&self, id: u32, tool: &str, arguments: &Value, token: Option<&Value>) -> String {
        let mut params = json!({ "name": format!("{}{tool}", self.prefix), "arguments": arguments });
        if let Some(token) = token {
            params["_meta"] = json!({ "progressToken": token });
        }
        json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
    }
}

/// The server directly, and behind gateways over HTTP and stdio.
fn places() -> Vec<Place> {
    let server = RawServer::conformance();
    let mut places = vec![Place { url: server.url(), prefix: "", over_http: true, server, gateway: None }];
    for (path, prefix) in [("/v0/servers/fixture/mcp", ""), ("/mcp", "fixture__")] {
        for over_http in [true, false] {
            let server = if over_http { RawServer::conformance() } else { RawServer::conformance_over_stdio() };
            let gateway = Gateway::start();
            gateway.register(&server.registration("fixture"));
            places.push(Place { url: gateway.url(path), prefix, over_http, server, gateway: Some(gateway) });
        }
    }
    places
}

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {response}"))
}

/// Reads on to the request that the server sends, and checks its method.
async fn asked(events: &mut EventReader, method: &str) -> Value {
    let request = events.next().await.expect("the stream goes on");
    assert_eq!(request["method"], method, "{request}");
    request
}

/// Answers what the server asked.
async fn answer(client: &Client, request: &Value, result: &Value) {
    let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": result }).to_string();
    assert_eq!(client.post(answer).await.status, 202);
}

#[tokio::test]
async fn bursts_of_progress_arrive_whole_in_order_and_before_their_responses() {
    for place in places() {
        let client = Client::connect(&place.url).await;
        let tokens: Vec<Value> =
            (0..10).map(|call| if call % 2 == 0 { json!(call) } else { json!(format!("token {call}")) }).collect();
        let calls = tokens.iter().zip(100..).map(async |(token, id)| {
            let call = place.call(id, "test_tool_with_progress", &json!({ "steps": 200 }), Some(token));
            client.open(call).await.read_to_end().await
        });
        for (messages, (token, id)) in
            futures_util::future::join_all(calls).await.into_iter().zip(tokens.iter().zip(100..))
        {
            let (response, reports) = messages.split_last().expect("there are messages");
            let expected: Vec<Value> =
                (1..=200).map(|step| json!({ "progressToken": token, "progress": step, "total": 200 })).collect();
            let params: Vec<Value> = reports.iter().map(|report| report["params"].clone()).collect();
            assert_eq!(params, expected, "{}", place.url);
            assert_eq!(response["id"], id, "{response}");
            assert!(text(response).starts_with("progress token: "), "{response}");
        }
    }
}

#[tokio::test]
async fn progress_that_nobody_asked_for_is_asked_of_nobody() {
    for place in places() {
        let client = Client::connect(&place.url).await;
        let reply = client.post(place.call(7, "test_tool_with_progress", &json!({ "steps": 3 }), None)).await;
        assert_eq!(text(&reply.json()), "progress token: null", "{}", place.url);
        assert!(!reply.body.contains("notifications/progress"), "{reply:?}");
    }
}

#[tokio::test]
async fn a_client_that_never_listens_is_asked_on_the_stream_of_its_call() {
    for place in places() {
        let client = Client::connect_with(&place.url, EVERYTHING).await;
        let mut events = client.open(place.call(7, "test_elicitation", &json!({ "message": "who" }), None)).await;
        let request = asked(&mut events, "elicitation/create").await;
        assert_eq!(request["params"]["message"], "who");
        assert_eq!(request["params"]["requestedSchema"]["required"], json!(["username", "email"]));
        answer(&client, &request, &json!({ "action": "decline" })).await;
        let response = events.next().await.expect("the response comes");
        assert_eq!(text(&response), "User response: action=decline, content=null", "{}", place.url);
        assert_eq!(events.next().await, None);
    }
}

#[tokio::test]
async fn calls_at_the_same_time_get_the_answers_to_their_own_questions() {
    // In one process over stdio nothing tells to which of a client's calls a question belongs.
    for place in places().into_iter().filter(|place| place.over_http || !place.prefix.is_empty()) {
        let clients =
            [Client::connect_with(&place.url, EVERYTHING).await, Client::connect_with(&place.url, EVERYTHING).await];
        let mut open = Vec::new();
        for (number, client) in [(0, &clients[0]), (1, &clients[0]), (2, &clients[1])] {
            let prompt = format!("question {number}");
            let mut events =
                client.open(place.call(7 + number, "test_sampling", &json!({ "prompt": prompt }), None)).await;
            let request = asked(&mut events, "sampling/createMessage").await;
            assert_eq!(request["params"]["messages"][0]["content"]["text"], prompt, "{}", place.url);
            open.push((number, client, events, request));
        }
        for (number, client, mut events, request) in open.into_iter().rev() {
            let content = json!({ "type": "text", "text": format!("answer {number}") });
            answer(client, &request, &json!({ "role": "assistant", "model": "test", "content": content })).await;
            let response = events.next().await.expect("the response comes");
            assert_eq!(text(&response), format!("LLM response: answer {number}"), "{}", place.url);
        }
    }
}

#[tokio::test]
async fn a_server_asks_only_for_what_the_client_declares() {
    for place in places() {
        let client = Client::connect_with(&place.url, r#"{"roots":{}}"#).await;
        for (tool, capability) in [
            ("test_sampling", "/sampling"),
            ("test_elicitation", "/elicitation"),
            ("test_elicitation_url", "/elicitation/url"),
        ] {
            let reply = client.post(place.call(7, tool, &json!({}), None)).await.json();
            assert_eq!(text(&reply), format!("the client does not declare {capability}"), "{}", place.url);
        }
        let mut events = client.open(place.call(7, "test_list_roots", &json!({}), None)).await;
        let request = asked(&mut events, "roots/list").await;
        answer(&client, &request, &json!({ "roots": [{ "uri": "file:///a" }] })).await;
        let response = events.next().await.expect("the response comes");
        assert_eq!(text(&response), r#"roots: [{"uri":"file:///a"}]"#, "{}", place.url);
    }
}

#[tokio::test]
async fn a_page_to_open_is_asked_for_and_its_end_is_told() {
    for place in places() {
        let client = Client::connect_with(&place.url, EVERYTHING).await;
        let mut events = client.open(place.call(7, "test_elicitation_url", &json!({}), None)).await;
        let request = asked(&mut events, "elicitation/create").await;
        assert_eq!(request["params"]["mode"], "url");
        assert_eq!(request["params"]["url"], "https://example.com/consent");
        answer(&client, &request, &json!({ "action": "accept" })).await;
        let end = asked(&mut events, "notifications/elicitation/complete").await;
        assert_eq!(end["params"]["elicitationId"], request["params"]["elicitationId"], "{}", place.url);
        assert_eq!(text(&events.next().await.expect("the response comes")), "action=accept");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_reads_delays_nothing_else() {
    for place in places() {
        let client = Client::connect(&place.url).await;
        let call = place.call(7, "test_tool_with_progress", &json!({ "steps": 5000 }), Some(&json!("t")));
        let mut unread = client.open(call).await;
        let reply = client.post(place.call(8, "test_simple_text", &json!({}), None)).await;
        assert_eq!(text(&reply.json()), "This is a simple text response for testing.");
        let messages = unread.read_to_end().await;
        assert_eq!(messages.len(), 5001, "{}", place.url);
        assert!(messages.iter().zip(1..=5000).all(|(report, step)| report["params"]["progress"] == step));
    }
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_where_it_was_left_and_not_when_it_has_ended() {
    for place in places() {
        let client = Client::connect(&place.url).await;
        let call = place.call(7, "test_tool_with_progress", &json!({ "steps": 50 }), Some(&json!("t")));
        let mut events = client.open(call).await;
        for step in 1..=10 {
            assert_eq!(asked(&mut events, "notifications/progress").await["params"]["progress"], step);
        }
        let left_at = events.last_id.take().expect("events have ids");
        drop(events);
        let mut rest = client.listen(Some(&left_at)).await;
        for step in 11..=50 {
            assert_eq!(asked(&mut rest, "notifications/progress").await["params"]["progress"], step, "{}", place.url);
        }
        assert_eq!(rest.next().await.expect("the response comes")["id"], 7);
        if place.gateway.is_some() {
            let end = rest.last_id.take().expect("events have ids");
            assert_eq!(send(client.listening(Some(&end))).await.status, 405);
        }
    }
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_its_server_under_the_id_that_it_has_there() {
    // All at once, because the gateway waits a while for servers that answer all the same.
    let at_each = places().into_iter().map(async |place| {
        let client = Client::connect_with(&place.url, EVERYTHING).await;
        let mut events = client.open(place.call(7, "test_elicitation", &json!({ "message": "who" }), None)).await;
        asked(&mut events, "elicitation/create").await;
        let cancelled = json!({ "requestId": 7, "reason": "enough" });
        let notice = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }).to_string();
        assert_eq!(client.post(notice).await.status, 202);
        assert_eq!(events.read_to_end().await, [Value::Null; 0], "{}", place.url);
        let message = |method: &str| -> Value {
            let requests = place.server.requests(method);
            serde_json::from_str(&requests.last().unwrap_or_else(|| panic!("no {method}")).body).expect("it is JSON")
        };
        let notice = message("notifications/cancelled");
        assert_eq!(notice["params"]["requestId"], message("tools/call")["id"], "{}", place.url);
        assert_eq!(notice["params"]["reason"], "enough");
    });
    futures_util::future::join_all(at_each).await;
}
