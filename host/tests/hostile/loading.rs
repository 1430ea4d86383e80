//! What misbehaves before it is installed is not installed, and the message says why.

use std::error::Error;
use std::sync::Arc;

use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::plugin::{Capabilities, Grants, KeyValue, LoadError, MemoryKeyValue, PluginPlan};

use crate::component::{Hostile, Other};
use crate::figures::Figures;
use crate::rig::{Rig, file_plugin};
use crate::{BOUND, limits};

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
        ("(func $start (loop (br 0))) (start $start)", "missed its deadline"),
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

/// A guard that describes itself and accepts its settings so.
async fn configured(describe: &str, accept: &str, reviews: &str, data: &str) -> LoadError {
    let or = |text: &str, otherwise: &str| if text.is_empty() { otherwise.to_owned() } else { text.to_owned() };
    let pass = "(i32.const 16)";
    let body = format!(
        r#"{data}
        (func (export "mcpjungle:policy/configuration@0.1.0#describe") (result i32) {})
        (func (export "mcpjungle:policy/configuration@0.1.0#accept") (param i32 i32) (result i32) {})
        (func (export "mcpjungle:policy/guard@0.1.0#reviews") (result i32) {})
        (func (export "mcpjungle:policy/guard@0.1.0#review-arguments") (param i32) (result i32) {pass})
        (func (export "mcpjungle:policy/guard@0.1.0#review-result") (param i32) (result i32) {pass})"#,
        or(describe, pass),
        or(accept, pass),
        or(reviews, "(i32.const 3)"),
    );
    let folder = tempfile::tempdir().unwrap();
    let other = Other { worlds: &["configured", "guarding"], body: &body };
    let mut plan = file_plugin("hostile", &other.write(folder.path(), "hostile"));
    plan.limits = limits();
    refusal(plan).await
}

#[tokio::test]
async fn loops_and_traps_while_it_is_asked_about_itself_end_at_the_deadline() {
    let (endless, trap) = ("(loop (br 0)) unreachable", "unreachable");
    for (describe, accept, reviews, expected) in [
        (endless, "", "", "missed its deadline"),
        ("", endless, "", "missed its deadline"),
        ("", "", endless, "missed its deadline"),
        (trap, "", "", "trapped"),
        ("", trap, "", "trapped"),
        ("", "", trap, "trapped"),
    ] {
        let figures = Figures::start();
        let error = configured(describe, accept, reviews, "").await;
        assert!(said(&error).contains(expected), "{}", said(&error));
        let took = figures.print(1);
        // With compiling it, which the deadline does not cover.
        assert!(took < 4 * BOUND, "took {took:?}");
    }
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
    assert!(said(&configured(malformed, "", "", "").await).contains("discriminant"));
    let endless_text = "(i32.store offset=4 (i32.const 64) (i32.const -1)) (i32.const 64)";
    assert!(said(&configured(endless_text, "", "", "").await).contains("out of bounds"));
    // Texts and schemas that would keep a validator busy for ever, or call for another host.
    let nested = "[".repeat(3_000);
    let large_patterns = serde_json::json!({ "anyOf": [{ "pattern": r"\p{L}{1000}" }, { "pattern": r"\p{L}{999}" }] }).to_string();
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
        let error = configured(&describe, "", "", &data).await;
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
