//! Several components in one pipeline: who is asked first, who has the last word.

use mcpjungle_host::names::{GroupName, ServerName};
use mcpjungle_host::pipeline::{Denial, Endpoint, InjectedValue, Item, Principal, Stage, UpstreamView, Validity};
use mcpjungle_host::plugin::PluginPlan;
use serde_json::{Value, json};

#[expect(dead_code, reason = "tests of hostile components need more of it")]
#[path = "hostile/rig.rs"]
mod rig;

use rig::{Rig, file_plugin, request, tool};

/// The test component under a name of its own, for one stage.
fn house_rules(name: &str, stage: Stage, settings: &Value) -> PluginPlan {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm");
    let mut plan = file_plugin(name, path.as_ref());
    plan.stages = Some(vec![stage]);
    plan.settings = settings.to_string();
    plan
}

async fn two(stage: Stage, first: Value, second: Value) -> Rig {
    Rig::new(vec![house_rules("first", stage, &first), house_rules("second", stage, &second)]).await
}

async fn review(rig: &Rig, arguments: &str) -> Result<Option<String>, Denial> {
    let (asked, item) = (request(Endpoint::Main), tool("time__now"));
    let reviewed = rig.pipeline.review_arguments(&asked, &Principal::anonymous(), &item, arguments).await?;
    Ok(reviewed.map(|text| String::from_utf8(text.to_vec()).unwrap()))
}

async fn review_result(rig: &Rig, result: &str) -> Result<Option<String>, Denial> {
    let (asked, item) = (request(Endpoint::Main), tool("time__now"));
    let reviewed = rig.pipeline.review_result(&asked, &Principal::anonymous(), &item, result).await?;
    Ok(reviewed.map(|text| String::from_utf8(text.to_vec()).unwrap()))
}

#[tokio::test]
async fn the_second_guard_sees_what_the_first_rewrote() {
    let rig = two(
        Stage::Guard,
        json!({ "arguments": { r#"{"a":1}"#: r#"{"b": 2.0}"# } }),
        json!({ "arguments": { r#"{"b": 2.0}"#: r#"{"c":3}"#, r#"{"d":4}"#: r#"{"e":[]}"# } }),
    )
    .await;
    assert_eq!(review(&rig, r#"{"a":1}"#).await.unwrap().as_deref(), Some(r#"{"c":3}"#));
    assert_eq!(review(&rig, r#"{"d":4}"#).await.unwrap().as_deref(), Some(r#"{"e":[]}"#), "the first passed");
    assert_eq!(review(&rig, "{}").await.unwrap(), None, "both passed");
    assert_eq!(review_result(&rig, "{}").await.unwrap(), None, "nobody rewrites results");
}

#[tokio::test]
async fn a_rewrite_of_the_first_guard_stands_if_the_second_passes() {
    let rig = two(Stage::Guard, json!({ "arguments": { "{}": r#"{"b": 2.0}"# }, "result": "{ }" }), json!({})).await;
    assert_eq!(review(&rig, "{}").await.unwrap().as_deref(), Some(r#"{"b": 2.0}"#));
    assert_eq!(review_result(&rig, r#"{"content":[]}"#).await.unwrap().as_deref(), Some("{ }"));
}

#[tokio::test]
async fn the_last_guard_that_rewrites_a_result_has_the_last_word() {
    let rig = two(Stage::Guard, json!({ "result": "1" }), json!({ "result": "2" })).await;
    assert_eq!(review_result(&rig, "{}").await.unwrap().as_deref(), Some("2"));
}

#[tokio::test]
async fn a_guard_that_denies_ends_the_review_with_its_reason() {
    let not_json = json!({ "arguments": { "{}": "not JSON" } });
    let rig = two(Stage::Guard, json!({ "deny_tool": "now" }), not_json).await;
    let Denial::Refused { by } = review(&rig, "{}").await.unwrap_err() else { panic!("the second was asked") };
    assert_eq!((&*by.decider.plugin, by.decider.stage), ("first", Stage::Guard));
    assert_eq!(by.reason.text, "now is against the house rules");
}

#[tokio::test]
async fn a_rewrite_that_is_not_json_is_a_denial() {
    let bad = json!({ "arguments": { "{}": "{not JSON" }, "result": "{} {}" });
    let rig = two(Stage::Guard, json!({}), bad).await;
    for denial in [review(&rig, "{}").await.unwrap_err(), review_result(&rig, "{}").await.unwrap_err()] {
        let Denial::Unavailable { decider } = denial else { panic!("{denial}") };
        assert_eq!((decider.stage, &*decider.plugin), (Stage::Guard, "second"));
    }
}

#[tokio::test]
async fn a_later_header_injector_overrides_a_name_that_an_earlier_one_set() {
    let rig = two(
        Stage::HeaderInjector,
        json!({ "headers": { "X-Team": "first", "X-First": "1" } }),
        json!({ "headers": { "x-team": "second", "X-Second": "2" } }),
    )
    .await;
    let server = ServerName::parse("time").unwrap();
    let upstream = UpstreamView { name: &server, transport: "streamable_http", secret_names: &[] };
    let asked = request(Endpoint::Main);
    let headers = rig.pipeline.headers(&asked, &Principal::anonymous(), upstream).await.unwrap();
    let mut shown: Vec<(&str, &str)> = headers
        .iter()
        .map(|header| match &header.value {
            InjectedValue::Literal(text) => (header.name.as_str(), text.as_str()),
            InjectedValue::Secret { .. } | InjectedValue::GrantedSecret { .. } => panic!("{header:?}"),
        })
        .collect();
    shown.sort_unstable();
    assert_eq!(shown, [("x-first", "1"), ("x-second", "2"), ("x-team", "second")]);
}

#[tokio::test]
async fn all_authorizers_must_allow_and_the_shortest_answer_counts() {
    let first = json!({ "hide": ["now"], "holds_ms": 500 });
    let rig = two(Stage::Authorizer, first, json!({ "hide": ["zone"], "holds_ms": 200 })).await;
    for (name, by) in [("time__now", Some("first")), ("time__zone", Some("second")), ("time__date", None)] {
        let denied_by = match rig.authorize(name).await {
            Ok(()) => None,
            Err(Denial::Hidden { by }) => Some(by.decider.plugin),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(denied_by.as_deref(), by, "{name}");
    }
    let listing = rig.authorize_items(&["time__now", "time__zone", "time__date"]).await.unwrap();
    assert_eq!((listing.visible, listing.holds), (vec![false, false, true], Validity::Milliseconds(200)));
}

#[tokio::test]
async fn all_tool_filters_must_agree_and_the_shortest_answer_counts() {
    let rig = two(Stage::ToolFilter, json!({ "hide": ["now"], "holds_ms": 300 }), json!({ "hide": ["zone"] })).await;
    let asked = request(Endpoint::Group(GroupName::parse("reading").unwrap()));
    let items: Vec<Item> = ["time__now", "time__zone", "time__date"].map(tool).into();
    let expected = [false, false, true];
    for (item, expected) in items.iter().zip(expected) {
        assert_eq!(rig.pipeline.select(&asked, "reading", item).await.is_ok(), expected, "{item:?}");
    }
    let listing = rig.pipeline.select_items(&asked, "reading", &items.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!((listing.visible, listing.holds), (expected.to_vec(), Validity::Milliseconds(300)));
}
