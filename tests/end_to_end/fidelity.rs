//! What passes the gateway arrives as it was sent, byte for byte: the same
//! question asked directly and through the gateway has the same answer, but for
//! the names and URIs that the gateway gives out itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::json::{elements, mask, member, on_one_line, text};
use crate::harness::raw_server::RawServer;

/// Tools whose answer depends on nothing but the parameters.
const TOOLS: [&str; 7] = ["numbers", "unknown_content", "escaped", "spaced", "any_output", "failing", "refusing"];
const URIS: [&str; 2] = ["file:///odd path/ä.txt", "raw:blob?x=1#y"];

/// A gateway in front of `upstream`, and a second fixture to ask the same questions directly.
struct Comparison {
    gateway: Gateway,
    upstream: RawServer,
    direct: Client,
    _direct_server: RawServer,
}

impl Comparison {
    async fn with(upstream: RawServer, session_mode: &str) -> Self {
        let gateway = Gateway::start();
        let mut registration = upstream.registration("raw");
        registration["session_mode"] = json!(session_mode);
        gateway.register(&registration);
        gateway.create_group(&json!({ "name": "all", "included_servers": ["raw"] }));
        let direct_server = RawServer::http(&[]);
        let direct = Client::connect(direct_server.url()).await;
        Self { gateway, upstream, direct, _direct_server: direct_server }
    }

    async fn client(&self, path: &str) -> Client {
        Client::connect(self.gateway.url(path)).await
    }

    /// Everything that is compared, on every endpoint.
    async fn holds(&self) {
        let main = self.client("/mcp").await;
        let own = self.client("/v0/servers/raw/mcp").await;
        let group = self.client("/v0/groups/all/mcp").await;
        for (through, prefix) in [(&main, "raw__"), (&own, ""), (&group, "raw__")] {
            self.tools_are_the_same(through, prefix).await;
        }
        for (through, prefix) in [(&main, "raw__"), (&own, "")] {
            self.prompts_are_the_same(through, prefix).await;
        }
        self.resources_are_the_same(&main, given_out).await;
        self.resources_are_the_same(&own, str::to_owned).await;
    }

    async fn tools_are_the_same(&self, through: &Client, prefix: &str) {
        let direct = self.direct.list("tools/list", "tools").await;
        let listed = through.list("tools/list", "tools").await;
        same_definitions(&direct, &listed, "name", |name| format!("{prefix}{name}"));

        for tool in TOOLS {
            same(&self.direct.call(tool, "{}").await, &through.call(&format!("{prefix}{tool}"), "{}").await);
        }
        let (direct, answer) = (self.direct.call("large", r#"{"length":1048576}"#), r#"{"length":1048576}"#);
        same(&direct.await, &through.call(&format!("{prefix}large"), answer).await);
        // What goes up is as untouched as what comes down: only the name changes.
        let parameters = |name: &str| {
            format!(
                r#"{{ "x-unknown" : 1.50e+3, "arguments":{{"z":12345678901234567890123,"a":"\u0061\/","n":null,"e":1E400}} ,"name":"{name}","_meta":{{"vendor/x":-0}}, "task":{{}} }}"#
            )
        };
        let direct = self.direct.ask("tools/call", &parameters("echo")).await;
        same(&direct, &through.ask("tools/call", &parameters(&format!("{prefix}echo"))).await);
    }

    async fn prompts_are_the_same(&self, through: &Client, prefix: &str) {
        let direct = self.direct.list("prompts/list", "prompts").await;
        let listed = through.list("prompts/list", "prompts").await;
        same_definitions(&direct, &listed, "name", |name| format!("{prefix}{name}"));

        let direct = self.direct.ask("prompts/get", r#"{"name":"greet","arguments":{"who":"x"}}"#).await;
        let params = format!(r#"{{"name":"{prefix}greet","arguments":{{"who":"x"}}}}"#);
        same(&direct, &through.ask("prompts/get", &params).await);
    }

    async fn resources_are_the_same(&self, through: &Client, given_out: fn(&str) -> String) {
        let direct = self.direct.list("resources/list", "resources").await;
        let listed = through.list("resources/list", "resources").await;
        same_definitions(&direct, &listed, "uri", given_out);

        for uri in URIS {
            let direct = self.direct.ask("resources/read", &json!({ "uri": uri }).to_string()).await;
            let given_out = given_out(uri);
            let read = through.ask("resources/read", &json!({ "uri": given_out }).to_string()).await;
            let ((direct, direct_uris), (read, read_uris)) = (without_uris(&direct), without_uris(&read));
            assert_eq!(on_one_line(&direct), on_one_line(&read));
            assert!(direct_uris.iter().all(|found| found == uri), "{direct_uris:?}");
            assert!(read_uris.iter().all(|found| *found == given_out), "{read_uris:?}");
        }
    }
}

/// The address that the gateway gives out for an upstream's resource.
fn given_out(uri: &str) -> String {
    format!("mcpj://res/raw/{}", STANDARD_NO_PAD.encode(uri))
}

#[track_caller]
fn same(direct: &str, through: &str) {
    assert_eq!(on_one_line(direct), on_one_line(through));
}

/// Every well-formed definition is listed, and nothing but the member that names it differs.
#[track_caller]
fn same_definitions(direct: &[String], listed: &[String], naming: &str, renamed: impl Fn(&str) -> String) {
    let split = |definition: &String| {
        let raw = member(definition, naming)?;
        Some((text(raw)?, on_one_line(&mask(definition, &[raw]))))
    };
    let mut expected: Vec<_> =
        direct.iter().filter_map(split).map(|(name, definition)| (renamed(&name), definition)).collect();
    let mut found: Vec<_> = listed.iter().map(|definition| split(definition).expect("only what has a name")).collect();
    expected.sort();
    found.sort();
    assert_eq!(expected, found);
}

/// A read's answer with the URI of each content masked, and those URIs.
fn without_uris(answer: &str) -> (String, Vec<String>) {
    let result = member(answer, "result").unwrap_or_else(|| panic!("no result: {answer}"));
    let contents = elements(member(result, "contents").expect("a read has contents"));
    let uris: Vec<&str> = contents.iter().map(|content| member(content, "uri").expect("with a URI")).collect();
    (mask(answer, &uris), uris.iter().map(|uri| text(uri).expect("that is a string")).collect())
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_http_without_sessions() {
    let comparison = Comparison::with(RawServer::http(&[]), "stateless").await;
    comparison.holds().await;
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_http_with_session_ids() {
    let comparison = Comparison::with(RawServer::http(&["--session-ids"]), "stateless").await;
    comparison.holds().await;
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_one_kept_http_session() {
    let comparison = Comparison::with(RawServer::http(&["--session-ids"]), "stateful").await;
    comparison.holds().await;
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_event_streams() {
    let comparison = Comparison::with(RawServer::http(&["--sse"]), "stateless").await;
    comparison.holds().await;
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_a_process_for_each_call() {
    let comparison = Comparison::with(RawServer::stdio(), "stateless").await;
    comparison.holds().await;
}

#[tokio::test]
async fn nothing_changes_on_the_way_over_one_kept_process() {
    let comparison = Comparison::with(RawServer::stdio(), "stateful").await;
    comparison.holds().await;
}

#[tokio::test]
async fn a_resource_template_is_listed_and_read_under_an_address_of_the_gateways() {
    let comparison = Comparison::with(RawServer::http(&[]), "stateless").await;
    let main = comparison.client("/mcp").await;
    let direct = comparison.direct.list("resources/templates/list", "resourceTemplates").await;
    let listed = main.list("resources/templates/list", "resourceTemplates").await;
    same_definitions(&direct, &listed, "uriTemplate", |template| format!("mcpj://tpl/raw/{template}"));

    let expanded = "odd://n?query=1";
    let direct = comparison.direct.ask("resources/read", &json!({ "uri": expanded }).to_string()).await;
    let read = main.ask("resources/read", &json!({ "uri": format!("mcpj://tpl/raw/{expanded}") }).to_string()).await;
    assert_eq!(without_uris(&direct).0, without_uris(&read).0);
    let seen = comparison.upstream.requests("resources/read").pop().expect("the upstream was asked");
    let seen: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(seen["params"]["uri"], expanded);
}

#[tokio::test]
async fn an_upstreams_own_uri_can_be_read_where_one_server_owns_it() {
    let comparison = Comparison::with(RawServer::http(&[]), "stateless").await;
    let main = comparison.client("/mcp").await;
    let answer = main.ask("resources/read", &json!({ "uri": URIS[1] }).to_string()).await;
    let direct = comparison.direct.ask("resources/read", &json!({ "uri": URIS[1] }).to_string()).await;
    assert_eq!(without_uris(&direct).0, without_uris(&answer).0);
}

#[tokio::test]
async fn nothing_of_the_clients_headers_goes_upstream() {
    let comparison = Comparison::with(RawServer::http(&[]), "stateless").await;
    let main = comparison.client("/mcp").await;
    let request = main
        .polite(crate::harness::client::request("tools/call", r#"{"name":"raw__headers","arguments":{}}"#))
        .header("authorization", "Bearer the-clients-own")
        .header("cookie", "a=b")
        .header("x-custom", "c");
    let reply = crate::harness::client::send(request).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let headers = &reply.json()["result"]["structuredContent"];
    assert!(headers.is_object(), "{reply:?}");
    for name in ["authorization", "cookie", "x-custom"] {
        assert_eq!(headers[name], Value::Null, "{headers}");
    }
    let everything = comparison.upstream.record();
    assert!(everything.iter().all(|entry| !entry.headers.values().any(|value| value.contains("the-clients-own"))));
}

#[tokio::test]
async fn a_registered_header_goes_upstream_with_each_call() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("upstream-token");
    registration["headers"] = json!({ "X-Tenant": "seven" });
    gateway.register(&registration);
    let main = Client::connect(gateway.url("/mcp")).await;
    let answer: Value = serde_json::from_str(&main.call("raw__headers", "{}").await).unwrap();
    let headers = &answer["result"]["structuredContent"];
    assert_eq!(headers["authorization"], "Bearer upstream-token");
    assert_eq!(headers["x-tenant"], "seven");
}

#[tokio::test]
async fn a_stateless_call_shares_no_session_with_the_one_before() {
    let upstream = RawServer::http(&["--session-ids"]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let main = Client::connect(gateway.url("/mcp")).await;
    for _ in 0..3 {
        main.call("raw__numbers", "{}").await;
    }
    let sessions: std::collections::BTreeSet<String> =
        upstream.requests("tools/call").iter().map(|entry| entry.headers["mcp-session-id"].clone()).collect();
    assert_eq!(sessions.len(), 3);
}

#[tokio::test]
async fn stateful_calls_share_one_session() {
    let upstream = RawServer::http(&["--session-ids"]);
    let gateway = Gateway::start();
    let mut registration = upstream.registration("raw");
    registration["session_mode"] = json!("stateful");
    gateway.register(&registration);
    let main = Client::connect(gateway.url("/mcp")).await;
    for _ in 0..3 {
        main.call("raw__numbers", "{}").await;
    }
    let sessions: std::collections::BTreeSet<String> =
        upstream.requests("tools/call").iter().map(|entry| entry.headers["mcp-session-id"].clone()).collect();
    assert_eq!(sessions.len(), 1);
}
