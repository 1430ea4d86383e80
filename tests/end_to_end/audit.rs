//! The audit log: what real requests leave in it, and what it survives.

mod crashes;
#[cfg(feature = "e2e")]
mod database_away;
mod evasions;

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::client::{Client, INITIALIZE, send};
use crate::harness::enterprise::{self, ADMIN_TOKEN, client, user};
use crate::harness::gateway::{Gateway, bare_command, finish, new_home};
use crate::harness::raw_server::RawServer;
use crate::harness::until;

/// All records, oldest first.
fn records(gateway: &Gateway, arguments: &[&str]) -> Vec<Value> {
    let all = [&["audit", "--json", "--limit", "100000"], arguments].concat();
    serde_json::from_str(&gateway.succeed(&all)).expect("the records are JSON")
}

/// What a record says, in short.
fn summary(record: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let about = [&record["item"]["name"], &record["asked"], &record["target"], &record["path"]];
    let about = about.into_iter().find(|value| value.is_string()).map_or("-".to_owned(), text);
    let (who, decision) = (&record["principal"], &record["decision"]);
    [&record["kind"], &who["kind"], &who["name"], &record["method"]].map(text).join(" ")
        + &format!(" {about} {} {}", text(decision), text(&record["outcome"]))
}

#[tokio::test]
async fn calls_reads_denials_and_changes_are_recorded_with_who_and_how_and_without_secrets() {
    let people = [
        client("reader", "token-of-reader", &["raw"]),
        client("outsider", "token-of-outsider", &[]),
        user("alice", "token-of-alice"),
    ];
    let gateway = enterprise::start(&people).await;
    let server = RawServer::http(&[]);
    let mut registration = server.registration("raw");
    registration["bearer_token"] = json!("s3cret-bearer");
    gateway.register(&registration);
    let endpoint = gateway.url("/mcp");
    let as_client = async |token: &str| Client::new(&endpoint).with_token(token).introduced("{}").await;
    let (reader, outsider) = (as_client("token-of-reader").await, as_client("token-of-outsider").await);

    reader.call("raw__echo", r#"{"x":"s3cret-argument"}"#).await;
    reader.call("raw__failing", "{}").await;
    reader.ask("prompts/get", r#"{"name":"raw__greet"}"#).await;
    reader.ask("resources/read", r#"{"uri":"raw:blob?x=1#y"}"#).await;
    reader.call("raw__nothing", "{}").await;
    outsider.call("raw__echo", "{}").await;
    assert_eq!(Client::new(&endpoint).with_token("s3cret-guess").post(INITIALIZE).await.status, 401);
    let servers = gateway.url("/api/v0/servers");
    assert_eq!(send(Client::new(&servers).with_token("s3cret-guess").bare(Method::GET)).await.status, 401);
    assert_eq!(send(Client::new(&servers).with_token("token-of-alice").bare(Method::POST)).await.status, 403);
    let other_host = send(Client::new(&servers).bare(Method::GET).header("origin", "https://evil.example")).await;
    assert_eq!(other_host.status, 403);
    gateway.succeed(&["disable", "tool", "raw__numbers"]);
    gateway.succeed(&["invoke", "raw__numbers"]);
    gateway.create_group(&json!({ "name": "few", "included_tools": ["raw__echo"] }));
    assert_eq!(gateway.run(&["deregister", "nobody"]).code, Some(1));
    gateway.succeed(&["export", "--reveal"]);

    let all = records(&gateway, &[]);
    let told: Vec<String> = all.iter().map(summary).collect();
    let expected = [
        "admin admin admin POST raw - success",
        "call client reader tools/call raw__echo allowed success",
        "call client reader tools/call raw__failing allowed error",
        "call client reader prompts/get raw__greet allowed success",
        "read client reader resources/read raw__blob allowed success",
        "call client reader tools/call raw__nothing - not-found",
        "denial client outsider tools/call raw__echo denied denied",
        "denial - - POST /mcp denied denied",
        "denial - - GET /api/v0/servers denied denied",
        "denial user alice POST /api/v0/servers denied denied",
        "denial - - GET /api/v0/servers denied denied",
        "admin admin admin POST raw__numbers - success",
        "call admin admin tools/call raw__numbers allowed success",
        "admin admin admin POST few - success",
        "admin admin admin DELETE nobody - error",
        "admin admin admin GET /api/v0/server_configs - success",
    ];
    assert_eq!(told, expected, "{all:#?}");
    for (record, status) in [(&all[0], 201), (&all[9], 403), (&all[14], 404)] {
        assert_eq!(record["status"], status, "{record}");
    }

    let call = &all[1];
    assert_eq!((&call["endpoint"], &call["server"]), (&json!("/mcp"), &json!("raw")));
    let by: Vec<(&str, &str)> = call["by"]
        .as_array()
        .expect("it was decided")
        .iter()
        .map(|by| (by["stage"].as_str().unwrap_or_default(), by["digest"].as_str().unwrap_or_default()))
        .collect();
    let stages: Vec<&str> = by.iter().map(|(stage, _)| *stage).collect();
    assert_eq!(stages, ["authenticator", "authorizer"]);
    assert!(by.iter().all(|(_, digest)| digest.len() == 64), "{call}");
    assert!(call["duration_us"].as_u64().is_some_and(|duration| duration > 0), "{call}");
    assert!(call["request_bytes"].as_u64() > Some(50) && call["response_bytes"].as_u64() > Some(50), "{call}");
    assert!(call["request"].is_string() && call["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{call}");
    let denial = &all[6];
    assert_eq!(denial["by"][0]["stage"], "authorizer", "{denial}");
    assert_eq!(denial["by"].as_array().map(Vec::len), Some(1), "{denial}");

    let text = serde_json::to_string(&all).expect("JSON is written");
    for secret in ["s3cret", "token-of-", ADMIN_TOKEN] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }

    // Narrowed.
    assert_eq!(records(&gateway, &["--client", "outsider"]).len(), 1);
    assert_eq!(records(&gateway, &["--user", "alice"]).len(), 1);
    assert_eq!(records(&gateway, &["--denied"]).len(), 5);
    assert_eq!(records(&gateway, &["--server", "raw", "--denied"]).len(), 1);
    assert_eq!(records(&gateway, &["--since", "1h"]).len(), all.len());
    assert_eq!(records(&gateway, &["--since", "2199-01-01T00:00:00Z"]).len(), 0);
    let newest = gateway.succeed(&["audit", "--limit", "1"]);
    assert!(newest.contains(" admin admin:admin GET /api/v0/server_configs -> success status 200 "), "{newest}");
    let verified = gateway.succeed(&["audit", "verify"]);
    assert!(verified.contains("Nothing was changed or removed."), "{verified}");
}

#[tokio::test]
async fn a_policy_that_gives_no_usable_answer_is_recorded_and_so_is_whom_that_refused() {
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/house-rules.wasm");
    let ours = |fail_open: bool| json!({ "name": "house-rules", "component": component, "fail_open": fail_open, "settings": { "result": "no JSON" } });
    for (fail_open, expected) in [
        (false, vec!["plugin-failure guard unavailable malformed-answer", "denial tools/call unavailable unavailable"]),
        (true, vec!["plugin-failure guard passed malformed-answer", "call tools/call allowed success"]),
    ] {
        let home = new_home();
        std::fs::write(home.path().join(".env"), "MCPJUNGLE_AUDIT=true\n").expect("the home is writable");
        let policies = json!({ "policies": [
            { "name": "auth", "component": "builtin:auth" }, ours(fail_open), { "name": "headers", "component": "builtin:headers" },
        ]});
        std::fs::write(home.path().join("policies.yaml"), policies.to_string()).expect("the home is writable");
        let gateway = Gateway::start_in(home, &["--policies", "policies.yaml"]);
        let server = RawServer::http(&[]);
        gateway.register(&server.registration("raw"));
        Client::connect(gateway.url("/mcp")).await.call("raw__numbers", "{}").await;
        let all = records(&gateway, &[]);
        let told: Vec<String> = all[1..]
            .iter()
            .map(|record| {
                let text = |name: &str| record[name].as_str().unwrap_or("-").to_owned();
                [text("kind"), text("method"), text("decision"), text("outcome")].join(" ")
            })
            .collect();
        assert_eq!(told, expected, "{all:#?}");
        assert_eq!(all[1]["by"][0]["plugin"], "house-rules", "{all:#?}");
        assert_eq!(all[1]["request"], all[2]["request"], "{all:#?}");
    }
}

#[tokio::test]
async fn arguments_and_results_are_recorded_where_that_is_switched_on_redacted_and_cut() {
    let gateway = Gateway::start_with_environment(&[("MCPJUNGLE_AUDIT", "true")]);
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("quiet"));
    let mut registration = server.registration("raw");
    registration["audit"] = json!({ "arguments": true, "results": true, "redact": ["ssn"], "max_bytes": 80 });
    gateway.register(&registration);
    let client = Client::connect(gateway.url("/mcp")).await;
    let arguments = r#"{"name":"ada","SSN":"s3cret-1","deep":[{"api_key":"s3cret-2"}]}"#;
    client.call("quiet__echo", arguments).await;
    client.call("raw__echo", arguments).await;
    let all = records(&gateway, &["--server", "raw"]);
    let call = all.last().expect("the call is recorded");
    let recorded = r#"{"SSN":"[redacted]","deep":[{"api_key":"[redacted]"}],"name":"ada"}"#;
    assert_eq!(call["arguments"], json!({ "text": recorded, "bytes": arguments.len() }));
    let result = &call["result"];
    assert!(result["cut"] == true && result["text"].as_str().is_some_and(|text| text.len() == 80), "{call}");
    let text = gateway.succeed(&["audit", "--json"]);
    assert!(!text.contains("s3cret"), "{text}");
    let quiet = records(&gateway, &["--server", "quiet"]);
    assert!(quiet.iter().all(|record| record["arguments"].is_null() && record["result"].is_null()), "{quiet:?}");

    gateway.succeed(&["export", "--reveal"]);
    let exported = std::fs::read_to_string(gateway.home().join("mcpjungle-export/servers/raw.json"))
        .or_else(|_| find_exported(gateway.home(), "raw.json"))
        .expect("the server is exported");
    let exported: Value = serde_json::from_str(&exported).expect("it is JSON");
    assert_eq!(exported["audit"], registration["audit"], "{exported}");
}

/// The export's folder is the command's business.
fn find_exported(folder: &std::path::Path, name: &str) -> std::io::Result<String> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            if let Ok(found) = find_exported(&path, name) {
                return Ok(found);
            }
        } else if path.file_name().is_some_and(|found| found == name) {
            return std::fs::read_to_string(path);
        }
    }
    Err(std::io::ErrorKind::NotFound.into())
}

#[tokio::test]
async fn who_follows_sees_records_as_they_come() {
    let gateway = Gateway::start_with_environment(&[("MCPJUNGLE_AUDIT", "1")]);
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("raw"));
    let mut command = bare_command(gateway.home());
    command.args(["--registry", &gateway.url(""), "audit", "--follow", "--limit", "1"]);
    let mut follower = command.stderr(Stdio::inherit()).spawn().expect("the command runs");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (lines, output) = (Arc::clone(&seen), follower.stdout.take().expect("stdout is piped"));
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            lines.lock().expect("no holder panics").push(line);
        }
    });
    let has_seen = |count: usize| seen.lock().expect("no holder panics").len() >= count;
    until("the record that is there", || has_seen(1)).await;
    let client = Client::connect(gateway.url("/mcp")).await;
    for tool in ["raw__numbers", "raw__spaced", "raw__failing"] {
        client.call(tool, "{}").await;
    }
    until("the records that came", || has_seen(4)).await;
    let _already_dead = follower.kill();
    let _reaped = follower.wait();
    let seen = seen.lock().expect("no holder panics").clone();
    assert_eq!(seen.len(), 4, "{seen:?}");
    for (line, words) in
        seen.iter().zip(["POST /api/v0/servers raw", "raw__numbers", "raw__spaced", "raw__failing -> error"])
    {
        assert!(line.contains(words), "{seen:?}");
    }
}

#[tokio::test]
async fn the_api_gives_pages_in_either_order_and_says_what_is_wrong_with_a_question() {
    let gateway = Gateway::start_with_environment(&[("MCPJUNGLE_AUDIT", "true"), ("OTEL_ENABLED", "true")]);
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("raw"));
    let client = Client::connect(gateway.url("/mcp")).await;
    for _ in 0..4 {
        client.call("raw__numbers", "{}").await;
    }
    let get =
        async |query: &str| send(Client::new(gateway.url(&format!("/api/v0/audit{query}"))).bare(Method::GET)).await;
    for order in ["newest", "oldest"] {
        let (mut kinds, mut cursor, mut latest) = (Vec::new(), String::new(), None);
        loop {
            let page = get(&format!("?order={order}&limit=2{cursor}")).await.json();
            kinds.extend(
                page["records"].as_array().expect("there are records").iter().map(|record| record["kind"].clone()),
            );
            latest.get_or_insert(page["latest"].clone());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        if order == "newest" {
            kinds.reverse();
        }
        assert_eq!(kinds, ["admin", "call", "call", "call", "call"], "{order}");
        let latest = latest.expect("there was a page");
        let behind = get(&format!("?order=oldest&cursor={}", latest.as_str().unwrap_or_default())).await.json();
        assert_eq!(behind["records"], json!([]), "{behind}");
    }
    for (query, problem) in [
        ("?since=yesterday", "invalid 'since': 'yesterday' must be a time such as 2026-01-31T08:05:09Z"),
        ("?kind=x", "invalid 'kind': 'x' must be one of call, read, denial, admin, plugin-failure"),
        ("?limit=1001", "invalid 'limit': '1001' must be a number from 1 to 1000"),
        ("?cursor=-1", "invalid 'cursor': '-1' must be a number from 0 to 9223372036854775807"),
        ("?order=random", "invalid 'order': 'random' must be 'newest' or 'oldest'"),
    ] {
        let reply = get(query).await;
        assert_eq!((reply.status.as_u16(), reply.json()["error"].as_str()), (400, Some(problem)));
    }
    let metrics = send(Client::new(gateway.url("/metrics")).bare(Method::GET)).await.body;
    for line in ["mcpjungle_audit_records_total 5", "mcpjungle_audit_dropped_total 0", "mcpjungle_audit_waiting 0"] {
        assert!(metrics.lines().any(|shown| shown == line), "{line}: {metrics}");
    }
    assert!(metrics.contains("mcpjungle_audit_journal_bytes "), "{metrics}");
}

#[tokio::test]
async fn only_administrators_read_it_and_where_it_is_off_it_says_how_to_turn_it_on() {
    let gateway = enterprise::start(&[client("c", "token-of-c", &["*"]), user("u", "token-of-u")]).await;
    for (path, method) in [("/api/v0/audit", Method::GET), ("/api/v0/audit/verify", Method::POST)] {
        let ask = async |token: &str| {
            send(Client::new(gateway.url(path)).with_token(token).bare(method.clone())).await.status.as_u16()
        };
        // A client's token is none here, or one of somebody who may not.
        assert!(matches!(ask("token-of-c").await, 401 | 403), "{path}");
        assert_eq!((ask("token-of-u").await, ask(ADMIN_TOKEN).await), (403, 200), "{path}");
    }
    let off = Gateway::start();
    let finished = off.run(&["audit"]);
    assert!(finished.code == Some(1) && finished.stderr.contains("MCPJUNGLE_AUDIT=true"), "{finished:?}");
    assert!(!off.home().join("mcpjungle-audit").exists());
}

#[tokio::test]
async fn what_a_watched_folder_brings_about_is_recorded_as_the_gateways_own_doing() {
    let home = new_home();
    let server = RawServer::http(&[]);
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_AUDIT=true\n").expect("the home is writable");
    std::fs::create_dir(home.path().join("files")).expect("the home is writable");
    let file = home.path().join("files/raw.json");
    std::fs::write(&file, server.registration("raw").to_string()).expect("the home is writable");
    let gateway = Gateway::start_in(home, &["--config-dir", "files"]);
    until("the server is there", || records(&gateway, &["--server", "raw"]).len() == 1).await;
    std::fs::remove_file(&file).expect("it is there");
    until("the server is gone", || records(&gateway, &["--server", "raw"]).len() == 2).await;
    let told: Vec<String> = records(&gateway, &[]).iter().map(summary).collect();
    let expected =
        ["admin gateway gateway put server raw - success", "admin gateway gateway remove server raw - success"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_plan_is_recorded_with_what_the_component_is_granted_as_a_change_is() {
    let gateway = Gateway::start_with_environment(&[("MCPJUNGLE_AUDIT", "true")]);
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/borrower.wasm");
    let grants = ["--grant", "secret:*", "--grant", "http:evil.example", "--grant", "kv"];
    gateway.succeed(&[&["plugin", "plan", "add", "corp", component], &grants[..]].concat());
    gateway.succeed(&[&["plugin", "add", "corp", component], &grants[..]].concat());
    assert_eq!(gateway.run(&["plugin", "plan", "update", "corp", "--revoke", "kv"]).code, Some(1));
    let all = records(&gateway, &[]);
    let of = |path: &str| all.iter().filter(|record| record["path"] == path).collect::<Vec<_>>();
    let (planned, added) = (of("/api/v0/plugins/plan"), of("/api/v0/plugins"));
    assert_eq!((planned.len(), added.len()), (2, 1), "{all:#?}");
    for record in [planned[0], added[0]] {
        let plugin = &record["plugins"][0];
        assert_eq!((&record["kind"], &record["outcome"]), (&json!("admin"), &json!("success")), "{record}");
        assert_eq!(plugin["name"], "corp", "{record}");
        assert_eq!(plugin["grants"], json!(["kv", "http:evil.example", "secret:*"]), "{record}");
        assert!(plugin["component"].as_str().is_some_and(|component| component.starts_with("sha256:")), "{record}");
    }
    assert_eq!((&planned[1]["outcome"], &planned[1]["plugins"]), (&json!("error"), &json!([{ "name": "corp" }])));
}

#[tokio::test]
async fn a_changed_policies_file_is_recorded_with_its_plugins_and_so_is_one_that_is_refused() {
    let home = new_home();
    std::fs::write(home.path().join(".env"), "MCPJUNGLE_AUDIT=true\n").expect("the home is writable");
    let stock = |name: &str| json!({ "name": format!("builtin-{name}"), "component": format!("builtin:{name}") });
    let write = |policies: &[Value]| {
        let text = json!({ "policies": policies }).to_string();
        std::fs::write(home.path().join("policies.yaml"), text).expect("the home is writable");
    };
    let all = ["auth", "groups", "acl", "headers"].map(stock);
    write(&all);
    let gateway = Gateway::start_in(Arc::clone(&home), &["--policies", "policies.yaml"]);
    let borrower = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/policies/borrower.wasm");
    let mut ours = json!({ "name": "corp", "component": borrower, "grants": ["kv", "http:a.example", "secret:*"] });
    write(&[&all[..], &[ours.clone()]].concat());
    until("the change is recorded", || records(&gateway, &[]).len() == 1).await;
    ours["grants"] = json!(["kv"]);
    write(&[&all[..], &[ours]].concat());
    until("so is what is refused", || records(&gateway, &[]).len() == 2).await;
    let recorded = records(&gateway, &[]);
    for (record, outcome, grants) in
        [(&recorded[0], "success", json!(["kv", "http:a.example", "secret:*"])), (&recorded[1], "error", json!(["kv"]))]
    {
        let told = summary(record);
        assert!(told.starts_with("admin gateway gateway put policies ") && told.ends_with(outcome), "{told}");
        assert_eq!(record["plugins"][0], json!({ "name": "builtin-auth", "component": "builtin:auth" }), "{record}");
        assert_eq!((&record["plugins"][4]["name"], &record["plugins"][4]["grants"]), (&json!("corp"), &grants));
        let component = record["plugins"][4]["component"].as_str().unwrap_or_default();
        assert!(component.starts_with("sha256:"), "{record}");
    }
}

#[tokio::test]
async fn an_audit_log_that_does_not_verify_fails_the_command_with_each_problem() {
    let gateway = Gateway::start_with_environment(&[("MCPJUNGLE_AUDIT", "true")]);
    let server = RawServer::http(&[]);
    gateway.register(&server.registration("raw"));
    let verified = gateway.succeed(&["audit", "verify"]);
    assert_eq!(
        verified,
        "Verified 1 record of 1 writer, 0 of them with a checkpoint.\nNothing was changed or removed.\n"
    );
    let database = gateway.home().join("mcpjungle.db");
    let script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=30); \
                  db.execute(\"UPDATE audit_records SET record = REPLACE(record, 'success', 'failure')\"); db.commit()";
    let mut python = std::process::Command::new("python3");
    python.args(["-c", script]).arg(&database);
    let changed = finish(python);
    assert_eq!(changed.code, Some(0), "{changed:?}");
    let finished = gateway.run(&["audit", "verify"]);
    assert!(finished.code == Some(1) && finished.stderr.contains("the audit log has 1 problem"), "{finished:?}");
    assert!(finished.stdout.contains("record 1: it, or its place, was changed"), "{finished:?}");
}

#[test]
fn settings_of_the_audit_log_that_are_wrong_stop_the_start_and_say_why() {
    for (variable, value, arguments, problem) in [
        ("MCPJUNGLE_AUDIT", "yes", &[][..], "valid values are 'true', '1', 'false' and '0'"),
        ("MCPJUNGLE_AUDIT", "false", &["--audit-sync"], "--audit-sync needs the audit log, which is off"),
        ("MCPJUNGLE_AUDIT_WHEN_FULL", "wait", &["--enterprise"], "valid values are 'refuse' and 'drop'"),
        ("MCPJUNGLE_AUDIT_JOURNAL_MB", "0", &["--enterprise"], "must be a positive number of megabytes"),
        ("MCPJUNGLE_AUDIT_MAX_MB", "-1", &["--enterprise"], "must be a number of megabytes"),
        ("MCPJUNGLE_AUDIT_RETENTION_DAYS", "1d", &["--enterprise"], "must be a number of days, or 0"),
        ("MCPJUNGLE_AUDIT_DIR", "/dev/null/x", &["--enterprise"], "choose another folder with MCPJUNGLE_AUDIT_DIR"),
    ] {
        let home = new_home();
        let mut command = bare_command(home.path());
        command.args(["start", "--port", "0", "--host", "127.0.0.1"]).args(arguments).env(variable, value);
        let finished = finish(command);
        assert!(finished.code == Some(1) && finished.stderr.contains(problem), "{variable}={value}: {finished:?}");
    }
}
