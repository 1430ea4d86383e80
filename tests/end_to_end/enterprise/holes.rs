//! What other gateways got wrong: identity that is missing, an initialisation that anybody
//! can take over, and an API that goes round the policies.

use futures_util::future::join_all;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::enterprise::world::{World, with_house_rules};
use crate::harness::client::{Client, INITIALIZE, Reply, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN, user};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

/// Whose token would open each of these.
const DOORS: [(&str, &str); 6] = [
    ("/mcp", "token-of-generalist"),
    ("/sse", "token-of-generalist"),
    ("/message?sessionId=x", "token-of-generalist"),
    ("/v0/groups/few/mcp", "token-of-generalist"),
    ("/v0/servers/one/mcp", "token-of-generalist"),
    ("/api/v0/servers", ADMIN_TOKEN),
];

#[tokio::test]
async fn whoever_does_not_say_a_good_token_in_the_one_place_for_it_is_nobody() {
    let world = World::start().await;
    let before = world.upstream.asked_so_far().await;
    for (path, token) in DOORS {
        let with_headers = |values: &[&[u8]]| {
            let request = world.person("nobody", path).polite(INITIALIZE);
            values.iter().fold(request, |request, value| {
                request.header(AUTHORIZATION, HeaderValue::from_bytes(value).expect("it can be sent"))
            })
        };
        let text = |format: &str| format.replace("TOKEN", token);
        let mut attempts = vec![with_headers(&[]), with_headers(&[b"Bearer \xff\xfe"]), with_headers(&[b"\xc3\xa4"])];
        for value in
            ["", " ", "Bearer", "Bearer ", "Bearer  ", "Basic TOKEN", "Bearer TOKENx", "Bearer xTOKEN", "TOKEN TOKEN"]
        {
            attempts.push(with_headers(&[text(value).as_bytes()]));
        }
        attempts.push(with_headers(&[format!("Bearer {}", token.to_uppercase()).as_bytes()]));
        attempts.push(with_headers(&["x".repeat(10_000).as_bytes()]));
        // One hop might look at the first, and the next at the last.
        attempts.push(with_headers(&[text("Bearer TOKEN").as_bytes(), b"Bearer another-token"]));
        attempts.push(with_headers(&[b"Bearer another-token", text("Bearer TOKEN").as_bytes()]));
        attempts.push(with_headers(&[text("Bearer TOKEN").as_bytes(), text("Bearer TOKEN").as_bytes()]));
        for (name, value) in [
            ("proxy-authorization", "Bearer TOKEN"),
            ("cookie", "access_token=TOKEN"),
            ("x-api-key", "TOKEN"),
            ("x-forwarded-user", "generalist"),
        ] {
            attempts.push(with_headers(&[]).header(name, text(value)));
        }
        let in_query = format!("{path}{}access_token={token}", if path.contains('?') { '&' } else { '?' });
        attempts.push(world.person("nobody", &in_query).polite(INITIALIZE));
        for (number, attempt) in attempts.into_iter().enumerate() {
            let reply = send(attempt).await;
            assert_eq!(reply.status, 401, "{path}, attempt {number}: {reply:?}");
        }
    }
    assert_eq!(world.upstream.record().len(), before, "no server was asked");
    assert!(!world.gateway.log().contains("panicked"), "{}", world.gateway.log());
    assert_eq!(send(world.api("admin", "GET", "/api/v0/servers", "")).await.status, 200, "it lives");
}

#[tokio::test]
async fn without_an_authenticator_there_is_no_gateway() {
    let home = enterprise::home(&[]).await;
    let policies = ["acl", "groups", "headers"];
    let policies = policies.map(|name| json!({ "name": name, "component": format!("builtin:{name}") }));
    std::fs::write(home.path().join("policies.yaml"), json!({ "policies": policies }).to_string())
        .expect("the home is writable");
    let mut command = bare_command(home.path());
    command.args(["start", "--enterprise", "--port", "0", "--policies", "policies.yaml"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("enterprise mode needs an authenticator"), "{finished:?}");
}

async fn init(gateway: &Gateway, body: &str, headers: &[(&'static str, &str)]) -> Reply {
    let request: RequestBuilder = Client::new(gateway.url("/init")).bare(Method::POST).body(body.to_owned());
    send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

async fn api_status(gateway: &Gateway, token: &str) -> u16 {
    let client = Client::new(gateway.url("/api/v0/users/whoami")).with_token(token);
    send(client.bare(Method::GET)).await.status.as_u16()
}

fn admin_token(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()["admin_access_token"].as_str().unwrap_or_else(|| panic!("no token: {reply:?}")).to_owned()
}

#[tokio::test]
async fn init_takes_the_mode_of_the_start_only_and_only_once() {
    let gateway = enterprise::start_in(new_home(), &[]);
    for body in ["", "{}", "[]", r#"{"mode":null}"#, r#"{"mode":"development"}"#, r#"{"mode":"other"}"#] {
        let reply = init(&gateway, body, &[]).await;
        assert_eq!(reply.status, 400, "{body}: {reply:?}");
        assert!(!reply.body.contains("already initialized"), "{body}: {reply:?}");
    }
    assert_eq!(api_status(&gateway, "anything").await, 403, "nothing is initialized by that");
    let token = admin_token(&init(&gateway, r#"{"mode":"production"}"#, &[]).await);
    let owner = format!("Bearer {token}");
    for mode in ["enterprise", "production", "development"] {
        for headers in [&[][..], &[("authorization", owner.as_str())][..]] {
            let body = json!({ "mode": mode, "access_token": "token-of-a-thief" }).to_string();
            let reply = init(&gateway, &body, headers).await;
            assert_eq!(
                (reply.status.as_u16(), reply.json()["error"].as_str()),
                (400, Some("Server is already initialized"))
            );
        }
    }
    assert_eq!((api_status(&gateway, &token).await, api_status(&gateway, "token-of-a-thief").await), (200, 401));

    let home = gateway.keep_home();
    drop(gateway);
    let gateway = enterprise::start_in(home, &[]);
    assert_eq!(init(&gateway, r#"{"mode":"enterprise"}"#, &[]).await.status, 400, "nor after a restart");
    assert_eq!(api_status(&gateway, &token).await, 200);
}

#[tokio::test]
async fn of_many_who_initialize_at_once_one_becomes_the_administrator() {
    let gateway = enterprise::start_in(new_home(), &[]);
    let replies = join_all((0..20).map(|_| init(&gateway, r#"{"mode":"enterprise"}"#, &[]))).await;
    let (first, others): (Vec<_>, Vec<_>) = replies.into_iter().partition(|reply| reply.status == 200);
    assert_eq!((first.len(), others.len()), (1, 19), "{first:?}, {others:?}");
    assert!(others.iter().all(|reply| reply.status == 400 && !reply.body.contains("access_token")), "{others:?}");
    assert_eq!(api_status(&gateway, &admin_token(&first[0])).await, 200);
}

#[tokio::test]
async fn where_a_bootstrap_token_is_demanded_nothing_else_initializes() {
    let home = new_home();
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_BOOTSTRAP_TOKEN=only-the-operator-knows\n")
        .expect("the home is writable");
    let gateway = enterprise::start_in(home, &[]);
    let body = r#"{"mode":"enterprise","bootstrap_token":"only-the-operator-knows"}"#;
    let attempts: [&[(&str, &str)]; 7] = [
        &[],
        &[("authorization", "Bearer")],
        &[("authorization", "Bearer only-the-operator-know")],
        &[("authorization", "Bearer only-the-operator-knows2")],
        &[("authorization", "Bearer ONLY-THE-OPERATOR-KNOWS")],
        &[("authorization", "Bearer only-the-operator-knows"), ("authorization", "Bearer only-the-operator-knows")],
        &[("x-bootstrap-token", "only-the-operator-knows"), ("cookie", "token=only-the-operator-knows")],
    ];
    for headers in attempts {
        let reply = init(&gateway, body, headers).await;
        assert_eq!(reply.status, 401, "{headers:?}: {reply:?}");
        assert!(!reply.body.contains("only-the-operator-knows"), "{reply:?}");
    }
    let operator = [("authorization", "Bearer only-the-operator-knows")];
    assert_eq!(init(&gateway, r#"{"mode":"development"}"#, &operator).await.status, 400);
    let token = admin_token(&init(&gateway, body, &operator).await);
    assert_eq!(init(&gateway, body, &operator).await.status, 400, "nor who knows it, a second time");
    assert_eq!((api_status(&gateway, &token).await, api_status(&gateway, "only-the-operator-knows").await), (200, 401));
    assert!(!gateway.log().contains("only-the-operator-knows") && !gateway.log().contains(&token));
}

#[tokio::test]
async fn over_the_api_users_and_administrators_go_through_the_policies_too() {
    let settings = json!({
        "hide": ["numbers", "greet", "blob"],
        "deny_tool": "spaced",
        "headers": { "X-Acts-For": "$principal" },
    });
    let gateway = with_house_rules(&[user("alice", "token-of-alice")], &settings).await;
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    for (who, token) in [("alice", "token-of-alice"), ("admin", ADMIN_TOKEN)] {
        let ask = async |path: &str, body: Value| {
            let client = Client::new(gateway.url(&format!("/api/v0{path}"))).with_token(token);
            send(client.bare(Method::POST).body(body.to_string())).await
        };
        let before = upstream.asked_so_far().await;
        let [blob, absent] = ["cmF3OmJsb2I/eD0xI3k", "YWJzZW50"].map(|uri| format!("mcpj://res/raw/{uri}"));
        for (path, member, hidden, absent) in [
            ("/tools/invoke", "name", "raw__numbers", "raw__absent"),
            ("/prompts/render", "name", "raw__greet", "raw__absent"),
            ("/resources/read", "uri", &*blob, &*absent),
        ] {
            let about_hidden = ask(path, json!({ member: hidden })).await;
            let about_absent = ask(path, json!({ member: absent })).await;
            assert_eq!(about_hidden.status, 404, "{who}: {about_hidden:?}");
            assert_eq!(about_hidden.body, about_absent.body.replace(absent, hidden), "{who}, {path}");
            // Only administrators may ask it, so only they are told of it.
            assert_eq!(about_hidden.body.contains("`mcpjungle explain`"), who == "admin", "{about_hidden:?}");
        }
        let refused = ask("/tools/invoke", json!({ "name": "raw__spaced" })).await;
        assert_eq!(refused.status, 403, "{who}: {refused:?}");
        assert!(refused.body.contains("spaced is against the house rules"), "{who}: {refused:?}");
        assert_eq!(upstream.record().len(), before, "the server was not asked");

        assert_eq!(ask("/tools/invoke", json!({ "name": "raw__echo" })).await.status, 200);
        let calls = upstream.requests("tools/call");
        assert_eq!(calls.last().and_then(|call| call.headers.get("x-acts-for")).map(String::as_str), Some(who));
    }
    for line in
        ["saw numbers end as Outcome::Denied", "saw spaced end as Outcome::Denied", "saw echo end as Outcome::Success"]
    {
        until(line, || gateway.log().contains(line)).await;
    }
}
