//! What misbehaves before it is installed is not installed, and the message says why.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use mcpjungle_host::pipeline::{Denial, Endpoint, Mode, Principal};
use mcpjungle_host::plugin::{Capabilities, Grants, KeyValue, LoadError, MemoryKeyValue, PluginPlan};

use crate::component::{Hostile, Other};
use crate::figures::Figures;
use crate::log::CapturedLog;
use crate::rig::{Rig, file_plugin, request, tool};
use crate::{limits, number};

/// What a component that loops while it is loaded is refused for, whatever deadline its plan gives to calls.
const TOO_LONG: &str = "missed its deadline of 5000 ms";

async fn refusal(plan: PluginPlan) -> LoadError {
    let figures = Figures::start();
    let error = Rig::try_new(vec![plan], Mode::Development).await.err().unwrap();
    figures.print(1);
    error
}

fn said(error: &LoadError) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

#[tokio::test]
async fn a_component_that_does_not_start_is_not_installed() {
    for (top_level, expected) in [
        ("(func $start unreachable) (start $start)", "trapped"),
        ("(func $start (loop (br 0))) (start $start)", TOO_LONG),
        ("(memory $other 1000)", "bytes of memory"),
        ("(func $start (call $start)) (start $start)", "call stack exhausted"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let hostile = Hostile { top_level, ..Default::default() };
        let mut plan = file_plugin("hostile", &hostile.write(folder.path(), "hostile"));
        plan.limits = limits();
        let error = refusal(plan).await;
        assert!(matches!(error, LoadError::Start { .. }), "{error}");
        assert!(said(&error).contains(expected), "{}", said(&error));
    }
}

/// A guard, and what it does when it is asked; nothing unusual where that is empty.
#[derive(Default)]
struct Configured<'a> {
    describe: &'a str,
    accept: &'a str,
    reviews: &'a str,
    review_arguments: &'a str,
    data: &'a str,
}

impl Configured<'_> {
    fn plan(&self, folder: &Path) -> PluginPlan {
        let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
        let pass = "(i32.const 16)";
        let body = format!(
            r#"{}
            (func (export "mcpjungle:policy/configuration@0.1.0#describe") (result i32) {})
            (func (export "mcpjungle:policy/configuration@0.1.0#accept") (param i32 i32) (result i32) {})
            (func (export "mcpjungle:policy/guard@0.1.0#reviews") (result i32) {})
            (func (export "mcpjungle:policy/guard@0.1.0#review-arguments") (param i32) (result i32) {})
            (func (export "mcpjungle:policy/guard@0.1.0#review-result") (param i32) (result i32) {pass})"#,
            self.data,
            or(self.describe, pass),
            or(self.accept, pass),
            or(self.reviews, "(i32.const 3)"),
            or(self.review_arguments, pass),
        );
        let other = Other { worlds: &["configured", "guarding"], body: &body };
        PluginPlan { limits: limits(), ..file_plugin("hostile", &other.write(folder, "hostile")) }
    }

    async fn refusal(&self) -> LoadError {
        let folder = tempfile::tempdir().unwrap();
        refusal(self.plan(folder.path())).await
    }
}

#[tokio::test]
async fn loops_and_traps_while_it_is_asked_about_itself_end_its_loading() {
    let (endless, trap) = ("(loop (br 0)) unreachable", "unreachable");
    let (describing, accepting, reviewing) = (
        |describe| Configured { describe, ..Configured::default() },
        |accept| Configured { accept, ..Configured::default() },
        |reviews| Configured { reviews, ..Configured::default() },
    );
    // At the same time: each takes as long as a component may take to load.
    let cases = [
        (describing(endless), TOO_LONG),
        (accepting(endless), TOO_LONG),
        (reviewing(endless), TOO_LONG),
        (describing(trap), "trapped"),
        (accepting(trap), "trapped"),
        (reviewing(trap), "trapped"),
    ];
    join_all(cases.iter().map(async |(configured, expected)| {
        let error = configured.refusal().await;
        assert!(said(&error).contains(expected), "{}", said(&error));
    }))
    .await;
}

#[tokio::test]
async fn a_short_deadline_is_for_calls_and_refuses_no_start() {
    // Some tens of milliseconds.
    let slow = "(local $turns i32)
        (loop
            (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $turns) (i32.const 50000000))))
        (i32.const 16)";
    let folder = tempfile::tempdir().unwrap();
    let configured = Configured { describe: slow, accept: slow, review_arguments: slow, ..Configured::default() };
    let mut plan = configured.plan(folder.path());
    plan.limits.deadline_ms = number(1);
    let rig = Rig::new(vec![plan]).await;

    let log = CapturedLog::default();
    let _guard = log.install();
    let (request, principal) = (request(Endpoint::Main), Principal::anonymous());
    let review = rig.pipeline.review_arguments(&request, &principal, &tool("time__now"), "{}").await;
    assert!(matches!(review, Err(Denial::Unavailable { .. })), "{review:?}");
    assert_eq!(log.error(), "plugin `hostile` missed its deadline of 1 ms in stage guard");
}

/// A description at 64 whose schema is the text at 512.
fn with_schema(schema: &str) -> (String, String) {
    let describe = format!(
        "(i32.store8 offset=16 (i32.const 64) (i32.const 1))
         (i32.store offset=20 (i32.const 64) (i32.const 512))
         (i32.store offset=24 (i32.const 64) (i32.const {}))
         (i32.const 64)",
        schema.len()
    );
    let quoted = schema.replace('\n', " ").replace('\\', "\\5c").replace('"', "\\22");
    (describe, format!(r#"(data (i32.const 512) "{quoted}")"#))
}

#[tokio::test]
async fn a_description_that_is_none_is_refused() {
    let malformed = "(i32.store8 offset=16 (i32.const 64) (i32.const 5)) (i32.const 64)";
    let describing = |describe| Configured { describe, ..Configured::default() };
    assert!(said(&describing(malformed).refusal().await).contains("discriminant"));
    let endless_text = "(i32.store offset=4 (i32.const 64) (i32.const -1)) (i32.const 64)";
    assert!(said(&describing(endless_text).refusal().await).contains("out of bounds"));
    // Texts and schemas that would keep a validator busy for ever, or call for another host.
    let nested = "[".repeat(3_000);
    let large_patterns =
        serde_json::json!({ "anyOf": [{ "pattern": r"\p{L}{1000}" }, { "pattern": r"\p{L}{999}" }] }).to_string();
    for schema in [
        "no JSON",
        r#"{"type": 3}"#,
        r#"{"$ref": "http://127.0.0.1:9/schema"}"#,
        r##"{"allOf": [{"$ref": "#"}], "required": ["x"]}"##,
        r##"{"allOf": [{"$ref": "#/$defs/a"}], "required": ["x"],
            "$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]}, "b": {"allOf": [{"$ref": "#/$defs/a"}]}}}"##,
        nested.as_str(),
        large_patterns.as_str(),
    ] {
        let (describe, data) = with_schema(schema);
        let error = Configured { describe: &describe, data: &data, ..Configured::default() }.refusal().await;
        assert!(
            matches!(error, LoadError::SettingsSchema { .. } | LoadError::SettingsInvalid { .. }),
            "{schema}: {}",
            said(&error)
        );
    }
}

/// Adds to the number `n` when it accepts its settings, and traps if it could; adds to it in decisions, too.
const COUNTS: Hostile<'static> = Hostile {
    worlds: &["configured", "uses-key-value"],
    trigger: None,
    top_level: r#"
        (import "mcpjungle:policy/key-value@0.1.0" "increment" (func $increment (param i32 i32 i64 i32 i64 i32)))
        (data (i32.const 512) "n")
        (func $count
            (call $increment (i32.const 512) (i32.const 1) (i64.const 1) (i32.const 0) (i64.const 0) (i32.const 1024)))
        (func (export "mcpjungle:policy/configuration@0.1.0#describe") (result i32) (i32.const 16))
        (func (export "mcpjungle:policy/configuration@0.1.0#accept") (param i32 i32) (result i32)
            (call $count)
            (if (i32.eqz (i32.load8_u (i32.const 1024))) (then unreachable))
            (i32.const 16))"#,
    authorize: "(call $count) (i32.const 16)",
    authorize_items: "",
};

#[tokio::test]
async fn nothing_is_written_while_a_plugin_is_being_loaded() {
    let values = Arc::new(MemoryKeyValue::default());
    let capabilities = Capabilities { key_value: Arc::clone(&values) as _, ..Capabilities::default() };
    let folder = tempfile::tempdir().unwrap();
    let mut plan = file_plugin("hostile", &COUNTS.write(folder.path(), "hostile"));
    plan.grants = Grants::new(["kv".parse().unwrap()]);
    let rig = Rig::lending(vec![plan], Mode::Development, capabilities).await.unwrap();
    assert_eq!(values.get("hostile", "n").await, Ok(None));
    rig.authorize("time__x").await.unwrap();
    assert_eq!(values.get("hostile", "n").await, Ok(Some(b"1".to_vec())));
}
