//! Malformed answers of authenticators, header-injectors and guards: each is that policy's
//! failure, and never an answer.

use http::{HeaderMap, HeaderValue};
use mcpjungle_host::names::ServerName;
use mcpjungle_host::pipeline::{Denial, Endpoint, HttpRequest, Principal, Stage, UpstreamView};

use crate::component::Other;
use crate::figures::Figures;
use crate::log::CapturedLog;
use crate::rig::{Rig, file_plugin, request, tool};
use crate::{BOUND, limits};

/// Asks the only plugin of a pipeline, and says what the log says of it.
async fn failure(other: Other<'_>, stage: Stage, ask: impl AsyncFn(&Rig) -> Denial) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = file_plugin("hostile", &other.write(folder.path(), "hostile"));
    plan.limits = limits();
    let rig = Rig::new(vec![plan]).await;
    let log = CapturedLog::default();
    let _guard = log.install();
    let figures = Figures::start();
    let denial = ask(&rig).await;
    let took = figures.print(1);
    assert!(took < BOUND, "took {took:?}");
    let Denial::Unavailable { decider } = denial else { panic!("{denial:?}: {}", other.body) };
    assert_eq!((decider.stage, &*decider.plugin), (stage, "hostile"));
    let error = log.error();
    let expected = format!("plugin `hostile` gave a malformed answer in stage {stage}: ");
    error.strip_prefix(&expected).unwrap_or_else(|| panic!("{error}")).to_owned()
}

async fn authenticator(answer: &str) -> String {
    let parameters = "(param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)";
    let body = format!(
        r#"(func (export "mcpjungle:policy/authenticator@0.1.0#authenticate") {parameters} (result i32)
            {answer} (i32.const 64))"#
    );
    let other = Other { worlds: &["authentication"], body: &body };
    failure(other, Stage::Authenticator, async |rig| {
        let headers: HeaderMap = [(http::header::HOST, HeaderValue::from_static("localhost"))].into_iter().collect();
        let (endpoint, peer) = (Endpoint::Main, "127.0.0.1");
        let request =
            HttpRequest { id: "1", endpoint: &endpoint, method: "POST", path: "/mcp", headers: &headers, peer };
        rig.pipeline.authenticate(request).await.unwrap_err()
    })
    .await
}

/// Stores a word of the answer, which lies at 64.
fn word(offset: u32, value: u32) -> String {
    format!("(i32.store offset={offset} (i32.const 64) (i32.const {value})) ")
}

#[tokio::test]
async fn an_authenticator_that_answers_nonsense_lets_nobody_in() {
    // A list of 16,384 texts which are all the same 128 KiB: 2 GiB, out of two pages.
    let amplified = "(local $at i32) (local.set $at (i32.const 131072))
        (loop
            (i32.store (local.get $at) (i32.const 0))
            (i32.store offset=4 (local.get $at) (i32.const 131072))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if 0 (i32.lt_u (local.get $at) (i32.const 262144)))) "
        .to_owned()
        + &word(16, 131_072)
        + &word(20, 16_384);
    for (answer, expected) in [
        (word(0, 9), "discriminant"),
        // The kind `gateway`.
        (word(4, 4), "nobody but the gateway itself is of kind `gateway`"),
        (word(4, 77), "discriminant"),
        // A name of 2 GiB, an allow-list of 4 GiB, attributes beyond the memory's end.
        (word(12, 1 << 31), "out of bounds"),
        (word(16, 64) + &word(20, 1 << 29), "out of bounds"),
        (word(24, 262_140) + &word(28, 8), "out of bounds"),
        (amplified, "larger than 1024 KiB"),
    ] {
        let problem = authenticator(&answer).await;
        assert!(problem.contains(expected), "{answer}: {problem}");
    }
}

async fn header_injector(answer: &str, data: &str) -> String {
    let body = format!(
        r#"{data}
        (func (export "mcpjungle:policy/header-injector@0.1.0#inject") (param i32) (result i32) {answer} (i32.const 64))"#
    );
    let other = Other { worlds: &["header-injection"], body: &body };
    failure(other, Stage::HeaderInjector, async |rig| {
        let server = ServerName::parse("time").unwrap();
        let secret_names = ["bearer-token".to_owned()];
        let upstream = UpstreamView { name: &server, transport: "streamable_http", secret_names: &secret_names };
        rig.pipeline.headers(&request(Endpoint::Main), &Principal::anonymous(), upstream).await.unwrap_err()
    })
    .await
}

/// What a header is set to, as its discriminant.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    Literal = 0,
    Secret = 1,
    GrantedSecret = 2,
}

/// One header at 256, whose name and value (or secret's name) lie at 512 and 768.
fn header(name: &str, value: &str, set: Set) -> String {
    let at_768 = [768, value.len()];
    // A reference has a prefix before the name.
    let (first, second) = if set == Set::Literal { (at_768, [0, 0]) } else { ([0, 0], at_768) };
    let bytes: String = [512, name.len(), set as usize]
        .iter()
        .chain(&first)
        .chain(&second)
        .flat_map(|&word| u32::try_from(word).unwrap().to_le_bytes())
        .map(|byte| format!("\\{byte:02x}"))
        .collect();
    format!(r#"(data (i32.const 256) "{bytes}") (data (i32.const 512) "{name}") (data (i32.const 768) "{value}")"#)
}

#[tokio::test]
async fn headers_that_may_not_be_set_are_sent_to_no_upstream() {
    let one = word(4, 256) + &word(8, 1);
    for (answer, data, expected) in [
        (one.clone(), header("Host", "evil.example", Set::Literal), "the header `host` cannot be set"),
        (one.clone(), header("Mcp-Session-Id", "1", Set::Literal), "the header `mcp-session-id` cannot be set"),
        (
            one.clone(),
            header("X-Team", "a\\0d\\0aX-Admin: 1", Set::Literal),
            "the value of the header `x-team` is not one",
        ),
        (one.clone(), header("X Team", "a", Set::Literal), "is not the name of a header"),
        (one.clone(), header("Authorization", "other", Set::Secret), "the upstream has no secret `other`"),
        (one.clone(), header("Authorization", "other", Set::GrantedSecret), "the secret `other` is not granted"),
        (word(4, 256) + &word(8, 65), header("", "", Set::Literal), "65 headers, more than 64"),
        (word(4, 256) + &word(8, 1 << 28), String::new(), "out of bounds"),
        (word(0, 2), String::new(), "discriminant"),
    ] {
        let problem = header_injector(&answer, &data).await;
        assert!(problem.contains(expected), "{answer} {data}: {problem}");
    }
}

async fn guard(function: &str, answer: &str, data: &str) -> String {
    let review = |name: &str| {
        format!(
            r#"(func (export "mcpjungle:policy/guard@0.1.0#{name}") (param i32) (result i32) {answer} (i32.const 64))"#
        )
    };
    let (arguments, results) = (review("review-arguments"), review("review-result"));
    let body = format!(
        r#"{data} (func (export "mcpjungle:policy/guard@0.1.0#reviews") (result i32) (i32.const 3)) {arguments} {results}"#
    );
    let other = Other { worlds: &["guarding"], body: &body };
    failure(other, Stage::Guard, async |rig| {
        let (asked, principal, item) = (request(Endpoint::Main), Principal::anonymous(), tool("time__now"));
        let reviewed = match function {
            "arguments" => rig.pipeline.review_arguments(&asked, &principal, &item, "{}").await,
            _ => rig.pipeline.review_result(&asked, &principal, &item, "{}").await,
        };
        reviewed.unwrap_err()
    })
    .await
}

#[tokio::test]
async fn what_a_guard_makes_of_arguments_and_results_must_be_json() {
    let rewrite = |length: u32| word(0, 1) + &word(4, 512) + &word(8, length);
    let text = |text: &str| format!(r#"(data (i32.const 512) "{text}")"#);
    for (function, answer, data, expected) in [
        ("arguments", rewrite(3), text("[1]"), "is not a JSON object"),
        ("arguments", rewrite(1), text("{"), "is not a JSON object"),
        ("arguments", rewrite(1), text("\\ff"), "utf-8"),
        ("arguments", rewrite(1 << 30), String::new(), "out of bounds"),
        ("arguments", word(0, 3), String::new(), "discriminant"),
        ("results", rewrite(4), text("nope"), "is not JSON"),
        ("results", rewrite(0), String::new(), "is not JSON"),
        ("results", rewrite(u32::MAX), String::new(), "out of bounds"),
    ] {
        let problem = guard(function, &answer, &data).await;
        assert!(problem.to_lowercase().contains(&expected.to_lowercase()), "{answer} {data}: {problem}");
    }
}
