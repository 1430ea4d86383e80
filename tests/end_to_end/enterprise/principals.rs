//! Several principals on one server: whatever tells them apart, neither ever rides on
//! the upstream session of another. What the servers have recorded is the proof.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::enterprise::world::with_house_rules;
use crate::harness::client::{Client, send};
use crate::harness::enterprise::{ADMIN_TOKEN, client};
use crate::harness::gateway::Gateway;
use crate::harness::json::member;
use crate::harness::raw_server::{RawServer, Recorded};

/// How often each caller calls each server at each endpoint: in so many rounds, with a new
/// token for each, and in a round so many times at once.
const ROUNDS: usize = 3;
const AT_ONCE: usize = 2;

/// Who calls, and what their clients declare that they can do. Two are the same person at two clients.
const CALLERS: [(&str, &str); 3] =
    [("ann", r#"{"roots":{}}"#), ("ann", r#"{"sampling":{}}"#), ("ben", r#"{"sampling":{}}"#)];

/// The ways of connecting to a server, and whether they tell its sessions apart.
const WAYS: [(&str, &str, bool); 5] = [
    ("http", "stateless", true),
    ("http", "stateful", true),
    ("http-without-sessions", "stateless", false),
    ("stdio", "stateful", true),
    ("stdio", "stateless", true),
];

/// One of several clients, with a session.
struct Caller {
    who: &'static str,
    capabilities: &'static str,
    path: String,
    prefix: String,
    client: Client,
}

impl Caller {
    /// Calls once, under a mark that says who calls.
    async fn call(&self) {
        let mark = json!({ "who": self.who, "capabilities": self.capabilities });
        let params = json!({ "name": format!("{}echo", self.prefix), "arguments": {}, "_meta": { "mark": mark } });
        let answer = self.client.ask("tools/call", &params.to_string()).await;
        assert!(member(&answer, "result").is_some(), "{}: {answer}", self.path);
    }

    /// Goes on under a new token: in the session that there is, as long as it lasts.
    async fn renewed(self, gateway: &Gateway, token: &str, goes_on: bool) -> Self {
        let client = Client::new(gateway.url(&self.path)).with_token(token);
        let client = if goes_on {
            client.with_session(self.client.session().expect("there is a session"))
        } else {
            client.introduced(self.capabilities).await
        };
        Self { client, ..self }
    }
}

#[tokio::test]
async fn callers_at_the_same_time_never_ride_on_each_others_sessions() {
    let [of_ann, of_ben] = ["ann", "ben"].map(|who| token(who, 0));
    let people = [client("ann", &of_ann, &["*"]), client("ben", &of_ben, &["*"])];
    let gateway = with_house_rules(&people, &json!({ "headers": { "X-Acts-For": "$principal" } })).await;
    let servers: Vec<(String, RawServer, bool)> = WAYS
        .into_iter()
        .map(|(kind, session_mode, has_sessions)| {
            let server = match kind {
                "http" => RawServer::http(&["--session-ids"]),
                "stdio" => RawServer::stdio(),
                _ => RawServer::http(&[]),
            };
            let name = format!("{kind}-{session_mode}");
            let mut registration = server.registration(&name);
            registration["session_mode"] = json!(session_mode);
            gateway.register(&registration);
            (name, server, has_sessions)
        })
        .collect();

    let mut callers = Vec::new();
    for (who, capabilities) in CALLERS {
        for (name, ..) in &servers {
            for (path, prefix) in
                [("/mcp".to_owned(), format!("{name}__")), (format!("/v0/servers/{name}/mcp"), String::new())]
            {
                let client = Client::new(gateway.url(&path)).with_token(&token(who, 0)).introduced(capabilities).await;
                callers.push(Caller { who, capabilities, path, prefix, client });
            }
        }
    }
    for round in 1..=ROUNDS {
        // The first time while calls are under way, and the old token lives on; without that, sessions end with it.
        let goes_on = round == 1;
        let calls = join_all(callers.iter().flat_map(|caller| (0..AT_ONCE).map(|_| caller.call())));
        if goes_on {
            tokio::join!(calls, rotate(&gateway, round, 600));
        } else {
            calls.await;
            rotate(&gateway, round, 0).await;
        }
        let renewed = callers.into_iter().map(async |caller| {
            let token = token(caller.who, round);
            caller.renewed(&gateway, &token, goes_on).await
        });
        callers = join_all(renewed).await;
    }
    for (name, server, has_sessions) in &servers {
        check(name, &server.record(), *has_sessions);
    }
}

fn token(who: &str, round: usize) -> String {
    format!("token-of-{who}-number-{round}")
}

/// Gives everybody a new token.
async fn rotate(gateway: &Gateway, round: usize, grace_seconds: u64) {
    for who in ["ann", "ben"] {
        let client = Client::new(gateway.url(&format!("/api/v0/clients/{who}"))).with_token(ADMIN_TOKEN);
        let change = json!({ "access_token": token(who, round), "grace_seconds": grace_seconds });
        let reply = send(client.bare(reqwest::Method::PUT).body(change.to_string())).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// What a server was told on one session: who declared what, and who called.
#[derive(Default, Debug)]
struct Told {
    headers: BTreeSet<String>,
    declared: BTreeSet<String>,
    called_by: BTreeMap<(String, String), usize>,
}

fn check(server: &str, record: &[Recorded], has_sessions: bool) {
    let mut sessions: BTreeMap<&str, Told> = BTreeMap::new();
    for entry in record {
        let message: Value = serde_json::from_str(&entry.body).unwrap_or_default();
        let mark = &message["params"]["_meta"]["mark"];
        let header = entry.headers.get("x-acts-for").cloned();
        if let Some(who) = mark["who"].as_str() {
            let over_http = !server.starts_with("stdio");
            assert_eq!(header.as_deref(), over_http.then_some(who), "{server}: the header is the caller's: {entry:?}");
        }
        let told = sessions.entry(&entry.session).or_default();
        told.headers.extend(header);
        if message["method"] == "initialize" {
            told.declared.insert(message["params"]["capabilities"].to_string());
        }
        if let (Some(who), Some(capabilities)) = (mark["who"].as_str(), mark["capabilities"].as_str()) {
            *told.called_by.entry((who.to_owned(), capabilities.to_owned())).or_default() += 1;
        }
    }
    let mut calls: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (session, told) in sessions {
        for (caller, times) in &told.called_by {
            *calls.entry(caller.clone()).or_default() += times;
        }
        if !has_sessions {
            continue;
        }
        assert!(told.headers.len() <= 1, "{server}, {session}: one session, one principal: {told:?}");
        assert_eq!(told.declared.len(), 1, "{server}, {session}: one declaration: {told:?}");
        assert!(told.called_by.len() <= 1, "{server}, {session}: one caller: {told:?}");
        for (_, capabilities) in told.called_by.keys() {
            assert!(told.declared.contains(capabilities), "{server}, {session}: the caller's own: {told:?}");
        }
    }
    let expected = CALLERS.map(|(who, capabilities)| ((who.to_owned(), capabilities.to_owned()), 2 * ROUNDS * AT_ONCE));
    assert_eq!(calls, BTreeMap::from(expected), "{server}: everybody called as often as they did");
}
