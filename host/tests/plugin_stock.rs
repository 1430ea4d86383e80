//! The stock components as the gateway runs them, and how pipelines are put together.

use mcpjungle_host::names::{GroupName, ServerName};
use mcpjungle_host::pipeline::{
    Denial, Endpoint, InjectedValue, Item, ItemKind, Mode, Principal, PrincipalKind, UpstreamView, Validity,
};
use mcpjungle_host::plugin::{LoadError, PipelinePlan, PluginPlan, Stock};

#[expect(dead_code, reason = "tests of hostile components need more of it")]
#[path = "hostile/rig.rs"]
mod rig;

use rig::{Rig, file_plugin, request, tool};

async fn stock_rig(mode: Mode) -> Rig {
    Rig::try_new(PipelinePlan::stock().plugins, mode).await.unwrap()
}

fn group(name: &str) -> Endpoint {
    Endpoint::Group(GroupName::parse(name).unwrap())
}

#[tokio::test]
async fn in_development_mode_everybody_is_anonymous_and_may_use_everything() {
    let rig = stock_rig(Mode::Development).await;
    for token in [None, Some("Bearer nonsense")] {
        assert_eq!(rig.authenticate(Endpoint::Main, token).await.unwrap(), Principal::anonymous());
    }
    rig.authorize("github__search").await.unwrap();
    let listing = rig.authorize_items(&["github__search", "time__now"]).await.unwrap();
    assert_eq!((listing.visible, listing.holds), (vec![true, true], Validity::UntilChange));
}

#[tokio::test]
async fn in_enterprise_mode_a_client_may_use_what_its_allow_list_says() {
    let rig = stock_rig(Mode::Enterprise).await;
    for unknown in [None, Some("Bearer unknown")] {
        let denial = rig.authenticate(Endpoint::Main, unknown).await.unwrap_err();
        assert_eq!(denial, Denial::Unauthenticated { by: None });
    }
    let client = rig.authenticate(Endpoint::Main, Some("Bearer client-token")).await.unwrap();
    assert_eq!((client.kind, client.name.as_str()), (PrincipalKind::Client, "cursor"));

    let asked = request(Endpoint::Main);
    rig.pipeline.authorize(&asked, &client, &tool("github__search")).await.unwrap();
    let denial = rig.pipeline.authorize(&asked, &client, &tool("time__now")).await.unwrap_err();
    assert!(matches!(denial, Denial::Hidden { .. }));
    let items = [tool("time__now"), tool("github__search")];
    let listing = rig.pipeline.authorize_items(&asked, &client, &[&items[0], &items[1]]).await.unwrap();
    assert_eq!(listing.visible, [false, true]);
}

#[tokio::test]
async fn in_enterprise_mode_a_token_opens_only_its_own_kind_of_endpoint() {
    let rig = stock_rig(Mode::Enterprise).await;
    rig.authenticate(Endpoint::Api, Some("bearer user-token")).await.unwrap();
    for (endpoint, token) in [(Endpoint::Api, "client-token"), (Endpoint::Main, "user-token")] {
        let denial = rig.authenticate(endpoint, Some(token)).await.unwrap_err();
        assert!(matches!(denial, Denial::Unauthenticated { by: Some(_) }));
    }
}

#[tokio::test]
async fn a_group_is_what_its_definition_says() {
    let rig = stock_rig(Mode::Development).await;
    let asked = request(group("reading"));
    for (canonical, expected) in
        [("time__now", true), ("time__zone", false), ("github__search", true), ("github__delete", false)]
    {
        let item = tool(canonical);
        assert_eq!(rig.pipeline.select(&asked, "reading", &item).await.is_ok(), expected, "{canonical}");
        let listing = rig.pipeline.select_items(&asked, "reading", &[&item]).await.unwrap();
        assert_eq!(listing.visible, [expected], "{canonical}");
    }
    let prompt = Item { kind: ItemKind::Prompt, ..tool("github__search") };
    rig.pipeline.select(&asked, "reading", &prompt).await.unwrap_err();
    rig.pipeline.select(&request(group("gone")), "gone", &tool("time__now")).await.unwrap_err();
}

#[tokio::test]
async fn upstream_secrets_become_headers_by_reference() {
    let rig = stock_rig(Mode::Development).await;
    let server = ServerName::parse("github").unwrap();
    let secret_names = ["bearer-token".to_owned(), "header:X-Team".to_owned()];
    let upstream = UpstreamView { name: &server, transport: "streamable_http", secret_names: &secret_names };
    let asked = request(Endpoint::Main);
    let headers = rig.pipeline.headers(&asked, &Principal::anonymous(), upstream).await.unwrap();
    let secret = |prefix: &str, name: &str| InjectedValue::Secret { prefix: prefix.to_owned(), name: name.to_owned() };
    assert_eq!((headers[0].name.as_str(), &headers[0].value), ("authorization", &secret("Bearer ", "bearer-token")));
    assert_eq!((headers[1].name.as_str(), &headers[1].value), ("x-team", &secret("", "header:X-Team")));
    assert_eq!(headers.len(), 2);
}

#[tokio::test]
async fn thousands_of_items_are_one_question() {
    let rig = stock_rig(Mode::Development).await;
    let names: Vec<String> = (0..5_000).map(|number| format!("server-{}__tool-{number}", number % 20)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let listing = rig.authorize_items(&names).await.unwrap();
    assert_eq!(listing.visible.len(), 5_000);
    assert!(listing.visible.iter().all(|&visible| visible));
}

#[tokio::test]
async fn a_pipeline_without_an_authenticator_is_open_only_in_development_mode() {
    let rig = Rig::new(Vec::new()).await;
    assert_eq!(rig.authenticate(Endpoint::Main, None).await.unwrap(), Principal::anonymous());
    rig.authorize("github__search").await.unwrap();

    for plugins in [Vec::new(), vec![PluginPlan::stock(Stock::Acl)]] {
        let error = Rig::try_new(plugins, Mode::Enterprise).await.err().unwrap();
        assert!(matches!(error, LoadError::NoAuthenticator), "{error}");
    }
}

#[tokio::test]
async fn a_custom_component_denies_what_its_settings_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/deny-one-tool.wasm");
    let mut plan = file_plugin("deny-one-tool", path.as_ref());
    plan.settings = r#"{"deny": ["time__now"]}"#.to_owned();
    let rig = Rig::new(vec![plan.clone()]).await;
    assert!(matches!(rig.authorize("time__now").await, Err(Denial::Hidden { .. })));
    rig.authorize("time__zone").await.unwrap();
    assert_eq!(rig.authorize_items(&["time__now", "time__zone"]).await.unwrap().visible, [false, true]);

    plan.settings = "{}".to_owned();
    let error = Rig::try_new(vec![plan], Mode::Development).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "plugin `deny-one-tool` does not accept its settings: \"missing field `deny` at line 1 column 2\""
    );
}

#[tokio::test]
async fn a_component_is_refused_when_it_is_not_what_the_plan_says() {
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense.wasm");
    std::fs::write(&nonsense, "nonsense").unwrap();

    let mut pinned = PluginPlan::stock(Stock::Acl);
    pinned.digest = Some("0".repeat(64));
    let mut staged = PluginPlan::stock(Stock::Acl);
    staged.stages = Some(vec![mcpjungle_host::pipeline::Stage::Guard]);
    let cases = [
        (pinned, "plugin `builtin-acl`: the component has the digest sha256:"),
        (staged, "plugin `builtin-acl` is to be installed for the stage guard, which it does not export"),
        (file_plugin("gone", &folder.path().join("gone.wasm")), "plugin `gone`: cannot read the component "),
        (file_plugin("nonsense", &nonsense), "plugin `nonsense` is not a component that this gateway can run"),
    ];
    for (plan, expected) in cases {
        let error = Rig::try_new(vec![plan], Mode::Development).await.err().unwrap().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
