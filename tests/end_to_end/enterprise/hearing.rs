//! Goes through a table of what each MCP method answers to everybody; `methods` has the tables.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::Method;
use serde_json::{Value, json};

use crate::enterprise::conversation::Conversation;
use crate::enterprise::lists::{listed, to_be_listed};
use crate::enterprise::table;
use crate::enterprise::world::World;
use crate::harness::client::{INITIALIZE, request, send};
use crate::harness::json::member;
use crate::harness::until;

/// Everybody who is let in at an endpoint, with a session; the others have to take somebody else's.
pub(super) struct Hearing<'a> {
    world: &'a World,
    path: &'static str,
    /// What stands before the names of the server `one`.
    prefix: &'static str,
    conversations: BTreeMap<&'static str, Conversation>,
    /// A task that is none of theirs.
    task: String,
    /// What is to have reached a server.
    expected: BTreeSet<String>,
}

impl<'a> Hearing<'a> {
    /// At an endpoint of this world.
    pub(super) async fn at(world: &'a World, path: &'static str, prefix: &'static str) -> Self {
        let mut owner = Conversation::open(world, "all", path).await;
        let params = json!({ "name": format!("{prefix}work"), "arguments": {}, "task": {} });
        let answer: Value = serde_json::from_str(&owner.ask("tools/call", &params.to_string()).await).unwrap();
        let task =
            answer["result"]["task"]["taskId"].as_str().unwrap_or_else(|| panic!("no task: {answer}")).to_owned();
        Self { world, path, prefix, conversations: BTreeMap::new(), task, expected: BTreeSet::new() }
    }

    /// Asks all that the table has, row by row.
    pub(super) async fn go_through(mut self, text: &'static str) {
        let rows = table::read(text);
        for (who, word) in &rows[0].cells {
            if !matches!(*word, "401" | "-") {
                self.conversations.insert(who, Conversation::open(self.world, who, self.path).await);
            }
        }
        for row in &rows {
            // Over HTTP+SSE a session ends with its stream.
            if row.asked[0] == "end" && self.path.ends_with("/sse") {
                continue;
            }
            for (who, word) in &row.cells {
                self.hear(who, row.asked[0], word).await;
            }
        }
        let reached = || -> Vec<String> {
            let here = format!("{} ", self.path);
            let mut marks: Vec<String> =
                self.world.marks().into_iter().filter(|mark| mark.starts_with(&here)).collect();
            marks.sort();
            marks
        };
        let expected: Vec<String> = self.expected.into_iter().collect();
        until("the last notification to arrive", || reached().len() >= expected.len()).await;
        assert_eq!(reached(), expected, "what reached a server, each once");
    }

    async fn hear(&mut self, who: &'static str, asked: &str, word: &str) {
        let context = format!("{} {who}: {asked}", self.path);
        let (method, subject) = asked.split_once(' ').unwrap_or((asked, ""));
        let subject = subject.replace("TASK", &self.task);
        let params = params(method, &subject, &context);
        match word {
            "-" => {}
            "401" => {
                let thief = self.conversations["all"].seized_by(self.world, who);
                let reply = match method {
                    "initialize" => thief.post(INITIALIZE).await,
                    "end" => send(thief.bare(Method::DELETE)).await,
                    _ => thief.post(message(method, &params)).await,
                };
                assert_eq!(reply.status, 401, "{context}: {reply:?}");
            }
            "204" => {
                let conversation = self.conversations.remove(who).expect("there is a session");
                assert_eq!(conversation.end().await, 204, "{context}");
            }
            "202" | "told" => {
                let status = self.conversations[who].tell(&message(method, &params)).await;
                assert_eq!(status, 202, "{context}");
                if word == "told" {
                    self.expected.insert(context);
                }
            }
            _ => self.ask(who, (method, &subject), word, context).await,
        }
    }

    async fn ask(&mut self, who: &str, (method, subject): (&str, &str), word: &str, context: String) {
        let conversation = self.conversations.get_mut(who).expect("there is a session");
        if method == "initialize" {
            assert_eq!(word, "ok", "{context}: the session is there");
            return;
        }
        let answer = conversation.ask(method, &params(method, subject, &context)).await;
        match word {
            "ok" => assert!(member(&answer, "result").is_some(), "{context}: {answer}"),
            "unknown" => assert!(answer.contains("-32601"), "{context}: {answer}"),
            "hidden" => {
                for absent in absent(subject) {
                    let mark = format!("{context}, and {absent}");
                    let about_absent = conversation.ask(method, &params(method, &absent, &mark)).await;
                    assert_eq!(answer, about_absent.replace(&absent, subject), "{mark}");
                }
                assert!(member(&answer, "error").is_some(), "{context}: {answer}");
            }
            "asked" => {
                assert!(!answer.contains("not found"), "{context}: {answer}");
                self.expected.insert(context);
            }
            _ => assert_eq!(listed(method, &answer), to_be_listed(method, word, self.prefix), "{context}"),
        }
    }
}

/// A notification has no id.
fn message(method: &str, params: &str) -> String {
    if method.starts_with("notifications/") {
        format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#)
    } else {
        request(method, params)
    }
}

/// The parameters of a method that is about a subject, with a mark by which it is found in a server's record.
fn params(method: &str, subject: &str, mark: &str) -> String {
    let is_uri = subject.contains(':');
    let mut params = match method {
        "tools/call" => json!({ "name": subject, "arguments": {} }),
        "prompts/get" => json!({ "name": subject }),
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => json!({ "uri": subject }),
        "completion/complete" if is_uri => json!({ "ref": { "type": "ref/resource", "uri": subject } }),
        "completion/complete" => json!({ "ref": { "type": "ref/prompt", "name": subject } }),
        "logging/setLevel" => json!({ "level": subject }),
        "tasks/get" | "tasks/result" | "tasks/cancel" => json!({ "taskId": subject }),
        _ => json!({}),
    };
    if method == "completion/complete" {
        params["argument"] = json!({ "name": "who", "value": "a" });
    }
    params["_meta"] = json!({ "mark": mark });
    params.to_string()
}

/// What is nowhere, and would be found as the subject is: on the same server, and on none.
fn absent(subject: &str) -> Vec<String> {
    let canonical = subject.split_once("__").map(|(server, name)| (format!("{server}__"), name));
    let address = subject.strip_prefix("mcpj://res/").and_then(|rest| rest.split_once('/'));
    match (canonical, address) {
        (_, Some((server, rest))) => {
            vec![format!("mcpj://res/{server}/YWJzZW50"), format!("mcpj://res/absent/{rest}")]
        }
        (Some((server, name)), None) => vec![format!("{server}absent"), format!("absent__{name}")],
        (None, None) if subject.contains(':') => vec!["raw:absent".to_owned()],
        (None, None) => vec!["absent".to_owned()],
    }
}
