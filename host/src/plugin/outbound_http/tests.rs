use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::HeaderMap as Headers;
use axum::response::IntoResponse;
use axum::routing::{any, get};
use tokio::net::TcpListener;

use super::*;

/// A server that tells what it was asked, redirects, talks without end, or not at all.
async fn server() -> SocketAddr {
    let tell = |method: Method, headers: Headers, body: String| async move {
        let sent = |name: &str| headers.contains_key(name);
        let [authorization, cookie, key, language] =
            ["authorization", "cookie", "x-api-key", "accept-language"].map(sent);
        format!("{method} {body:?} authorization={authorization} cookie={cookie} key={key} language={language}")
    };
    let to = |Path((status, to)): Path<(u16, String)>| async move {
        (StatusCode::from_u16(status).unwrap(), [("location", to)]).into_response()
    };
    let big = || async { "x".repeat(10_000) };
    let endless = || async {
        Body::from_stream(futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>("x".repeat(1_000))))
    };
    let router = Router::new()
        .route("/tell", any(tell))
        .route("/to/{status}/{*to}", any(to))
        .route("/big", get(big))
        .route("/endless", get(endless))
        .route("/slow", get(std::future::pending::<()>));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

fn plugin(grants: &[&str]) -> OutboundHttp {
    OutboundHttp::new(Grants::new(grants.iter().map(|text| text.parse().unwrap())))
}

fn request(method: &str, url: String) -> HttpRequest {
    let headers = ["Authorization", "Cookie", "X-Api-Key", "Accept-Language"]
        .map(|name| (name.to_owned(), b"v".to_vec()))
        .to_vec();
    let body = if method == "GET" { Vec::new() } else { b"body".to_vec() };
    HttpRequest { method: method.to_owned(), url, headers, body }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

async fn told(plugin: &OutboundHttp, request: HttpRequest) -> String {
    let response = plugin.send(request, 100_000, soon()).await.unwrap();
    assert_eq!(response.status, 200);
    String::from_utf8(response.body).unwrap()
}

#[tokio::test]
async fn a_granted_host_is_asked_as_the_plugin_says() {
    let port = server().await.port();
    let plugin = plugin(&["http:localhost"]);
    let answer = told(&plugin, request("PATCH", format!("http://localhost:{port}/tell"))).await;
    assert_eq!(answer, r#"PATCH "body" authorization=true cookie=true key=true language=true"#);
    let missing = plugin.send(request("GET", format!("http://localhost:{port}/none")), 10, soon()).await.unwrap();
    assert_eq!(missing.status, 404, "an error of the server is an answer");
}

#[tokio::test]
async fn redirects_are_followed_as_browsers_do_and_credentials_stay_at_their_origin() {
    let port = server().await.port();
    let plugin = plugin(&["http:localhost", "http:127.0.0.1"]);
    let (here, there) = (format!("http://localhost:{port}"), format!("http://127.0.0.1:{port}"));
    for (asked, expected) in [
        (format!("{here}/to/307/{here}/tell"), r#"POST "body" authorization=true cookie=true key=true language=true"#),
        (format!("{here}/to/302/{here}/tell"), r#"GET "" authorization=true cookie=true key=true language=true"#),
        (format!("{here}/to/303/{there}/tell"), r#"GET "" authorization=false cookie=false key=false language=true"#),
        (
            format!("{here}/to/308/{there}/tell"),
            r#"POST "body" authorization=false cookie=false key=false language=true"#,
        ),
    ] {
        assert_eq!(told(&plugin, request("POST", asked.clone())).await, expected, "{asked}");
    }
}

#[tokio::test]
async fn redirects_lead_to_no_host_that_is_not_granted_and_end() {
    let port = server().await.port();
    let plugin = plugin(&["http:localhost"]);
    let here = format!("http://localhost:{port}");
    let send = async |path: String| plugin.send(request("GET", format!("{here}{path}")), 100, soon()).await;
    let refused = send(format!("/to/302/http://127.0.0.1:{port}/tell")).await.unwrap_err();
    assert!(
        matches!(&refused, HttpError::NotGranted(problem) if problem.ends_with("grant it with `http:127.0.0.1`")),
        "{refused:?}"
    );
    for path in ["/to/302/file:///etc/passwd", "/to/302/http://u:p@localhost/"] {
        assert!(matches!(send(path.to_owned()).await, Err(HttpError::Failed(_))), "{path}");
    }
    // What a redirect leads back to is itself.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let round = || async { (StatusCode::FOUND, [("location", "/")]) };
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", get(round))).await.unwrap() });
    let ended = plugin.send(request("GET", format!("http://localhost:{port}/")), 100, soon()).await.unwrap_err();
    assert!(matches!(&ended, HttpError::Failed(problem) if problem.starts_with("more than 5 redirects")), "{ended:?}");
}

#[tokio::test]
async fn a_private_address_is_refused_without_its_own_grant() {
    let port = server().await.port();
    let url = || format!("http://127.0.0.1:{port}/tell");
    let refused = plugin(&["http:a.example"]).send(request("GET", url()), 100, soon()).await.unwrap_err();
    assert!(matches!(refused, HttpError::NotGranted(_)), "{refused:?}");
    told(&plugin(&["http:127.0.0.0/8"]), request("GET", url())).await;
    let other_port = plugin(&["http:127.0.0.1:1"]).send(request("GET", url()), 100, soon()).await.unwrap_err();
    assert!(matches!(other_port, HttpError::NotGranted(_)), "{other_port:?}");
}

#[tokio::test]
async fn an_answer_that_is_too_long_or_never_ends_is_given_up() {
    let port = server().await.port();
    let plugin = plugin(&["http:localhost"]);
    for path in ["big", "endless"] {
        let url = format!("http://localhost:{port}/{path}");
        assert_eq!(plugin.send(request("GET", url), 9_999, soon()).await.unwrap_err(), HttpError::TooLarge, "{path}");
    }
    let url = format!("http://localhost:{port}/big");
    assert_eq!(plugin.send(request("GET", url), 10_000, soon()).await.unwrap().body.len(), 10_000);
}

#[tokio::test]
async fn a_slow_answer_times_out_before_the_deadline() {
    let port = server().await.port();
    let (plugin, deadline) = (plugin(&["http:localhost"]), Instant::now() + Duration::from_secs(1));
    let answer = plugin.send(request("GET", format!("http://localhost:{port}/slow")), 100, deadline).await;
    assert_eq!(answer.unwrap_err(), HttpError::TimedOut);
    assert!(Instant::now() < deadline, "there is time left to say so");
}

#[tokio::test]
async fn a_connection_that_fails_names_the_url_without_its_query() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let url = format!("http://localhost:{port}/x?key=s3cret");
    let failed = plugin(&["http:localhost"]).send(request("GET", url), 100, soon()).await.unwrap_err();
    let HttpError::Failed(problem) = failed else { panic!("{failed:?}") };
    assert!(problem.starts_with(&format!("http://localhost:{port}/x: ")) && !problem.contains("s3cret"), "{problem}");
}
