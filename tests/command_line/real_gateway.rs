//! Every command against the real gateway with a real MCP server behind it: what the
//! small server of the other tests answers is what the gateway answers, too.

use serde_json::{Value, json};

use crate::running::Running;
use crate::support::Person;

/// Runs a command that must succeed, and looks for these lines in what it prints, in this order.
fn shows(person: &Person, arguments: &[&str], lines: &[&str]) {
    let printed = person.stdout(arguments);
    let mut rest = printed.lines();
    for line in lines {
        assert!(rest.any(|printed| printed == *line), "{arguments:?} prints no `{line}` in its place:\n{printed}");
    }
}

fn as_json(person: &Person, arguments: &[&str]) -> Value {
    serde_json::from_str(&person.stdout(&[arguments, &["--json"]].concat())).unwrap()
}

const NOTES: &str = "mcpj://res/raw/ZmlsZTovLy9vZGQgcGF0aC/DpC50eHQ";

#[test]
fn every_command_does_on_the_gateway_what_it_says() {
    runs_every_command(&Person::new());
}

#[cfg(feature = "e2e")]
#[test]
fn every_command_does_the_same_on_postgresql() {
    let mut person = Person::new();
    person.uses_postgres(crate::postgres::Cluster::shared());
    runs_every_command(&person);
}

fn runs_every_command(person: &Person) {
    let server = Running::mcp_server();
    let gateway = Running::gateway(person);
    let url = format!("http://127.0.0.1:{}", gateway.port);
    person.write_conf(&format!("registry_url: {url}\n"));
    let upstream = format!("http://127.0.0.1:{}/mcp", server.port);

    shows(person, &["version"], &[&format!("Server URL:  {url}")]);
    shows(
        person,
        &["register", "--name", "raw", "--url", &upstream],
        &["Server raw registered successfully!", "1. raw__echo: Gives back its parameters"],
    );
    let taken = person.run(&["register", "--name", "raw", "--url", &upstream]);
    assert_eq!(taken, "exit: 1\n--- stderr\nfailed to register server: MCP server raw already exists\n");
    shows(person, &["list", "servers"], &["1. raw", "Transport: streamable_http", &format!("URL: {upstream}")]);

    shows_items(person);
    changes_groups(person, &url);
    switches(person);
    answers_in_json(person, &upstream);

    shows(person, &["deregister", "raw"], &["Successfully deregistered MCP server raw"]);
    assert_eq!(as_json(person, &["list", "servers"]), json!([]));
    let gone = person.run(&["deregister", "raw"]);
    assert!(gone.starts_with("exit: 1\n--- stderr\n"), "{gone}");
}

fn shows_items(person: &Person) {
    shows(person, &["list", "tools"], &["1. raw__echo  [ENABLED]", "Gives back its parameters"]);
    shows(person, &["list", "tools", "--server", "raw"], &["1. raw__echo  [ENABLED]"]);
    shows(person, &["usage", "raw__numbers"], &["raw__numbers", "* readOnlyHint = true"]);
    shows(person, &["invoke", "raw__spaced", "--input", "{}"], &["** Content [text] **", "a", "b"]);
    shows(person, &["list", "prompts"], &["1. raw__greet  [ENABLED]", "2. raw__farewell  [ENABLED]"]);
    shows(
        person,
        &["get", "prompt", "raw__greet", "--arg", "who=you"],
        &["Prompt: raw__greet", "Message 1 (user):", "Message 2 (narrator):"],
    );
    shows(person, &["list", "resources"], &["1. raw__notes", &format!("   URI: {NOTES}")]);
    shows(person, &["get", "resource", NOTES], &["Resource: raw__notes", "MIME Type: text/plain", "Status: ENABLED"]);
    shows(person, &["get", "resource", NOTES, "--read"], &["läuft", "again"]);
}

fn changes_groups(person: &Person, url: &str) {
    person.write("group.json", r#"{"name":"g","description":"Some","included_tools":["raw__spaced"]}"#);
    let endpoint = format!("{url}/v0/groups/g/mcp");
    shows(
        person,
        &["create", "group", "-c", "group.json"],
        &["Tool Group g created successfully", &format!("    {endpoint}")],
    );
    shows(person, &["list", "groups"], &["1. g", "Some"]);
    let group = person.stdout(&["get", "group", "g"]);
    assert!(group.contains(&endpoint) && group.contains("1. raw__spaced") && !group.contains("SSE"), "{group}");
    shows(person, &["list", "tools", "--group", "g"], &["Tools in group 'g' (Some):", "1. raw__spaced  [ENABLED]"]);
    shows(person, &["invoke", "raw__spaced", "--group", "g"], &["** Content [text] **"]);
    let outside = person.run(&["invoke", "raw__echo", "--group", "g"]);
    assert_eq!(outside, "exit: 1\n--- stderr\ntool 'raw__echo' is not available in group 'g'\n");
    person.write("group.json", r#"{"name":"g","description":"Some","included_tools":["raw__echo"]}"#);
    shows(
        person,
        &["update", "group", "-c", "group.json"],
        &["* Tools removed from included_tools:", "    - raw__spaced", "    - raw__echo"],
    );
    person.write("empty.json", r#"{"name":"g"}"#);
    let refused = person.run(&["update", "group", "-c", "empty.json"]);
    assert!(refused.contains("tool group must contain at least one tool"), "{refused}");
    shows(person, &["delete", "group", "g"], &["Tool group 'g' deleted successfully!"]);
    assert_eq!(as_json(person, &["list", "groups"]), json!([]));
}

fn switches(person: &Person) {
    shows(person, &["disable", "tool", "raw__echo"], &["MCP tool 'raw__echo' disabled successfully!"]);
    shows(person, &["list", "tools"], &["1. raw__echo  [DISABLED]"]);
    shows(person, &["enable", "tool", "raw__echo"], &["MCP tool 'raw__echo' enabled successfully!"]);
    shows(person, &["disable", "prompt", "raw__greet"], &["MCP prompt 'raw__greet' disabled successfully!"]);
    shows(person, &["list", "prompts"], &["1. raw__greet  [DISABLED]"]);
    shows(person, &["enable", "prompt", "raw__greet"], &["MCP prompt 'raw__greet' enabled successfully!"]);
    for (verb, done) in [("disable", "disabled"), ("enable", "enabled")] {
        let heading = format!("Following MCP prompts have been {done} successfully:");
        shows(person, &[verb, "prompt", "raw"], &[&heading, "- raw__greet", "- raw__farewell"]);
    }
    shows(person, &["disable", "server", "raw"], &["MCP server 'raw' disabled successfully!", "    - raw__echo"]);
    shows(person, &["get", "resource", NOTES], &["Status: DISABLED"]);
    shows(person, &["enable", "server", "raw"], &["MCP server 'raw' enabled successfully!", "    - raw__echo"]);
}

fn answers_in_json(person: &Person, upstream: &str) {
    let servers = as_json(person, &["list", "servers"]);
    assert_eq!((&servers[0]["name"], &servers[0]["url"]), (&json!("raw"), &json!(upstream)));
    assert_eq!(as_json(person, &["usage", "raw__echo"])["name"], "raw__echo");
    assert_eq!(as_json(person, &["invoke", "raw__failing"])["isError"], true);
    assert_eq!(as_json(person, &["get", "prompt", "raw__greet"])["messages"][0]["role"], "user");
    assert_eq!(as_json(person, &["get", "resource", NOTES])["uri"], NOTES);
    assert_eq!(as_json(person, &["list", "resources"])[0]["name"], "raw__notes");
    assert_eq!(as_json(person, &["disable", "tool", "raw__echo"]), json!(["raw__echo"]));
    assert_eq!(as_json(person, &["enable", "server", "raw"])["tools_affected"], json!(["raw__echo"]));
}
