//! The Streamable HTTP transport, byte by byte.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{Method, StatusCode};
use mcpjungle_host::protocol::ProtocolVersion;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::{Call, ClientDeclaration, ProxySettings, UpstreamError, UpstreamSettings, Upstreams};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::fixture::{
    FakeServer, Seen, call, call_as, event_stream, initialized, json, outcome, plain, result, server, settings, status,
    upstreams,
};

/// What one call gives at a server that answers calls with `answer`.
async fn call_answered_with<F>(answer: F) -> Result<String, UpstreamError>
where
    F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
{
    let fake = FakeServer::start(move |seen| {
        let response = plain(&seen).unwrap_or_else(|| answer(&seen));
        async move { response }
    })
    .await;
    let answer = upstreams().call(&fake.server(SessionMode::Stateless), call()).await?;
    Ok(match answer.outcome() {
        Ok(result) => result.to_owned(),
        Err(error) => format!("error {error}"),
    })
}

#[tokio::test]
async fn without_a_session_id_there_is_one_handshake_and_then_one_post_per_call() {
    let raw_result = r#"{ "content":[{"type":"vendor/x"}],"n":1.50e2, "b":null}"#;
    let fake = FakeServer::start(move |seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, raw_result));
        async move { response }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    for _ in 0..3 {
        let answer = outcome(upstreams.call(&server, call_as("Bearer upstream-token")).await);
        assert_eq!(answer.as_deref(), Ok(raw_result));
    }

    let methods: Vec<_> = fake.seen().iter().map(Seen::method).collect();
    assert_eq!(methods, ["initialize", "notifications/initialized", "tools/call", "tools/call", "tools/call"]);
    let initialize = &fake.seen()[0];
    assert_eq!(
        initialize.body,
        r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"mcpjungle","version":"9.8.7"}}}"#
    );
    assert_eq!(initialize.header("mcp-protocol-version"), None);
    let last = &fake.seen()[4];
    assert_eq!(last.body, r#"{"method":"tools/call","id":3 ,"vendor":1.0,"jsonrpc":"2.0","params":{"name":"t"}}"#);
    let mut headers: Vec<_> = last
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .filter(|header| !header.starts_with("host: "))
        .collect();
    headers.sort();
    assert_eq!(
        headers,
        [
            "accept: application/json, text/event-stream",
            "authorization: Bearer upstream-token",
            "content-length: 82",
            "content-type: application/json",
            "mcp-protocol-version: 2025-11-25",
            "user-agent: mcpjungle/9.8.7",
        ]
    );
}

#[tokio::test]
async fn calls_share_connections_however_they_are_answered() {
    type Answer = fn(&Seen) -> Response;
    let answers: [Answer; 2] = [
        |seen| result(seen, "1"),
        |seen| {
            let event = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":1}}\n\n", seen.id());
            event_stream(vec![event.into_bytes()])
        },
    ];
    for answer in answers {
        let fake = FakeServer::start(move |seen| {
            let response = plain(&seen).unwrap_or_else(|| answer(&seen));
            async move { response }
        })
        .await;
        let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
        for _ in 0..10 {
            outcome(upstreams.call(&server, call()).await).unwrap();
        }
        assert_eq!(fake.requests("tools/call").len(), 10);
        // A call may come before the connection of the last is free again, so more than one is right.
        assert!(fake.connections() <= 4, "{}", fake.connections());
    }
}

#[tokio::test]
async fn the_version_header_is_that_of_the_answer_and_only_where_the_revision_has_it() {
    for (answered, header) in [("2025-03-26", None), ("2025-06-18", Some("2025-06-18"))] {
        let fake = FakeServer::start(move |seen| {
            let response = match seen.method().as_str() {
                "initialize" => initialized(&seen, answered),
                _ => plain(&seen).unwrap_or_else(|| result(&seen, "1")),
            };
            async move { response }
        })
        .await;
        outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await).unwrap();
        for seen in &fake.seen()[1..] {
            assert_eq!(seen.header("mcp-protocol-version"), header);
        }
    }
}

#[tokio::test]
async fn the_client_is_declared_as_the_call_says() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, "1"));
        async move { response }
    })
    .await;
    let client = ClientDeclaration {
        protocol_version: ProtocolVersion::V2025_06_18,
        capabilities: Bytes::from_static(br#"{"roots":{"listChanged":true}}"#),
    };
    let declared = Call { client, ..call() };
    outcome(upstreams().call(&fake.server(SessionMode::Stateless), declared).await).unwrap();
    let initialize = &fake.seen()[0].body;
    assert!(
        initialize.contains(r#""protocolVersion":"2025-06-18","capabilities":{"roots":{"listChanged":true}}"#),
        "{initialize}"
    );
}

#[tokio::test]
async fn an_event_stream_is_read_however_it_is_cut_and_requests_in_it_are_answered() {
    let stream = |seen: &Seen| {
        format!(
            "\u{feff}: priming\r\nid: 1\r\ndata:\r\n\r\n\
             data: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"ü\":1}}}}\r\n\r\n\
             event: ping\rdata: not ours\r\rdata: {{nonsense\n\n\
             data: {{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}}\n\n\
             data: {{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"sampling/createMessage\",\"params\":{{}}}}\n\n\
             data: {{\"jsonrpc\":\"2.0\",\"id\":12345,\"result\":\"for another\"}}\n\n\
             event: message\ndata: {{\"jsonrpc\":\"2.0\",\ndata: \"id\":{},\"result\":{{\"ü\":[1]}}}}\n\n",
            seen.id()
        )
    };
    for step in [1, 2, 3, 7, 64, 10_000] {
        let fake = FakeServer::start(move |seen| {
            let pieces = || stream(&seen).into_bytes().chunks(step).map(<[u8]>::to_vec).collect();
            let response = plain(&seen).unwrap_or_else(|| event_stream(pieces()));
            async move { response }
        })
        .await;
        let answer = outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await);
        assert_eq!(answer.as_deref(), Ok(r#"{"ü":[1]}"#), "in steps of {step}");
        let replies = |fake: &FakeServer| {
            let mut replies: Vec<_> = fake.seen().into_iter().filter(|seen| seen.method().is_empty()).collect();
            replies.sort_by_key(|seen| seen.body.clone());
            replies
        };
        fake.wait_until(|fake| replies(fake).len() == 2).await;
        let bodies: Vec<_> = replies(&fake).into_iter().map(|seen| seen.body).collect();
        assert_eq!(
            bodies,
            [
                r#"{"jsonrpc":"2.0","id":"p","result":{}}"#,
                r#"{"jsonrpc":"2.0","id":7,"error":{"code":-32601,"message":"the client of this session takes no such request"}}"#,
            ]
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_none_is_told_as_such() {
    type Answer = fn(&Seen) -> Response;
    let cases: [(Answer, &str); 7] = [
        (|_| json("<html>"), "not valid JSON"),
        (|_| json(""), "not valid JSON"),
        (|_| json(r#"{"jsonrpc":"2.0","id":99,"result":1}"#), "answers another request"),
        (|_| json(r#"{"jsonrpc":"2.0","method":"notifications/message"}"#), "is not a response"),
        (|seen| json(format!("[{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":1}}]", seen.id())), "batches"),
        (|_| "{}".into_response(), "neither JSON nor an event stream"),
        (
            |seen| event_stream(vec![format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{}}}\n\n", seen.id()).into_bytes()]),
            "exactly one of",
        ),
    ];
    for (answer, problem) in cases {
        let error = call_answered_with(answer).await.unwrap_err();
        assert!(matches!(error, UpstreamError::InvalidAnswer { .. }), "{error:?}");
        let message = error.to_string();
        assert!(message.starts_with("server `fake`: ") && message.contains(problem), "{message}");
    }
}

#[tokio::test]
async fn a_stream_that_ends_before_the_response_is_told_as_such() {
    let error = call_answered_with(|_| event_stream(vec![b": nothing\n\n".to_vec()])).await.unwrap_err();
    assert_eq!(error.to_string(), "server `fake`: the event stream ended before the MCP server's answer was complete");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_told_as_such() {
    let error = call_answered_with(|_| {
        let pieces: [Result<Bytes, std::io::Error>; 2] =
            [Ok(Bytes::from_static(b"{\"jsonrpc\":")), Err(std::io::Error::other("cut"))];
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        ([("content-type", "application/json")], body).into_response()
    })
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "server `fake`: the connection was closed before the MCP server's answer was complete"
    );
}

#[tokio::test]
async fn a_giant_body_is_not_taken() {
    fn endless(content_type: &'static str) -> Response {
        let piece = Bytes::from(vec![b' '; 1 << 20]);
        let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
        ([("content-type", content_type)], Body::from_stream(pieces)).into_response()
    }
    for answer in [|_: &Seen| endless("application/json"), |_: &Seen| endless("text/event-stream")] {
        let error = call_answered_with(answer).await.unwrap_err();
        assert!(matches!(error, UpstreamError::TooLarge { limit_bytes: 67_108_864, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn refused_credentials_are_never_passed_on_as_an_answer() {
    for code in [401, 403] {
        let error = call_answered_with(move |seen| {
            status(code, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":1,"message":"m"}}}}"#, seen.id()))
        })
        .await
        .unwrap_err();
        assert!(matches!(error, UpstreamError::Unauthorized { status, .. } if status == code), "{error:?}");
    }
}

#[tokio::test]
async fn an_error_status_is_told_unless_it_comes_with_the_answer() {
    let error = call_answered_with(|_| status(500, "{\"secret\":1}")).await.unwrap_err();
    assert_eq!(error.to_string(), "server `fake`: the MCP server answered with HTTP 500");
    let answer = call_answered_with(|seen| {
        status(400, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-32602,"data":[1]}}}}"#, seen.id()))
    })
    .await;
    assert_eq!(answer.unwrap(), r#"error {"code":-32602,"data":[1]}"#);
}

#[tokio::test]
async fn an_error_of_the_upstreams_own_is_an_answer_even_if_it_speaks_of_a_session() {
    for code in [400, 404] {
        let error = r#"{"code":-32602,"message":"no such session in the calendar"}"#;
        let fake = FakeServer::start(move |seen| {
            let response = plain(&seen)
                .unwrap_or_else(|| status(code, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{error}}}"#, seen.id())));
            async move { response }
        })
        .await;
        let answer = upstreams().call(&fake.server(SessionMode::Stateless), call()).await.unwrap();
        assert_eq!(answer.outcome(), Err(error));
        assert_eq!(fake.requests("tools/call").len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_floods_with_pings_gets_one_reply_after_the_other() {
    let gate = Arc::new(Semaphore::new(0));
    let opened = Arc::clone(&gate);
    let fake = FakeServer::start(move |seen| {
        let gate = Arc::clone(&opened);
        async move {
            if seen.method().is_empty() {
                gate.acquire().await.unwrap().forget();
            }
            plain(&seen).unwrap_or_else(|| {
                let ping = "data: {\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"ping\"}\n\n";
                let answer = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":1}}\n\n", seen.id());
                event_stream(vec![ping.repeat(200).into_bytes(), answer.into_bytes()])
            })
        }
    })
    .await;
    let upstreams = upstreams();
    outcome(upstreams.call(&fake.server(SessionMode::Stateless), call()).await).unwrap();
    assert!(fake.requests("").len() <= 1);
    gate.add_permits(1000);
    // Waits for all replies.
    upstreams.shutdown().await;
    assert_eq!(fake.answered(""), 200);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = FakeServer::start(|_| async { StatusCode::OK.into_response() }).await;
    let location = elsewhere.url.clone();
    let error =
        call_answered_with(move |_| (StatusCode::PERMANENT_REDIRECT, [("location", location.clone())]).into_response())
            .await
            .unwrap_err();
    assert!(matches!(error, UpstreamError::HttpStatus { status: 308, .. }), "{error:?}");
    assert!(error.to_string().contains("register the URL that it leads to"), "{error}");
    assert!(elsewhere.seen().is_empty());
}

#[tokio::test]
async fn a_refused_connection_on_loopback_comes_with_the_hint_about_docker() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let server = server("fake", &format!("http://user:pass@{address}/mcp?key=secret"), SessionMode::Stateless);
    assert_eq!(
        outcome(upstreams().call(&server, call()).await).unwrap_err(),
        format!(
            "server `fake`: connection to the MCP server http://{address}/mcp was refused. If mcpjungle is running \
             inside Docker, use 'host.docker.internal' as your MCP server's hostname"
        )
    );
}

#[tokio::test]
async fn a_host_that_does_not_resolve_is_named_without_its_secrets() {
    let server = server("fake", "http://user:pass@nowhere.invalid/secret?key=secret", SessionMode::Stateless);
    let error = outcome(upstreams().call(&server, call()).await).unwrap_err();
    assert!(error.starts_with("server `fake`: the MCP server http://nowhere.invalid cannot be reached: "), "{error}");
    assert!(!error.contains("secret") && !error.contains("pass"), "{error}");
}

#[tokio::test]
async fn a_server_that_does_not_answer_initialize_fails_within_the_timeout() {
    let fake = FakeServer::start(|_| std::future::pending()).await;
    let upstreams =
        Upstreams::new(UpstreamSettings { init_timeout: Duration::from_millis(200), ..settings() }).unwrap();
    assert_eq!(
        outcome(upstreams.call(&fake.server(SessionMode::Stateless), call()).await).unwrap_err(),
        "server `fake`: initialization request to MCP server timed out after 0.2 seconds. To increase the timeout, \
         use the MCP_SERVER_INIT_REQ_TIMEOUT_SEC environment variable for the mcpjungle server"
    );
}

#[tokio::test]
async fn a_revision_that_the_gateway_does_not_speak_is_named() {
    let fake = FakeServer::start(|seen| async move { initialized(&seen, "2024-10-07") }).await;
    let error = outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await).unwrap_err();
    assert!(error.contains("\"2024-10-07\""), "{error}");
}

#[tokio::test]
async fn requests_go_through_the_proxy_except_where_told() {
    let proxy = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, "\"by proxy\""));
        async move { response }
    })
    .await;
    let proxy_url = proxy.url.trim_end_matches("/mcp").replace("http://", "http://user:pass@");
    let proxies =
        ProxySettings { http: Some(Secret::new(proxy_url)), https: None, no_proxy: Some("direct.invalid".to_owned()) };
    let upstreams = Upstreams::new(UpstreamSettings { proxies, ..settings() }).unwrap();

    let far = server("far", "http://tools.invalid/mcp", SessionMode::Stateless);
    assert_eq!(outcome(upstreams.call(&far, call()).await).unwrap(), "\"by proxy\"");
    let asked = &proxy.seen()[0];
    assert_eq!(asked.uri, "http://tools.invalid/mcp");
    assert_eq!(asked.header("proxy-authorization"), Some("Basic dXNlcjpwYXNz"));

    let through_proxy = proxy.seen().len();
    let direct = server("direct", "http://direct.invalid/mcp", SessionMode::Stateless);
    assert!(outcome(upstreams.call(&direct, call()).await).unwrap_err().contains("cannot be reached"));
    let near = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, "\"near\""));
        async move { response }
    })
    .await;
    assert_eq!(outcome(upstreams.call(&near.server(SessionMode::Stateless), call()).await).unwrap(), "\"near\"");
    assert_eq!(proxy.seen().len(), through_proxy);
}

#[tokio::test]
async fn a_proxy_that_is_no_url_is_refused_without_quoting_it() {
    let proxies = ProxySettings { https: Some(Secret::new("http://user:pa ss@[")), ..ProxySettings::default() };
    let Err(error) = Upstreams::new(UpstreamSettings { proxies, ..settings() }) else { panic!("accepted") };
    assert!(error.to_string().contains("HTTPS_PROXY") && !error.to_string().contains("pa ss"), "{error}");
}

#[tokio::test]
async fn a_handshake_that_the_server_no_longer_knows_is_made_anew_once() {
    // As a server without sessions does that was restarted as one with them.
    let refusals = Arc::new(AtomicUsize::new(0));
    for (refused_calls, expected_initializes) in [(1, 2), (2, 2)] {
        refusals.store(refused_calls, Ordering::SeqCst);
        let left = Arc::clone(&refusals);
        let fake = FakeServer::start(move |seen| {
            let refuse = || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok();
            let response = plain(&seen).unwrap_or_else(|| {
                if refuse() { status(400, "Bad Request: No valid session ID provided") } else { result(&seen, "1") }
            });
            async move { response }
        })
        .await;
        let answer = outcome(upstreams().call(&fake.server(SessionMode::Stateless), call()).await);
        assert_eq!(answer.is_ok(), refused_calls == 1, "{answer:?}");
        assert_eq!(fake.requests("initialize").len(), expected_initializes);
        assert_eq!(fake.requests("tools/call").len(), 2);
        assert!(fake.seen().iter().all(|seen| seen.verb != Method::DELETE));
    }
}
