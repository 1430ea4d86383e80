//! An enterprise gateway from its first start to the people and machines that use it,
//! as they would set it up: every command from the machine of whoever types it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mcpjungle_host::identity::TokenDigest;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tempfile::TempDir;

use crate::harness::client::{Client, INITIALIZE};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;

/// What the fixture's tool `test_simple_text` answers.
const SIMPLE_TEXT: &str = "This is a simple text response for testing.";

const ARGUMENTS: [&str; 3] = ["--enterprise", "--host", "127.0.0.1"];

/// Somebody's machine, with a home of its own.
struct Machine(TempDir);

impl Machine {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory can be made"))
    }

    fn conf(&self) -> PathBuf {
        self.0.path().join(".mcpjungle.conf")
    }

    /// The token in its conf file, which nobody else can read.
    fn saved_token(&self) -> String {
        let permissions = std::fs::metadata(self.conf()).expect("the file is there").permissions();
        assert_eq!(permissions.mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(self.conf()).expect("the file can be read");
        let token = text.lines().find_map(|line| line.strip_prefix("access_token: ")).expect("it holds a token");
        token.trim_matches('\'').to_owned()
    }

    /// Runs a command that must succeed with nothing on standard error; its standard output.
    #[track_caller]
    fn says(&self, arguments: &[&str]) -> String {
        let mut command = bare_command(self.0.path());
        command.args(arguments);
        let finished = finish(command);
        assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{arguments:?}: {finished:?}");
        finished.stdout
    }

    /// Runs a command that must fail; what it says on standard error.
    #[track_caller]
    fn is_refused(&self, arguments: &[&str]) -> String {
        let mut command = bare_command(self.0.path());
        command.args(arguments);
        let finished = finish(command);
        assert_eq!(finished.code, Some(1), "{arguments:?}: {finished:?}");
        finished.stderr
    }
}

/// The text between two others.
#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.strip_prefix(before).unwrap_or_else(|| panic!("`{before}` does not begin {text}"));
    rest.strip_suffix(after).unwrap_or_else(|| panic!("`{after}` does not end {text}"))
}

/// The status of a client's first request.
async fn status_of(gateway: &Gateway, token: &str) -> u16 {
    Client::new(gateway.url("/mcp")).with_token(token).post(INITIALIZE).await.status.as_u16()
}

#[tokio::test]
async fn an_enterprise_is_set_up_as_documented() {
    let upstream = RawServer::conformance();
    let gateway = Gateway::start_in(new_home(), &ARGUMENTS);
    let url = gateway.url("");
    let reminder =
        "Starting server in Enterprise mode, don't forget to initialize it by running the `init-server` command\n";
    assert!(gateway.log().contains(reminder), "{}", gateway.log());
    let (admin, alice) = (Machine::new(), Machine::new());
    let uninitialized = admin.is_refused(&["list", "servers", "--registry", &url]);
    assert!(uninitialized.ends_with("\nfailed to list servers: server is not initialized\n"), "{uninitialized}");

    let initialized = admin.says(&["--registry", &url, "init-server"]);
    assert_eq!(
        initialized,
        format!(
            "Initializing the MCPJungle Server in Enterprise Mode...\n\
             Your Admin access token has been saved to {}\n\
             All done!\n",
            admin.conf().display()
        )
    );
    let admin_token = admin.saved_token();
    let again = admin.is_refused(&["init-server"]);
    assert_eq!(again, "failed to initialize the server: Server is already initialized\n");

    let registered =
        admin.says(&["register", "--name", "github", "--url", &upstream.url(), "--bearer-token", "ghp_your_token"]);
    let head = "Server github registered successfully!\n\n\
                The following tools are now available from this server:\n1. github__test_simple_text: Answers with text\n";
    assert!(registered.starts_with(head), "{registered}");
    admin.says(&["register", "--name", "jira", "--url", &upstream.url()]);

    let created = admin.says(&["create", "mcp-client", "my-agent", "--allow", "github"]);
    let before = "MCP client 'my-agent' created successfully!\nServers accessible: github\n\nAccess token: ";
    let after = "\nSend this token in the `Authorization: Bearer {token}` HTTP header.\n";
    let agent_token = between(&created, before, after).to_owned();
    assert_eq!(agent_token.len(), 43);
    uses_the_gateway(&gateway, &agent_token).await;
    #[cfg(feature = "e2e")]
    uses_the_gateway_from_python(&gateway, &agent_token);
    let calls = upstream.requests("tools/call");
    let callers = if cfg!(feature = "e2e") { 2 } else { 1 };
    assert_eq!(calls.len(), callers, "a call that is not allowed asks nobody");
    assert!(calls.iter().all(|call| call.headers["authorization"] == "Bearer ghp_your_token"), "{calls:?}");

    let created = admin.says(&["create", "user", "alice"]);
    let before = "User 'alice' created successfully\n\
                  The user should now run the following command to log into mcpjungle:\n\n    mcpjungle login ";
    let alice_token = between(&created, before, "\n\n").to_owned();
    let logged_in = alice.says(&["login", &alice_token, "--registry", &url]);
    assert_eq!(
        logged_in,
        format!(
            "You are now logged in as alice\nYou are a user of MCPJungle\nYour access token has been saved to {}\n",
            alice.conf().display()
        )
    );
    assert_eq!(alice.saved_token(), alice_token);
    looks_and_calls_and_no_more(&alice);

    assert_eq!(admin.says(&["list", "users"]), "1. admin  [ADMIN]\n2. alice\n");
    assert_eq!(admin.says(&["list", "mcp-clients"]), "1. my-agent\nAllowed servers: github\n");
    let known = [admin_token, agent_token, alice_token];
    tokens_end_when_they_are_told_to(&gateway, &admin, &alice, &known).await;

    let log = gateway.log();
    for token in known.iter().map(String::as_str).chain(["new-secret-token", "another-secret-token"]) {
        let digest = TokenDigest::of(token).to_string();
        assert!(!log.contains(token) && !log.contains(&digest), "the log holds a token: {log}");
    }
}

/// Lists and calls with the Rust SDK, which sees only what the client may use.
async fn uses_the_gateway(gateway: &Gateway, token: &str) {
    assert_eq!(status_of(gateway, "no-such-token").await, 401);
    let config = StreamableHttpClientTransportConfig::with_uri(gateway.url("/mcp")).auth_header(token);
    let client = ().serve(StreamableHttpClientTransport::from_config(config)).await.expect("the SDK connects");
    let tools = client.list_all_tools().await.expect("it lists");
    assert!(!tools.is_empty() && tools.iter().all(|tool| tool.name.starts_with("github__")), "{tools:?}");
    let result = client.call_tool(CallToolRequestParams::new("github__test_simple_text")).await.expect("it calls");
    assert_eq!(result.content[0].as_text().map(|text| text.text.as_str()), Some(SIMPLE_TEXT));
    client
        .call_tool(CallToolRequestParams::new("jira__test_simple_text"))
        .await
        .expect_err("that server is not allowed");
    client.cancel().await.expect("it leaves");
}

/// The same with the Python client.
#[cfg(feature = "e2e")]
fn uses_the_gateway_from_python(gateway: &Gateway, token: &str) {
    use crate::harness::programs::run_python;

    let seen = run_python("token_client.py", &[&gateway.url("/mcp"), token, "github__test_simple_text"]);
    assert_eq!(seen["called"], SIMPLE_TEXT, "{seen}");
    let tools = seen["tools"].as_array().expect("tools are listed");
    assert!(tools.iter().all(|tool| tool.as_str().is_some_and(|tool| tool.starts_with("github__"))), "{seen}");
}

fn looks_and_calls_and_no_more(alice: &Machine) {
    assert!(alice.says(&["list", "servers"]).starts_with("1. github\n"));
    assert!(alice.says(&["list", "tools"]).contains("jira__test_simple_text  [ENABLED]\n"));
    assert!(alice.says(&["usage", "github__test_simple_text"]).starts_with("github__test_simple_text\n"));
    // No allow-list holds for people.
    let called = "Response from tool:\n\n** Content [text] **\nThis is a simple text response for testing.\n\n";
    assert_eq!(alice.says(&["invoke", "jira__test_simple_text"]), called);
    let refusal = "user is not authorized to perform this action\n";
    for (arguments, what) in [
        (&["register", "--name", "a", "--url", "http://127.0.0.1:9/mcp"][..], "failed to register server"),
        (&["deregister", "github"], "failed to deregister MCP server github"),
        (&["create", "user", "bob"], "failed to create user"),
        (&["create", "mcp-client", "c", "--allow", "jira"], "failed to create MCP client"),
        (&["update", "user", "alice", "--role", "admin"], "failed to update user"),
        (&["list", "mcp-clients"], "failed to list MCP clients"),
        (&["disable", "tool", "github__test_simple_text"], "failed to disable github__test_simple_text"),
    ] {
        assert_eq!(alice.is_refused(arguments), format!("{what}: {refusal}"), "{arguments:?}");
    }
}

/// A replaced token is good for as long as was said, a deleted one's not even once more.
async fn tokens_end_when_they_are_told_to(gateway: &Gateway, admin: &Machine, alice: &Machine, known: &[String; 3]) {
    let [admin_token, agent_token, alice_token] = known;
    for token in [admin_token, alice_token] {
        assert_eq!(status_of(gateway, token).await, 401, "a person's token opens no MCP endpoint");
    }
    let updated = admin.says(&["update", "mcp-client", "my-agent", "--access-token", "new-secret-token"]);
    assert_eq!(updated, "MCP client my-agent access token updated successfully.\n");
    assert_eq!((status_of(gateway, agent_token).await, status_of(gateway, "new-secret-token").await), (401, 200));
    admin.says(&["update", "mcp-client", "my-agent", "--access-token", "another-secret-token", "--grace", "10m"]);
    for token in ["new-secret-token", "another-secret-token"] {
        assert_eq!(status_of(gateway, token).await, 200, "{token}");
    }
    let deleted = admin.says(&["delete", "mcp-client", "my-agent"]);
    assert_eq!(deleted, "MCP client 'my-agent' deleted successfully (if it existed)!\n");
    for token in ["new-secret-token", "another-secret-token"] {
        assert_eq!(status_of(gateway, token).await, 401, "{token}");
    }

    let updated = admin.says(&["update", "user", "alice", "--access-token", "alice-new-token"]);
    assert_eq!(updated, "User alice access token updated successfully.\n");
    assert_eq!(alice.is_refused(&["list", "servers"]), "failed to list servers: invalid access token\n");
    alice.says(&["login", "alice-new-token"]);
    alice.says(&["list", "servers"]);
    assert_eq!(admin.says(&["delete", "user", "alice"]), "User 'alice' deleted successfully (if they existed)\n");
    assert_eq!(alice.is_refused(&["list", "servers"]), "failed to list servers: invalid access token\n");
}

#[tokio::test]
async fn an_installation_without_anybody_at_hand_is_initialised_by_who_knows_the_bootstrap_token() {
    let home = new_home();
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_BOOTSTRAP_TOKEN=the-bootstrap-token\n")
        .expect("the home is writable");
    let gateway = Gateway::start_in(home, &ARGUMENTS);
    let url = gateway.url("");
    let (stranger, installer) = (Machine::new(), Machine::new());
    for arguments in [&["init-server"][..], &["init-server", "--bootstrap-token", "a-guess"]] {
        assert_eq!(
            stranger.is_refused(&[&["--registry", &url], arguments].concat()),
            "failed to initialize the server: this server is initialized only by who knows its bootstrap token: \
             send it as `Authorization: Bearer <bootstrap token>`, as `mcpjungle init-server --bootstrap-token` does\n"
        );
        assert!(!stranger.conf().exists());
    }
    let secret = installer.0.path().join("bootstrap");
    std::fs::write(&secret, "the-bootstrap-token\n").expect("the home is writable");
    let mut command = bare_command(installer.0.path());
    command.env("MCPJUNGLE_BOOTSTRAP_TOKEN_FILE", &secret);
    command.args(["--registry", &url, "init-server", "--access-token", "token-of-the-operator"]);
    let finished = finish(command);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert_eq!(installer.saved_token(), "token-of-the-operator");
    assert_eq!(installer.says(&["list", "users"]), "1. admin  [ADMIN]\n");
    let log = gateway.log();
    assert!(!log.contains("token-of-the-operator") && !log.contains("the-bootstrap-token"), "{log}");
    assert_eq!(log.matches("somebody without the bootstrap token tried to initialize the gateway").count(), 2, "{log}");
}
