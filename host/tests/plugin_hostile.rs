//! Components that misbehave: each is a denial within its deadline, and other calls go on. Each test
//! prints its figures in one line; `cargo nextest run --no-capture --test plugin_hostile` shows them all.
//!
//! - here: loops, growth, recursion, answers of an authorizer, host calls, instances.
//! - `answers`: malformed answers of the other stages.
//! - `loading`: what misbehaves before it is installed.
//! - `storms`: thousands of failures, floods of host calls and of callers.
//! - `minds`: policies that contradict themselves.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use mcpjungle_host::pipeline::{Denial, Stage};
use mcpjungle_host::plugin::{Isolation, Limits, LoadError, PluginPlan, Stock};

#[path = "hostile/answers.rs"]
mod answers;
#[path = "hostile/component.rs"]
mod component;
#[path = "hostile/figures.rs"]
mod figures;
#[path = "hostile/loading.rs"]
mod loading;
#[path = "hostile/log.rs"]
mod log;
#[path = "hostile/minds.rs"]
mod minds;
#[expect(dead_code, reason = "tests of the stock components need more of it")]
#[path = "hostile/rig.rs"]
mod rig;
#[path = "hostile/storms.rs"]
mod storms;

use component::Hostile;
use figures::Figures;
use log::CapturedLog;
use rig::{Rig, file_plugin};

/// Enough to tell a deadline from an endless loop on a busy machine.
const DEADLINE_MS: u32 = 100;

/// What a failing call may take: its deadline, and what a busy machine adds.
const BOUND: Duration = Duration::from_millis(DEADLINE_MS as u64 + 900);

fn limits() -> Limits {
    Limits { deadline_ms: number(DEADLINE_MS), ..Limits::default() }
}

fn number(value: u32) -> NonZeroU32 {
    NonZeroU32::new(value).unwrap()
}

/// The stock access list, and behind it the hostile component as `hostile`.
async fn rig_with(hostile: Hostile<'_>, change: impl FnOnce(&mut PluginPlan)) -> Rig {
    let folder = tempfile::tempdir().unwrap();
    let mut plan = file_plugin("hostile", &hostile.write(folder.path(), "hostile"));
    plan.limits = limits();
    change(&mut plan);
    Rig::new(vec![PluginPlan::stock(Stock::Acl), plan]).await
}

/// Asks about an item that makes the component misbehave, and says what the log says of it.
async fn failure(hostile: Hostile<'_>) -> String {
    failure_with(hostile, |_| {}).await
}

async fn failure_with(hostile: Hostile<'_>, change: impl FnOnce(&mut PluginPlan)) -> String {
    let rig = rig_with(hostile, change).await;
    let log = CapturedLog::default();
    let _guard = log.install();

    let figures = Figures::start();
    let denial = rig.authorize("time__x").await.unwrap_err();
    let took = figures.print(1);
    assert_unavailable(&denial);
    assert!(took < BOUND, "took {took:?}");
    assert_eq!(rig.failures("hostile"), 1);

    // The next call runs on another instance, or on one that the last call could not harm.
    rig.authorize("time__now").await.unwrap();
    assert_eq!((rig.failures("hostile"), rig.failures("builtin-acl")), (1, 0));
    log.error()
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_deadline() {
    let error = failure(Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() }).await;
    assert_eq!(error, "plugin `hostile` missed its deadline of 100 ms in stage authorizer");
}

#[tokio::test]
async fn a_busy_plugin_does_not_keep_the_thread_from_other_calls() {
    let hostile = Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() };
    let rig = rig_with(hostile, |_| {}).await;
    // One thread: if the loop held it, the other calls would only come after the deadline.
    let (looping, quick) = tokio::join!(rig.authorize("time__x"), async {
        let asked = Instant::now();
        for _ in 0..10 {
            rig.authorize("time__now").await.unwrap();
        }
        asked.elapsed()
    });
    looping.unwrap_err();
    assert!(quick < Duration::from_millis(u64::from(DEADLINE_MS)), "took {quick:?}");
}

#[tokio::test]
async fn a_memory_bomb_is_stopped_at_its_limit() {
    let hostile = Hostile {
        authorize: "(loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable",
        ..Default::default()
    };
    let error = failure(hostile).await;
    assert_eq!(error, "plugin `hostile` used more than 16777216 bytes of memory in stage authorizer");
}

#[tokio::test]
async fn a_table_cannot_grow_without_end() {
    let hostile = Hostile {
        top_level: "(table $table 0 funcref)",
        authorize: "(loop (br_if 0 (i32.ne
            (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable",
        ..Default::default()
    };
    let error = failure(hostile).await;
    assert_eq!(error, "plugin `hostile` used more than 16777216 bytes of memory in stage authorizer");
}

#[tokio::test]
async fn recursion_without_end_is_a_trap() {
    let hostile = Hostile {
        top_level: "(func $deeper (param i64) (result i64)
            (i64.add (call $deeper (i64.add (local.get 0) (i64.const 1))) (local.get 0)))",
        authorize: "(drop (call $deeper (i64.const 0))) unreachable",
        ..Default::default()
    };
    let error = failure(hostile).await;
    assert!(error.ends_with("trapped in stage authorizer: wasm trap: call stack exhausted"), "{error}");
}

#[tokio::test]
async fn an_endless_loop_over_many_items_ends_at_its_deadline_too() {
    let rig = rig_with(Hostile { authorize_items: "(loop (br 0)) unreachable", ..Default::default() }, |_| {}).await;
    let log = CapturedLog::default();
    let _guard = log.install();
    let figures = Figures::start();
    let denial = rig.authorize_items(&["time__now", "time__zone"]).await.unwrap_err();
    let took = figures.print(1);
    assert_unavailable(&denial);
    assert!(took < BOUND, "took {took:?}");
    assert_eq!(log.error(), "plugin `hostile` missed its deadline of 100 ms in stage authorizer");
}

#[tokio::test]
async fn a_trap_is_a_denial() {
    let error = failure(Hostile { authorize: "unreachable", ..Default::default() }).await;
    assert_eq!(
        error,
        "plugin `hostile` trapped in stage authorizer: wasm trap: wasm `unreachable` instruction executed"
    );
}

/// A denial whose code is `length` bytes of the second page, which are all zero.
fn denial_with_code(length: u32) -> String {
    format!(
        "(i32.store8 (i32.const 64) (i32.const 1))
         (i32.store offset=4 (i32.const 64) (i32.const 65536))
         (i32.store offset=8 (i32.const 64) (i32.const {length}))
         (i32.const 64)"
    )
}

#[tokio::test]
async fn an_answer_larger_than_its_limit_is_malformed() {
    let authorize = denial_with_code(65_536);
    let hostile = Hostile { authorize: &authorize, ..Default::default() };
    let error = failure_with(hostile, |plan| plan.limits.output_kib = number(64 - 1)).await;
    assert!(error.starts_with("plugin `hostile` gave a malformed answer in stage authorizer: "), "{error}");
    assert!(error.contains("larger than 63 KiB, the limit `output_kib`"), "{error}");

    // The same answer is fine where it is allowed: the limit did it, not the answer.
    let hostile = Hostile { authorize: &authorize, ..Default::default() };
    let rig = rig_with(hostile, |_| {}).await;
    assert!(matches!(rig.authorize("time__x").await, Err(Denial::Hidden { .. })));
}

#[tokio::test]
async fn an_answer_outside_of_the_components_memory_is_malformed() {
    let error = failure(Hostile { authorize: &denial_with_code(1_000_000), ..Default::default() }).await;
    assert!(error.starts_with("plugin `hostile` gave a malformed answer in stage authorizer: "), "{error}");
}

#[tokio::test]
async fn an_answer_that_is_not_text_is_malformed() {
    let authorize = format!("(i32.store8 (i32.const 65536) (i32.const 255)) {}", denial_with_code(1));
    let error = failure(Hostile { authorize: &authorize, ..Default::default() }).await;
    assert!(error.starts_with("plugin `hostile` gave a malformed answer in stage authorizer: "), "{error}");
    assert!(error.contains("utf-8"), "{error}");
}

#[tokio::test]
async fn a_decision_that_there_is_not_is_malformed() {
    let authorize = "(i32.store8 (i32.const 64) (i32.const 7)) (i32.const 64)";
    let error = failure(Hostile { authorize, ..Default::default() }).await;
    assert!(error.starts_with("plugin `hostile` gave a malformed answer in stage authorizer: "), "{error}");
    assert!(error.contains("discriminant"), "{error}");
}

/// A listing of `visible` answers at `address` that holds as long as `validity` says.
fn listing(address: u32, visible: u32, validity: u32) -> String {
    format!(
        "(i32.store (i32.const 64) (i32.const {address}))
         (i32.store offset=4 (i32.const 64) (i32.const {visible}))
         (i32.store8 offset=8 (i32.const 64) (i32.const {validity}))
         (i32.const 64)"
    )
}

#[tokio::test]
async fn a_malformed_listing_is_unavailable_and_never_an_empty_list() {
    for (authorize_items, expected) in [
        (String::new(), ": 0 answers about 2 items"),
        (listing(128, 1, 0), ": 1 answers about 2 items"),
        (listing(128, 3, 0), ": 3 answers about 2 items"),
        (listing(65_536, 65_536, 0), ": 65536 answers about 2 items"),
        (listing(128, 2, 9), "discriminant"),
        (listing(128, 1 << 30, 0), "out of bounds"),
        (listing(u32::MAX, 2, 0), "out of bounds"),
        (listing(128, u32::MAX, 0), "out of bounds"),
    ] {
        let rig = rig_with(Hostile { authorize_items: &authorize_items, ..Default::default() }, |_| {}).await;
        let log = CapturedLog::default();
        let _guard = log.install();
        let figures = Figures::start();
        let denial = rig.authorize_items(&["time__now", "time__zone"]).await.unwrap_err();
        figures.print(1);
        assert_unavailable(&denial);
        let error = log.error();
        assert!(error.starts_with("plugin `hostile` gave a malformed answer in stage authorizer: "), "{error}");
        assert!(error.contains(expected), "{authorize_items}: {error}");
        rig.authorize("time__now").await.unwrap();
    }
}

#[tokio::test]
async fn endless_host_calls_are_stopped() {
    let hostile = || Hostile {
        top_level: r#"(import "mcpjungle:policy/clock@0.1.0" "now" (func $now (result i64)))"#,
        authorize: "(loop (drop (call $now)) (br 0)) unreachable",
        ..Default::default()
    };
    let error = failure(hostile()).await;
    assert_eq!(error, "plugin `hostile` made more than 1000 host calls in stage authorizer");

    // Where their number is no bound, the deadline is.
    let error = failure_with(hostile(), |plan| plan.limits.host_calls = u32::MAX).await;
    assert_eq!(error, "plugin `hostile` missed its deadline of 100 ms in stage authorizer");
}

#[tokio::test]
async fn an_import_that_was_not_granted_is_refused_by_name() {
    let hostile = Hostile {
        worlds: &["uses-key-value"],
        top_level: r#"(import "mcpjungle:policy/key-value@0.1.0" "delete" (func $delete (param i32 i32 i32)))"#,
        authorize: "(call $delete (i32.const 0) (i32.const 0) (i32.const 1024)) (i32.const 16)",
        ..Default::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let plan = file_plugin("hostile", &hostile.write(folder.path(), "hostile"));
    let error = Rig::try_new(vec![plan], mcpjungle_host::pipeline::Mode::Development).await.err().unwrap();
    assert!(matches!(error, LoadError::ImportNotGranted { .. }));
    assert_eq!(
        error.to_string(),
        "plugin `hostile` imports `mcpjungle:policy/key-value@0.1.0`, \
         a store of values that outlive a call, which was not granted: grant it with `kv`"
    );
}

#[tokio::test]
async fn a_plugin_may_be_let_fail_open_and_that_is_counted() {
    let hostile = Hostile { authorize: "unreachable", ..Default::default() };
    let rig = rig_with(hostile, |plan| plan.fail_open = true).await;
    rig.authorize("time__x").await.unwrap();
    assert_eq!(rig.failures("hostile"), 1);
}

/// Counts its calls in its own memory and denies all but the first.
const ONLY_ONCE: Hostile<'static> = Hostile {
    worlds: &[],
    trigger: None,
    top_level: "(global $calls (mut i32) (i32.const 0))",
    authorize: "(block (result i32)
        (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
        (i32.store8 (i32.const 64) (i32.gt_u (global.get $calls) (i32.const 1)))
        (i32.const 64))",
    authorize_items: "",
};

#[tokio::test]
async fn instances_are_used_again_unless_calls_are_isolated() {
    let reused = rig_with(ONLY_ONCE, |_| {}).await;
    reused.authorize("time__x").await.unwrap();
    reused.authorize("time__x").await.unwrap_err();

    let isolated = rig_with(ONLY_ONCE, |plan| plan.isolation = Isolation::PerCall).await;
    for _ in 0..3 {
        isolated.authorize("time__x").await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_leaves_no_instance_behind() {
    let hostile = Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() };
    let rig = rig_with(hostile, |plan| plan.limits.instances = number(1)).await;
    let given_up = tokio::time::timeout(Duration::from_millis(10), rig.authorize("time__x")).await;
    assert!(given_up.is_err());
    rig.authorize("time__now").await.unwrap();
    assert_eq!(rig.failures("hostile"), 0);
}

#[tokio::test]
async fn waiting_for_an_instance_counts_against_the_deadline() {
    let hostile = Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() };
    let rig = rig_with(hostile, |plan| plan.limits.instances = number(1)).await;
    let asked = Instant::now();
    let answers = tokio::join!(rig.authorize("time__x"), rig.authorize("time__x"), rig.authorize("time__x"));
    let took = asked.elapsed();
    assert!(answers.0.is_err() && answers.1.is_err() && answers.2.is_err());
    assert!(took < Duration::from_millis(3 * u64::from(DEADLINE_MS)), "one after the other: {took:?}");
    assert_eq!(rig.failures("hostile"), 3);
    rig.authorize("time__now").await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn instances_pass_from_call_to_call_when_there_are_more_calls_than_instances() {
    let rig = rig_with(Hostile::default(), |plan| {
        plan.limits.instances = number(2);
        // Only a call that is left waiting for ever misses it.
        plan.limits.deadline_ms = number(20_000);
    });
    let rig = std::sync::Arc::new(rig.await);
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let rig = std::sync::Arc::clone(&rig);
        callers.spawn(async move {
            for _ in 0..200 {
                rig.authorize("time__now").await.unwrap();
            }
        });
    }
    callers.join_all().await;
    assert_eq!(rig.failures("hostile"), 0);
}

/// The hostile authorizer is named, and nothing else is said of it.
#[track_caller]
fn assert_unavailable(denial: &Denial) {
    let Denial::Unavailable { decider } = denial else { panic!("{denial:?}") };
    assert_eq!((decider.stage, &*decider.plugin), (Stage::Authorizer, "hostile"));
}
