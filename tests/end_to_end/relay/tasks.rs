//! Tasks of 2025-11-25: found again by whom they belong to, and by nobody else.

use crate::harness::client::Client;
use crate::harness::json::{elements, member, on_one_line, text};
use crate::relay::{Rig, direct};

async fn begin(client: &Client, prefix: &str) -> (String, String) {
    let params = format!(r#"{{"name":"{prefix}work","arguments":{{}},"task":{{"ttl":6.0e4}}}}"#);
    let answer = client.ask("tools/call", &params).await;
    let result = member(&answer, "result").unwrap_or_else(|| panic!("no result: {answer}"));
    let task = member(result, "task").unwrap_or_else(|| panic!("no task: {answer}"));
    let id = text(member(task, "taskId").expect("a task has an id")).expect("that is a string");
    (id, answer)
}

async fn ask(client: &Client, method: &str, task: &str) -> String {
    client.ask(method, &format!(r#"{{"taskId":"{task}"}}"#)).await
}

async fn listed(client: &Client) -> Vec<String> {
    let answer = client.ask("tasks/list", "{}").await;
    let result = member(&answer, "result").unwrap_or_else(|| panic!("no result: {answer}"));
    elements(member(result, "tasks").expect("it has tasks")).into_iter().map(str::to_owned).collect()
}

/// A task's whole life; everything that the client was answered.
async fn live_through(client: &Client, prefix: &str) -> Vec<String> {
    let (task, begun) = begin(client, prefix).await;
    let mut answers = vec![begun];
    answers.extend(listed(client).await);
    for method in ["tasks/get", "tasks/result", "tasks/cancel", "tasks/get"] {
        answers.push(ask(client, method, &task).await);
    }
    answers.iter().map(|answer| on_one_line(answer)).collect()
}

#[tokio::test]
async fn a_task_is_asked_for_where_it_runs_and_answers_as_it_would_directly() {
    // A server for each, because the second task would have another id.
    for path in ["/mcp", "/v0/groups/all/mcp", "/v0/servers/raw/mcp"] {
        for (kind, rig) in Rig::of_every_kind() {
            let (_server, client) = direct().await;
            let expected = live_through(&client, "").await;
            let prefix = if path.contains("servers") { "" } else { "raw__" };
            assert_eq!(live_through(&rig.client(path).await, prefix).await, expected, "{kind}, {path}");
        }
    }
}

#[tokio::test]
async fn a_task_is_unknown_to_every_other_session() {
    for (kind, rig) in Rig::of_every_kind() {
        for path in ["/mcp", "/v0/groups/all/mcp", "/v0/servers/raw/mcp"] {
            let prefix = if path.contains("servers") { "" } else { "raw__" };
            let owner = rig.client(path).await;
            let (task, _) = begin(&owner, prefix).await;
            let asked_before = rig.upstream.requests("tasks/get").len();
            for (stranger, _) in rig.clients().await {
                for method in ["tasks/get", "tasks/result", "tasks/cancel"] {
                    let unknown = ask(&stranger, method, "no such task").await;
                    let foreign = ask(&stranger, method, &task).await;
                    assert_eq!(foreign, unknown.replace("no such task", &task), "{kind}, {path}, {method}");
                    assert!(foreign.contains("-32602"), "{foreign}");
                }
                assert_eq!(listed(&stranger).await, Vec::<String>::new(), "{kind}, {path}");
            }
            assert_eq!(rig.upstream.requests("tasks/get").len(), asked_before, "{kind}, {path}");
            assert!(ask(&owner, "tasks/get", &task).await.contains("working"), "{kind}, {path}");
        }
    }
}
