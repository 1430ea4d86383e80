//! Counters follow the catalog: bounded in number, kept while their item is there.

use std::collections::BTreeMap;

use bytes::Bytes;
use url::Url;

use super::*;
use crate::names::CanonicalName;
use crate::server::{Server, SessionMode, Transport};
use crate::store::{ItemRecord, ServerRecord, Stored, StoredServer};
use crate::telemetry::exposition::text;

fn snapshot(servers: &[(&str, &[&str])]) -> Snapshot {
    let item = |kind, name: &str| ItemRecord {
        kind,
        key: name.to_owned(),
        definition: Bytes::from(serde_json::json!({ "name": name, "uri": name }).to_string()),
        enabled: true,
        id: 1,
    };
    let server = |(name, tools): &(&str, &[&str])| {
        let items = tools.iter().map(|name| item(ItemKind::Tool, name));
        StoredServer::Changed(Box::new(ServerRecord {
            revision: 1,
            server: Server {
                name: ServerName::parse(name).unwrap(),
                description: String::new(),
                transport: Transport::StreamableHttp {
                    url: Url::parse("http://h/").unwrap(),
                    bearer_token: None,
                    headers: BTreeMap::new(),
                },
                session_mode: SessionMode::Stateless,
                tool_sync_interval_seconds: None,
                audit: None,
            },
            enabled: true,
            initialize: Bytes::from_static(b"{}"),
            items: items.chain([item(ItemKind::Prompt, "greet"), item(ItemKind::Resource, "a:b")]).collect(),
            created_at_ms: 0,
            updated_at_ms: 0,
        }))
    };
    let servers = servers.iter().map(server).collect();
    Snapshot::build(Stored { revision: 1, servers, ..Stored::default() }, &Snapshot::default())
}

/// A call that its upstream did not answer.
fn call(metrics: &CatalogMetrics, kind: ItemKind, name: &str) {
    let method = match kind {
        ItemKind::Tool => "tools/call",
        ItemKind::Prompt => "prompts/get",
        ItemKind::Resource | ItemKind::ResourceTemplate => "resources/read",
    };
    request(metrics, method, kind, name);
}

fn request(metrics: &CatalogMetrics, method: &str, kind: ItemKind, name: &str) {
    let name = CanonicalName::parse(name).unwrap();
    let server = name.server.clone();
    let item = Item { kind, name, uri: None };
    let refusal = Refusal::Upstream(UpstreamError::Closed { server, how: "the connection was closed".into() });
    metrics.record_call(method, Some(&item), &Err(refusal), Duration::from_millis(3));
}

/// The lines of a metric, without its name.
fn samples(metrics: &CatalogMetrics, name: &str) -> Vec<String> {
    let shown = text(metrics.collect()).unwrap();
    let of_name = |line: &str| line.strip_prefix(name).filter(|rest| rest.starts_with('{')).map(str::to_owned);
    shown.lines().filter_map(of_name).collect()
}

#[test]
fn what_exists_is_counted_and_nothing_else() {
    let metrics = CatalogMetrics::default();
    metrics.follow(&snapshot(&[("s", &["t"])]));
    for (kind, name) in [
        (ItemKind::Tool, "s__t"),
        (ItemKind::Prompt, "s__greet"),
        (ItemKind::Resource, "s__a:b"),
        (ItemKind::Tool, "s__no-such-tool"),
        (ItemKind::Tool, "no-such-server__t"),
    ] {
        call(&metrics, kind, name);
    }
    // It names a prompt, and calls nothing.
    request(&metrics, "completion/complete", ItemKind::Prompt, "s__greet");
    let calls = samples(&metrics, "mcpjungle_tool_calls_total");
    let expected =
        ["greet", "t"].map(|tool| format!(r#"{{mcp_server_name="s",tool_name="s__{tool}",outcome="error"}} 1"#));
    assert_eq!(calls, expected);
    // The server did fail, whatever was asked of it.
    let failures = samples(&metrics, "mcpjungle_upstream_failures_total");
    assert_eq!(failures, [r#"{mcp_server_name="s",kind="answer"} 5"#]);
}

#[test]
fn a_denial_is_no_call() {
    let metrics = CatalogMetrics::default();
    metrics.follow(&snapshot(&[("s", &["t"])]));
    let item = Item { kind: ItemKind::Tool, name: CanonicalName::parse("s__t").unwrap(), uri: None };
    for refusal in [Refusal::NotFound { what: "tool", name: "s__t".into() }, Refusal::Overloaded] {
        metrics.record_call("tools/call", Some(&item), &Err(refusal), Duration::ZERO);
    }
    assert_eq!(text(metrics.collect()).unwrap(), "");
}

#[test]
fn counts_stay_with_their_item_and_go_with_it() {
    let metrics = CatalogMetrics::default();
    metrics.follow(&snapshot(&[("s", &["t", "u"]), ("gone", &["t"])]));
    for name in ["s__t", "s__u", "gone__t"] {
        call(&metrics, ItemKind::Tool, name);
    }
    metrics.follow(&snapshot(&[("new", &["t"]), ("s", &["t", "v"])]));
    call(&metrics, ItemKind::Tool, "s__t");
    assert_eq!(
        samples(&metrics, "mcpjungle_tool_calls_total"),
        [r#"{mcp_server_name="s",tool_name="s__t",outcome="error"} 2"#]
    );
    // Gone for good: who comes back starts anew.
    metrics.follow(&snapshot(&[]));
    metrics.follow(&snapshot(&[("s", &["t"])]));
    assert_eq!(text(metrics.collect()).unwrap(), "");
}

#[test]
fn beyond_the_bound_the_rest_share_their_counts_and_nobody_loses_his() {
    let names: Vec<String> = (0..MAX_ITEMS + 10).map(|number| format!("t{number:05}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let metrics = CatalogMetrics::default();
    metrics.follow(&snapshot(&[("z", &["kept"])]));
    call(&metrics, ItemKind::Tool, "z__kept");
    metrics.follow(&snapshot(&[("a", &names), ("z", &["kept"])]));
    for name in
        [format!("a__{}", names[0]), format!("a__{}", names[MAX_ITEMS + 8]), format!("a__{}", names[MAX_ITEMS + 9])]
    {
        call(&metrics, ItemKind::Tool, &name);
    }
    assert_eq!(
        samples(&metrics, "mcpjungle_tool_calls_total"),
        [
            r#"{mcp_server_name="a",tool_name="a__t00000",outcome="error"} 1"#,
            r#"{mcp_server_name="z",tool_name="z__kept",outcome="error"} 1"#,
            r#"{mcp_server_name="other",tool_name="other",outcome="error"} 2"#,
        ]
    );
    assert_eq!(metrics.table.load().item_series.len(), MAX_ITEMS);
}

#[test]
fn names_that_are_the_same_when_cut_share_their_counts() {
    let long = "x".repeat(100);
    let (one, other) = (format!("{long}1"), format!("{long}2"));
    let metrics = CatalogMetrics::default();
    metrics.follow(&snapshot(&[("s", &[&one, &other])]));
    call(&metrics, ItemKind::Tool, &format!("s__{one}"));
    call(&metrics, ItemKind::Tool, &format!("s__{other}"));
    let cut = &format!("s__{long}")[..64];
    assert_eq!(
        samples(&metrics, "mcpjungle_tool_calls_total"),
        [format!(r#"{{mcp_server_name="s",tool_name="{cut}",outcome="error"}} 2"#)]
    );
}
