//! Policies that misbehave in the real binary: whoever is not decided by them is served, whoever is
//! hears that the policy is unavailable, and nobody is shown an empty list or let through.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::client::{Client, INITIALIZE, request, send};
use crate::harness::gateway::{Gateway, new_home};
use crate::harness::raw_server::RawServer;

#[path = "../../host/tests/hostile/component.rs"]
pub(crate) mod component;

use component::{Hostile, Other};

/// What the gateway gives policies by default.
const DEADLINE: Duration = Duration::from_millis(250);
const POLICY_UNAVAILABLE: i64 = -31000;
const LOOPS: usize = 8;
/// A listing that shows each item that it is asked about, until something changes.
const SHOWS_ALL: &str = "(memory.fill (i32.const 128) (i32.const 1) (i32.const 1024))
    (i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (local.get 15)) (i32.const 64)";

/// A gateway with the stock policies and a hostile one behind them, and its upstream `raw`.
fn gateway_with(write: impl FnOnce(&Path)) -> (Gateway, RawServer) {
    let home = new_home();
    write(home.path());
    let stock = |name: &str| json!({ "name": name, "component": format!("builtin:{name}") });
    let hostile = json!({ "name": "hostile", "component": "hostile.wasm" });
    // First, so that an authenticator is asked before the one that would let everybody in.
    let policies = json!({ "policies": [hostile, stock("auth"), stock("groups"), stock("acl"), stock("headers")] });
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, policies.to_string()).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--policies", file.to_str().expect("temporary paths are UTF-8")]);
    let upstream = RawServer::http(&[]);
    (gateway, upstream)
}

/// An authorizer that misbehaves for tools whose names begin with `n`, such as `numbers`.
async fn authorizer(hostile: Hostile<'_>) -> (Gateway, RawServer, Client) {
    let hostile = Hostile { trigger: Some('n'), ..hostile };
    let (gateway, upstream) = gateway_with(|home| {
        hostile.write(home, "hostile");
    });
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    (gateway, upstream, client)
}

fn error_code(answer: &str) -> Value {
    let answer: Value = serde_json::from_str(answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
    answer["error"]["code"].clone()
}

#[tokio::test]
async fn a_policy_that_traps_is_an_error_and_never_an_empty_list() {
    let traps = Hostile { authorize: "unreachable", authorize_items: SHOWS_ALL, ..Hostile::default() };
    let (gateway, upstream, client) = authorizer(traps).await;
    for _ in 0..100 {
        let refused = client.call("raw__numbers", "{}").await;
        assert_eq!(error_code(&refused), POLICY_UNAVAILABLE, "{refused}");
    }
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");
    let answer = client.call("raw__spaced", "{}").await;
    assert!(answer.contains("result"), "{answer}");
    let lines = gateway.log().matches("a policy gave no usable answer").count();
    assert!((1..100).contains(&lines), "{lines} lines for 100 failures");

    // What there is to list decides what a client is told first, so it hears it there already.
    let (gateway, upstream) = gateway_with(|home| {
        Hostile { authorize_items: "unreachable", ..Hostile::default() }.write(home, "hostile");
    });
    gateway.register(&upstream.registration("raw"));
    let refused = Client::new(gateway.url("/mcp")).post(INITIALIZE).await.message();
    assert_eq!(error_code(&refused), POLICY_UNAVAILABLE, "{refused}");
}

#[tokio::test]
async fn an_authenticator_that_traps_or_loops_lets_nobody_in() {
    for (answer, most) in [("unreachable", DEADLINE), ("(loop (br 0)) unreachable", 8 * DEADLINE)] {
        let body = format!(
            r#"(func (export "mcpjungle:policy/authenticator@0.1.0#authenticate")
                (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) {answer})"#
        );
        let (gateway, _upstream) = gateway_with(|home| {
            Other { worlds: &["authentication"], body: &body }.write(home, "hostile");
        });
        let client = Client::new(gateway.url("/mcp"));
        client.post(INITIALIZE).await;
        let asked = Instant::now();
        let reply = client.post(INITIALIZE).await;
        let took = asked.elapsed();
        println!("authenticator, {answer:<28} {} after {:.1} ms", reply.status, took.as_secs_f64() * 1e3);
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(took < most + Duration::from_secs(2), "took {took:?}");
    }
}

#[tokio::test]
async fn eight_calls_that_loop_leave_everybody_elses_answered() {
    let looping = Hostile { authorize: "(loop (br 0)) unreachable", authorize_items: SHOWS_ALL, ..Hostile::default() };
    let (gateway, upstream, client) = authorizer(looping).await;
    let mut quiet = latencies(&client, 300).await;
    let mut loops = tokio::task::JoinSet::new();
    for _ in 0..LOOPS {
        let looper = Client::connect(gateway.url("/mcp")).await;
        loops.spawn(async move {
            for _ in 0..4 {
                let asked = Instant::now();
                let answer = looper.call("raw__numbers", "{}").await;
                assert_eq!(error_code(&answer), POLICY_UNAVAILABLE, "{answer}");
                assert!(asked.elapsed() >= DEADLINE, "ended after {:?}", asked.elapsed());
            }
        });
    }
    let mut beside = Vec::new();
    while !loops.is_empty() {
        beside.extend(latencies(&client, 10).await);
        while loops.try_join_next().map(|ended| ended.expect("a loop ends as it should")).is_some() {}
    }
    let [quiet, beside] = [&mut quiet, &mut beside].map(|taken| {
        taken.sort_unstable();
        (taken.len(), taken[taken.len() / 2].as_secs_f64() * 1e3, taken[taken.len() * 99 / 100].as_secs_f64() * 1e3)
    });
    for (name, (calls, p50, p99)) in [("alone", quiet), ("beside eight loops", beside)] {
        println!("{name:<20}{calls:>6} calls, p50 {p50:>7.2} ms, p99 {p99:>7.2} ms");
    }
    assert!(beside.0 >= 10, "{} calls were answered", beside.0);
    let asked_for = |name: &str| {
        upstream.requests("tools/call").iter().filter(|call| call.body.contains(&format!(r#""{name}""#))).count()
    };
    assert_eq!(asked_for("numbers"), 0, "no looping call was let through");
}

async fn latencies(client: &Client, calls: usize) -> Vec<Duration> {
    let mut latencies = Vec::with_capacity(calls);
    for _ in 0..calls {
        let asked = Instant::now();
        let answer = client.call("raw__spaced", "{}").await;
        latencies.push(asked.elapsed());
        assert!(answer.contains("result"), "{answer}");
    }
    latencies
}

#[tokio::test]
async fn a_policy_that_changes_its_mind_is_held_to_what_it_says_at_the_call() {
    // Shows what it is asked about until something changes, and refuses the calls that begin with `n`.
    let denies = "(i32.store8 (i32.const 1280) (i32.const 1)) (i32.const 1280)";
    let contradicting = Hostile { authorize: denies, authorize_items: SHOWS_ALL, ..Hostile::default() };
    let (_gateway, upstream, client) = authorizer(contradicting).await;
    let listed = client.list("tools/list", "tools").await.join("\n");
    assert!(listed.contains("raw__numbers"), "{listed}");
    let refused = client.call("raw__numbers", "{}").await;
    assert_eq!(error_code(&refused), -32602, "{refused}");
    assert_eq!(upstream.requests("tools/call").len(), 0, "the upstream was not asked");

    // The other way round: nothing is shown, and what is called is decided at the call.
    let hides = "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (local.get 15)) (i32.const 64)";
    let (_gateway, upstream, client) = authorizer(Hostile { authorize_items: hides, ..Hostile::default() }).await;
    assert_eq!(client.list("tools/list", "tools").await, [""; 0]);
    let answer = send(client.polite(request("tools/call", r#"{"name":"raw__numbers","arguments":{}}"#))).await;
    assert!(answer.message().contains("result"), "{answer:?}");
    assert_eq!(upstream.requests("tools/call").len(), 1);
}
