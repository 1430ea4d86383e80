//! Servers that nobody here wrote, registered through the real command line.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::client::Client;
use crate::harness::gateway::{Gateway, finish};
use crate::harness::programs::{EverythingServer, python, run_javascript, stdio_registration};

async fn call(client: &Client, tool: &str, arguments: Value) -> Value {
    let answer: Value = serde_json::from_str(&client.call(tool, &arguments.to_string()).await).expect("an answer");
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

async fn names(client: &Client, method: &str, member: &str) -> Vec<String> {
    let name = |item: String| {
        serde_json::from_str::<Value>(&item).expect("an item")["name"].as_str().expect("a name").to_owned()
    };
    client.list(method, member).await.into_iter().map(name).collect()
}

/// What server-everything does, whatever connects it to the gateway.
async fn everything_works(registration: Value) {
    let gateway = Gateway::start();
    gateway.register(&registration);
    let printed = gateway.succeed(&["list", "tools", "--server", "everything"]);
    assert!(printed.contains("everything__echo  [ENABLED]"), "{printed}");
    let printed = gateway.succeed(&["invoke", "everything__get-sum", "--input", r#"{"a": 19, "b": 23}"#]);
    assert!(printed.contains("42"), "{printed}");

    let client = Client::connect(gateway.url("/mcp")).await;
    let tools = names(&client, "tools/list", "tools").await;
    for tool in ["everything__echo", "everything__get-structured-content", "everything__get-tiny-image"] {
        assert!(tools.iter().any(|name| name == tool), "{tools:?}");
    }
    let echo = call(&client, "everything__echo", json!({ "message": "ä\u{2028}😀" })).await;
    assert_eq!(echo["content"][0]["text"], "Echo: ä\u{2028}😀");
    let weather = call(&client, "everything__get-structured-content", json!({ "location": "Chicago" })).await;
    assert!(weather["structuredContent"]["temperature"].is_number(), "{weather}");
    let image = call(&client, "everything__get-tiny-image", json!({})).await;
    assert!(image["content"].as_array().expect("contents").iter().any(|part| part["type"] == "image"), "{image}");

    let prompts = names(&client, "prompts/list", "prompts").await;
    assert!(prompts.iter().any(|name| name == "everything__args-prompt"), "{prompts:?}");
    let params = json!({ "name": "everything__args-prompt", "arguments": { "city": "Paris" } });
    let prompt: Value = serde_json::from_str(&client.ask("prompts/get", &params.to_string()).await).unwrap();
    let text = prompt["result"]["messages"][0]["content"]["text"].to_string();
    assert!(text.contains("Paris"), "{prompt}");

    let resources = client.list("resources/list", "resources").await;
    let first: Value = serde_json::from_str(resources.first().expect("a resource")).unwrap();
    let uri = first["uri"].as_str().expect("a URI");
    assert!(uri.starts_with("mcpj://res/everything/"), "{uri}");
    let read: Value =
        serde_json::from_str(&client.ask("resources/read", &json!({ "uri": uri }).to_string()).await).unwrap();
    assert_eq!(read["result"]["contents"][0]["uri"], uri, "{read}");
    let templates = client.list("resources/templates/list", "resourceTemplates").await.join(" ");
    assert!(templates.contains("mcpj://tpl/everything/demo://"), "{templates}");
}

#[tokio::test]
async fn server_everything_works_over_stdio() {
    everything_works(stdio_registration("everything", "mcp-server-everything", &["stdio"])).await;
}

#[tokio::test]
async fn server_everything_works_over_one_kept_process() {
    let mut registration = stdio_registration("everything", "mcp-server-everything", &["stdio"]);
    registration["session_mode"] = json!("stateful");
    everything_works(registration).await;
}

#[tokio::test]
async fn server_everything_works_over_http() {
    let server = EverythingServer::start();
    everything_works(json!({ "name": "everything", "transport": "streamable_http", "url": server.url() })).await;
}

#[tokio::test]
async fn server_everything_works_over_the_old_transport() {
    let server = EverythingServer::start_sse();
    for session_mode in ["stateless", "stateful"] {
        everything_works(json!({
            "name": "everything", "transport": "sse", "url": server.url(), "session_mode": session_mode,
        }))
        .await;
    }
}

/// At each kind of endpoint, compared with server-everything itself.
#[track_caller]
fn everything_uses_its_client(registration: &Value) {
    let server = EverythingServer::start();
    let directly = run_javascript("everything_client.cjs", &[&server.url(), ""]);
    assert_eq!(directly["progress"].as_array().map(Vec::len), Some(4), "{directly}");
    let gateway = Gateway::start();
    gateway.register(registration);
    for (path, prefix) in [("/v0/servers/everything/mcp", ""), ("/mcp", "everything__")] {
        assert_eq!(run_javascript("everything_client.cjs", &[&gateway.url(path), prefix]), directly, "{path}");
    }
}

#[test]
fn server_everything_uses_its_client_over_http() {
    let server = EverythingServer::start();
    everything_uses_its_client(&json!({ "name": "everything", "transport": "streamable_http", "url": server.url() }));
}

#[test]
fn server_everything_uses_its_client_over_the_old_transport() {
    let server = EverythingServer::start_sse();
    everything_uses_its_client(&json!({ "name": "everything", "transport": "sse", "url": server.url() }));
}

#[test]
fn server_everything_uses_its_client_over_stdio() {
    everything_uses_its_client(&stdio_registration("everything", "mcp-server-everything", &["stdio"]));
}

#[tokio::test]
async fn server_filesystem_reads_and_writes_files() {
    let directory = tempfile::tempdir().expect("a temporary directory can be made");
    let root = directory.path().canonicalize().expect("it exists");
    let file = root.join("note.txt");
    std::fs::write(&file, "written before").expect("it is writable");
    let gateway = Gateway::start();
    gateway.register(&stdio_registration("files", "mcp-server-filesystem", &[root.to_str().expect("UTF-8")]));
    let client = Client::connect(gateway.url("/mcp")).await;

    let read = call(&client, "files__read_text_file", json!({ "path": file })).await;
    assert_eq!(read["structuredContent"]["content"], "written before");
    call(&client, "files__write_file", json!({ "path": file, "content": "written through" })).await;
    assert_eq!(std::fs::read_to_string(&file).expect("it is readable"), "written through");
    let refused = call(&client, "files__read_text_file", json!({ "path": "/etc/hostname" })).await;
    assert_eq!(refused["isError"], true, "{refused}");
}

#[tokio::test]
async fn mcp_server_time_converts_times() {
    let gateway = Gateway::start();
    gateway.register(&json!({
        "name": "time", "transport": "stdio", "command": python(),
        "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"],
    }));
    let client = Client::connect(gateway.url("/mcp")).await;
    let arguments = json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Kolkata" });
    let converted = call(&client, "time__convert_time", arguments).await;
    assert!(converted["content"][0]["text"].to_string().contains("17:30"), "{converted}");
}

#[tokio::test]
async fn server_memory_remembers_between_calls() {
    let gateway = Gateway::start();
    let mut registration = stdio_registration("memory", "mcp-server-memory", &[]);
    registration["env"] = json!({ "MEMORY_FILE_PATH": gateway.home().join("memory.jsonl") });
    gateway.register(&registration);
    let client = Client::connect(gateway.url("/mcp")).await;
    let entity = json!({ "name": "gateway", "entityType": "program", "observations": ["relays bytes"] });
    call(&client, "memory__create_entities", json!({ "entities": [entity] })).await;
    let found = call(&client, "memory__search_nodes", json!({ "query": "bytes" })).await;
    assert_eq!(found["structuredContent"]["entities"], json!([entity]), "{found}");
}

#[tokio::test]
async fn mcp_server_git_commits() {
    let gateway = Gateway::start();
    let repository = gateway.home().join("repository");
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.env("HOME", gateway.home()).env("GIT_CONFIG_NOSYSTEM", "1").arg("-C").arg(&repository).args(arguments);
        let finished = finish(command);
        assert_eq!(finished.code, Some(0), "git {arguments:?}: {finished:?}");
        finished.stdout
    };
    std::fs::create_dir(&repository).expect("the home is writable");
    git(&["init", "--quiet"]);
    git(&["config", "user.name", "Test"]);
    git(&["config", "user.email", "test@example.com"]);
    std::fs::write(repository.join("note.txt"), "written").expect("it is writable");
    gateway.register(&json!({
        "name": "git", "transport": "stdio", "command": python(),
        "args": ["-m", "mcp_server_git", "--repository", repository],
    }));
    let client = Client::connect(gateway.url("/mcp")).await;

    call(&client, "git__git_add", json!({ "repo_path": repository, "files": ["note.txt"] })).await;
    call(&client, "git__git_commit", json!({ "repo_path": repository, "message": "through the gateway" })).await;
    assert_eq!(git(&["log", "--format=%s"]), "through the gateway\n");
    let log = call(&client, "git__git_log", json!({ "repo_path": repository })).await;
    assert!(log["content"][0]["text"].to_string().contains("through the gateway"), "{log}");
}

#[tokio::test]
async fn mcp_server_fetch_fetches_a_page() {
    let page = axum::Router::new().route("/page", axum::routing::get(async || "fetched through the gateway"));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let url = format!("http://{}/page", listener.local_addr().expect("it has an address"));
    tokio::spawn(async move { axum::serve(listener, page).await });
    let gateway = Gateway::start();
    gateway.register(&json!({
        "name": "fetch", "transport": "stdio", "command": python(),
        "args": ["-m", "mcp_server_fetch", "--allow-private-ips"],
    }));
    let client = Client::connect(gateway.url("/mcp")).await;
    let fetched = call(&client, "fetch__fetch", json!({ "url": url })).await;
    assert!(fetched["content"][0]["text"].to_string().contains("fetched through the gateway"), "{fetched}");
    let params = json!({ "name": "fetch__fetch", "arguments": { "url": url } });
    let prompt: Value = serde_json::from_str(&client.ask("prompts/get", &params.to_string()).await).unwrap();
    assert!(prompt["result"]["messages"].to_string().contains("fetched through the gateway"), "{prompt}");
}
