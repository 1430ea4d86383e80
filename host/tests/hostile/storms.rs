//! Thousands of failures, floods of host calls, and more callers than instances: memory stays
//! where it was, the log stays readable, and what was held is given back.

use std::sync::Arc;
use std::time::Duration;

use mcpjungle_host::pipeline::Denial;
use tokio::task::JoinSet;

use crate::component::Hostile;
use crate::figures::Figures;
use crate::log::CapturedLog;
use crate::{BOUND, DEADLINE_MS, failure_with, number, rig_with};

const STORM: usize = 5_000;
/// What a process may hold more after a storm than before: its allocator keeps some.
const GROWTH_KIB: i64 = 6 << 10;

#[tokio::test]
async fn a_storm_of_traps_takes_no_memory_and_does_not_fill_the_log() {
    let rig = rig_with(Hostile { authorize: "unreachable", ..Default::default() }, |_| {}).await;
    let log = CapturedLog::default();
    let _guard = log.install();
    for _ in 0..500 {
        rig.authorize("time__x").await.unwrap_err();
    }
    let figures = Figures::start();
    for _ in 0..STORM {
        assert!(matches!(rig.authorize("time__x").await, Err(Denial::Unavailable { .. })));
        // Others meet no instance that is broken.
        rig.authorize("time__now").await.unwrap();
    }
    let took = figures.print(2 * STORM);
    assert!(figures.growth_kib() < GROWTH_KIB, "grew by {} KiB", figures.growth_kib());
    assert_eq!(rig.failures("hostile"), STORM as u64 + 500);
    assert_eq!(rig.failures("builtin-acl"), 0);
    // Ten a second, and what the first second had left.
    let most = 10 * (took.as_secs() as usize + 3);
    assert!(log.count() <= most, "{} lines in {took:?}", log.count());
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped_whatever_they_are() {
    let flood =
        |import: &'static str, call: &'static str| Hostile { top_level: import, authorize: call, ..Default::default() };
    let log = r#"(import "mcpjungle:policy/log@0.1.0" "write" (func $f (param i32 i32 i32 i32 i32)))"#;
    let settings = r#"(import "mcpjungle:policy/settings@0.1.0" "get" (func $f (param i32)))"#;
    let mode = r#"(import "mcpjungle:policy/directory@0.1.0" "get-mode" (func $f (result i32)))"#;
    let client = r#"(import "mcpjungle:policy/directory@0.1.0" "find-client" (func $f (param i32 i32 i32)))"#;
    // Nothing but their number or the deadline may bound them: arguments are valid.
    for (import, call) in [
        (
            log,
            "(loop (call $f (i32.const 3) (i32.const 65536) (i32.const 1000) (i32.const 0) (i32.const 0)) (br 0)) unreachable",
        ),
        (settings, "(loop (call $f (i32.const 256)) (br 0)) unreachable"),
        (mode, "(loop (drop (call $f)) (br 0)) unreachable"),
        (client, "(loop (call $f (i32.const 65536) (i32.const 10) (i32.const 256)) (br 0)) unreachable"),
    ] {
        let error = failure_with(flood(import, call), |_| {}).await;
        assert_eq!(error, "plugin `hostile` made more than 1000 host calls in stage authorizer");
        let error = failure_with(flood(import, call), |plan| plan.limits.host_calls = u32::MAX).await;
        // `settings.get` runs out of memory of its own first: it never frees what it is given.
        assert!(error.contains("missed its deadline") || error.contains("beyond end of memory"), "{error}");
    }
}

#[tokio::test]
async fn a_plugin_cannot_fill_the_log_with_lines_of_its_own() {
    let hostile = Hostile {
        top_level: r#"(import "mcpjungle:policy/log@0.1.0" "write" (func $f (param i32 i32 i32 i32 i32)))"#,
        authorize: "(call $f (i32.const 3) (i32.const 65536) (i32.const 1000) (i32.const 0) (i32.const 0)) (i32.const 16)",
        ..Default::default()
    };
    let rig = rig_with(hostile, |_| {}).await;
    let log = CapturedLog::default();
    let _guard = log.install();
    let figures = Figures::start();
    for _ in 0..1_000 {
        rig.authorize("time__x").await.unwrap();
    }
    let took = figures.print(1_000);
    assert!(log.count() >= 50, "{} lines", log.count());
    assert!(log.count() <= 50 * (took.as_secs() as usize + 2), "{} lines in {took:?}", log.count());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_callers_than_instances_all_end_at_the_deadline_and_every_slot_is_given_back() {
    const CALLERS: usize = 64;
    let hostile = Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() };
    let rig = Arc::new(rig_with(hostile, |plan| plan.limits.instances = number(4)).await);
    for _ in 0..3 {
        let figures = Figures::start();
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let rig = Arc::clone(&rig);
            callers.spawn(async move { rig.authorize("time__x").await });
        }
        let answers = callers.join_all().await;
        let took = figures.print(CALLERS);
        assert!(answers.iter().all(|answer| matches!(answer, Err(Denial::Unavailable { .. }))), "{answers:?}");
        assert!(took < BOUND, "one after the other: {took:?}");
        // As many at once as there are slots, none of which may be gone.
        let answers = tokio::join!(
            rig.authorize("time__a"),
            rig.authorize("time__b"),
            rig.authorize("time__c"),
            rig.authorize("time__d")
        );
        assert!(answers.0.is_ok() && answers.1.is_ok() && answers.2.is_ok() && answers.3.is_ok(), "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_that_loop_leave_another_plugin_its_time() {
    let hostile = Hostile { authorize: "(loop (br 0)) unreachable", ..Default::default() };
    let rig = Arc::new(rig_with(hostile, |_| {}).await);
    let mut loops = JoinSet::new();
    for _ in 0..8 {
        let rig = Arc::clone(&rig);
        loops.spawn(async move { rig.authorize("time__x").await });
    }
    let figures = Figures::start();
    let mut answered = 0;
    while !loops.is_empty() && figures.elapsed() < Duration::from_millis(u64::from(DEADLINE_MS) / 2) {
        rig.authorize("time__now").await.unwrap();
        answered += 1;
    }
    figures.print(answered);
    assert!(answered > 10, "only {answered} calls beside eight loops");
    assert!(loops.join_all().await.iter().all(Result::is_err));
}
