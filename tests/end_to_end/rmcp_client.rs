//! A client that decodes what it gets into types: the Rust SDK's.

use rmcp::ServiceExt;
use rmcp::model::{CallToolRequestParams, ErrorCode};
use rmcp::service::ServiceError;
use rmcp::transport::StreamableHttpClientTransport;
use serde_json::json;

use crate::harness::client::Client;
use crate::harness::gateway::Gateway;
use crate::harness::raw_server::RawServer;

#[tokio::test]
async fn the_rust_sdk_lists_and_calls_the_tools_of_a_group() {
    let upstream = RawServer::http(&[]);
    let gateway = Gateway::start();
    gateway.register(&upstream.registration("raw"));
    let well_typed = ["raw__spaced", "raw__failing", "raw__refusing"];
    gateway.create_group(&json!({ "name": "typed", "included_tools": well_typed }));
    // The SDK's transport needs the provider that a `Client` installs.
    let _provider = Client::new(gateway.url(""));

    let transport = StreamableHttpClientTransport::from_uri(gateway.url("/v0/groups/typed/mcp"));
    let client = ().serve(transport).await.expect("the SDK connects");
    let mut names: Vec<String> =
        client.list_all_tools().await.expect("it lists").into_iter().map(|tool| tool.name.into_owned()).collect();
    names.sort();
    assert_eq!(names, ["raw__failing", "raw__refusing", "raw__spaced"]);

    let result = client.call_tool(CallToolRequestParams::new("raw__spaced")).await.expect("it calls");
    assert_eq!(result.is_error, Some(false));
    assert_eq!(result.content[0].as_text().map(|text| text.text.as_str()), Some("a\nb"));
    let result =
        client.call_tool(CallToolRequestParams::new("raw__failing")).await.expect("a tool's error is a result");
    assert_eq!(result.is_error, Some(true));
    let error = client.call_tool(CallToolRequestParams::new("raw__refusing")).await.expect_err("an error is an error");
    let ServiceError::McpError(error) = error else { panic!("{error}") };
    assert_eq!((error.code, &*error.message), (ErrorCode(-32050), "not today"));
    assert_eq!(error.data, Some(json!({ "why": [1500.0, null], "a": "b" })));
    client.cancel().await.expect("it leaves");
}
