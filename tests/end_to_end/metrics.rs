//! What Prometheus reads at `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use reqwest::{Method, header};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::client::{Client, request, send};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

/// A home whose `.env` holds these lines.
fn home_with(environment: &str) -> Arc<TempDir> {
    let home = new_home();
    std::fs::write(home.path().join(".env"), environment).expect("the home is writable");
    home
}

fn with_metrics(arguments: &[&str]) -> Gateway {
    Gateway::start_in(home_with("OTEL_ENABLED=true\n"), arguments)
}

/// Every sample: its name with its labels, and its value.
async fn scrape(gateway: &Gateway) -> BTreeMap<String, f64> {
    let reply = send(Client::new(gateway.url("/metrics")).bare(Method::GET)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4"));
    let samples = reply.body.lines().filter(|line| !line.starts_with('#'));
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        (name.to_owned(), value.parse().unwrap_or_else(|error| panic!("{error}: {line}")))
    };
    let read: BTreeMap<String, f64> = samples.clone().map(sample).collect();
    assert_eq!(read.len(), samples.count(), "no series is given twice:\n{}", reply.body);
    read
}

/// The series of a metric with their values, without its name.
fn series(samples: &BTreeMap<String, f64>, name: &str) -> Vec<(String, f64)> {
    let of_name = |(sample, value): (&String, &f64)| {
        let labels = sample.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with('{'))?;
        Some((labels.to_owned(), *value))
    };
    samples.iter().filter_map(of_name).collect()
}

fn call_labels(tool: &str, outcome: &str) -> String {
    format!(r#"{{mcp_server_name="raw",tool_name="raw__{tool}",outcome="{outcome}"}}"#)
}

#[tokio::test]
async fn calls_are_counted_under_the_documented_names() {
    let upstream = RawServer::http(&[]);
    let gateway = with_metrics(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    client.call("raw__numbers", "{}").await;
    client.call("raw__failing", "{}").await;
    client.call("raw__refusing", "{}").await;
    client.call("raw__no_such_tool", "{}").await;
    client.call("no_such_server__t", "{}").await;
    client.ask("prompts/get", r#"{"name":"raw__greet"}"#).await;
    client.ask("resources/read", r#"{"uri":"raw:blob?x=1#y"}"#).await;
    // Over the admin API, and on the server's own endpoint, where its tools have their own names.
    gateway.succeed(&["invoke", "raw__numbers"]);
    Client::connect(gateway.url("/v0/servers/raw/mcp")).await.call("numbers", "{}").await;

    let samples = scrape(&gateway).await;
    let expected = [
        (call_labels("failing", "error"), 1.0),
        (call_labels("greet", "success"), 1.0),
        (call_labels("numbers", "success"), 3.0),
        (call_labels("refusing", "error"), 1.0),
    ];
    assert_eq!(series(&samples, "mcpjungle_tool_calls_total"), expected);
    assert_eq!(series(&samples, "mcpjungle_tool_call_latency_seconds_count"), expected);
    let bounds = ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2", "5", "10", "20", "30", "+Inf"];
    let of_numbers = call_labels("numbers", "success");
    let buckets = bounds.map(|bound| {
        let name = format!("mcpjungle_tool_call_latency_seconds_bucket{}", of_numbers.trim_end_matches('}'));
        samples[&format!("{name},le=\"{bound}\"}}")]
    });
    assert!(buckets.is_sorted() && buckets[13] == 3.0, "{buckets:?}");
    assert_eq!(series(&samples, "mcpjungle_tool_call_latency_seconds_bucket").len(), 4 * bounds.len());
    assert_eq!(samples[r#"mcpjungle_upstream_up{mcp_server_name="raw"}"#], 1.0);
}

#[tokio::test]
async fn a_deregistered_server_leaves_no_series_behind() {
    let (upstream, other) = (RawServer::http(&[]), RawServer::http(&[]));
    let gateway = with_metrics(&[]);
    gateway.register(&upstream.registration("raw"));
    gateway.register(&other.registration("other-server"));
    let client = Client::connect(gateway.url("/mcp")).await;
    client.call("raw__numbers", "{}").await;
    client.call("other-server__numbers", "{}").await;
    gateway.succeed(&["deregister", "raw"]);
    let samples = scrape(&gateway).await;
    assert!(samples.keys().all(|name| !name.contains("\"raw")), "{samples:?}");
    assert_eq!(series(&samples, "mcpjungle_tool_calls_total").len(), 1);
    assert_eq!(
        series(&samples, "mcpjungle_upstream_sessions"),
        [(r#"{mcp_server_name="other-server"}"#.to_owned(), 1.0)]
    );
}

#[tokio::test]
async fn an_upstream_that_is_gone_shows_as_down_with_the_kind_of_its_failure() {
    let mut upstream = RawServer::http(&[]);
    let gateway = with_metrics(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    upstream.kill();
    client.call("raw__numbers", "{}").await;
    let samples = scrape(&gateway).await;
    assert_eq!(samples[r#"mcpjungle_upstream_up{mcp_server_name="raw"}"#], 0.0);
    assert_eq!(samples[r#"mcpjungle_upstream_failures_total{mcp_server_name="raw",kind="connect"}"#], 1.0);
    assert_eq!(series(&samples, "mcpjungle_tool_calls_total"), [(call_labels("numbers", "error"), 1.0)]);
    // Nobody tries it while it is disabled, so nobody would ever say that it is up again.
    gateway.succeed(&["disable", "server", "raw"]);
    assert_eq!(series(&scrape(&gateway).await, "mcpjungle_upstream_up"), []);
}

#[tokio::test]
async fn policies_are_counted_by_plugin_and_stage() {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/deny-one-tool.wasm");
    let policies = json!({ "policies": [
        { "name": "auth", "component": "builtin:auth" },
        { "name": "no-numbers", "component": component, "settings": { "deny": ["raw__numbers"] } },
        { "name": "headers", "component": "builtin:headers" },
    ]});
    let home = home_with("OTEL_ENABLED=1\n");
    let file = home.path().join("policies.yaml");
    std::fs::write(&file, policies.to_string()).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--policies", file.to_str().expect("temporary paths are UTF-8")]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let before = scrape(&gateway).await;
    client.call("raw__numbers", "{}").await;
    client.call("raw__spaced", "{}").await;
    let after = scrape(&gateway).await;
    let grown = |metric: &str, plugin: &str, stage: &str| {
        let name = format!(r#"mcpjungle_plugin_{metric}{{plugin="{plugin}",stage="{stage}"}}"#);
        after[&name] - before[&name]
    };
    for (plugin, stage, calls, denials) in [
        ("auth", "authenticator", 2.0, 0.0),
        ("no-numbers", "authorizer", 2.0, 1.0),
        ("headers", "header-injector", 1.0, 0.0),
    ] {
        assert_eq!(grown("calls_total", plugin, stage), calls, "{plugin}");
        assert_eq!(grown("call_latency_seconds_count", plugin, stage), calls, "{plugin}");
        assert_eq!(grown("denials_total", plugin, stage), denials, "{plugin}");
    }
    let failed = r#"mcpjungle_plugin_failures_total{plugin="no-numbers",stage="authorizer",result="denied"}"#;
    assert_eq!(after[failed], 0.0);
    // What was denied was not called.
    assert_eq!(series(&after, "mcpjungle_tool_calls_total"), [(call_labels("spaced", "success"), 1.0)]);
}

#[tokio::test]
async fn sessions_and_calls_under_way_are_shown_as_they_are() {
    let upstream = RawServer::http(&[]);
    let gateway = with_metrics(&[]);
    gateway.register(&upstream.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    let file = upstream.path("go-on");
    let arguments = json!({ "file": file }).to_string();
    let call = client.call("raw__wait_for", &arguments);
    let watch = async {
        until("the upstream is asked", || !upstream.requests("tools/call").is_empty()).await;
        let samples = scrape(&gateway).await;
        std::fs::write(&file, "").expect("the fixture's directory is writable");
        samples
    };
    let (answer, during) = tokio::join!(call, watch);
    assert!(answer.contains("it is there"), "{answer}");
    assert_eq!(during["mcpjungle_calls_in_flight"], 1.0);
    assert_eq!(during["mcpjungle_downstream_sessions"], 1.0);
    assert_eq!(during[r#"mcpjungle_upstream_sessions{mcp_server_name="raw"}"#], 1.0);
    let after = scrape(&gateway).await;
    assert_eq!(after["mcpjungle_calls_in_flight"], 0.0);
    assert_eq!(after["mcpjungle_observations_dropped_total"], 0.0);
    assert!(after["process_resident_memory_bytes"] > 0.0);
}

#[tokio::test]
async fn the_route_is_there_only_when_it_is_asked_for_and_behind_the_same_checks() {
    let gateway = Gateway::start();
    let reply = send(Client::new(gateway.url("/metrics")).bare(Method::GET)).await;
    assert_eq!((reply.status.as_u16(), reply.body.as_str()), (404, r#"{"error":"there is no such route"}"#));

    let gateway = Gateway::start_in(home_with("OTEL_ENABLED=True\nMCPJUNGLE_ALLOWED_HOSTS=gateway.lan\n"), &[]);
    let metrics = Client::new(gateway.url("/metrics"));
    for (name, value, status) in [
        (header::HOST, "evil.example", 403),
        (header::HOST, "gateway.lan:9", 200),
        (header::ORIGIN, "https://evil.example", 403),
    ] {
        assert_eq!(send(metrics.bare(Method::GET).header(name, value)).await.status, status, "{value}");
    }
    let reply = send(metrics.bare(Method::POST)).await;
    assert_eq!(reply.status, 405, "{reply:?}");
    // It has not become a part of MCP.
    let reply = send(metrics.bare(Method::POST).body(request("tools/list", "{}"))).await;
    assert_eq!(reply.status, 405, "{reply:?}");
}

#[tokio::test]
async fn attributes_of_the_resource_are_told_or_ignored_as_a_whole_with_a_warning() {
    let own = concat!(r#"service_name="mcpjungle",service_version="v"#, env!("CARGO_PKG_VERSION"), '"');
    let environment = "OTEL_ENABLED=true\nOTEL_RESOURCE_ATTRIBUTES=deployment.environment=prod%20eu,team=a\n";
    let gateway = Gateway::start_in(home_with(environment), &[]);
    let told = format!(r#"{{deployment_environment="prod eu",{own},team="a"}}"#);
    assert_eq!(series(&scrape(&gateway).await, "target_info"), [(told, 1.0)]);

    let gateway = Gateway::start_in(home_with("OTEL_ENABLED=true\nOTEL_RESOURCE_ATTRIBUTES=team=a,b%20c\n"), &[]);
    let warning = "OTEL_RESOURCE_ATTRIBUTES is ignored: part 2 is not `key=value`";
    assert!(gateway.log().contains(warning), "{}", gateway.log());
    assert_eq!(series(&scrape(&gateway).await, "target_info"), [(format!("{{{own}}}"), 1.0)]);
}

#[tokio::test]
async fn a_wrong_switch_is_an_error_at_the_start() {
    let home = home_with("OTEL_ENABLED=yes\n");
    let mut command = bare_command(home.path());
    command.args(["start", "--port", "0"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(finished.stderr.contains("OTEL_ENABLED"), "{finished:?}");
}
