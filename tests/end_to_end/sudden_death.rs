//! `kill -9` of the gateway in the midst of writes, again and again: what was acknowledged is
//! there after each restart, what was not is there whole or not at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::admin::Admin;
use crate::harness::enterprise;
use crate::harness::gateway::bare_command;
use crate::harness::raw_server::RawServer;
use crate::harness::until;

const ROUNDS: usize = 8;
/// Each writes things of its own.
const WRITERS: usize = 4;

/// What one thing may be like, as JSON; `null` if it is not there.
type State = Value;

/// A thing that a writer makes, changes and removes over and over.
struct Thing {
    collection: &'static str,
    name: String,
    /// What it is for sure; while a change is under way it may be the other one as well.
    acknowledged: State,
    under_way: Option<State>,
}

impl Thing {
    /// The next state after `state`: made, changed, removed.
    fn after(&self, state: &State, turn: usize, upstream: &RawServer) -> State {
        match (self.collection, state["turn"].as_u64()) {
            (_, Some(turn)) if turn % 3 == 2 => State::Null,
            ("tool-groups", _) => json!({ "turn": turn, "body": {
                "name": self.name, "description": turn.to_string(), "included_tools": ["fixed__numbers"],
                "excluded_tools": [format!("fixed__of-turn-{turn}")],
            }}),
            _ => {
                let mut body = upstream.registration(&self.name);
                body["description"] = turn.to_string().into();
                body["bearer_token"] = format!("secret-of-turn-{turn}").into();
                json!({ "turn": turn, "body": body })
            }
        }
    }

    /// The request that leads from what is acknowledged to `next`.
    fn request(&self, next: &State) -> (Method, String) {
        let (collection, name) = (self.collection, &self.name);
        match (collection, self.acknowledged.is_null(), next.is_null()) {
            (_, _, true) => (Method::DELETE, format!("/{collection}/{name}")),
            ("servers", _, _) => (Method::POST, "/servers?force=true".to_owned()),
            (_, true, _) => (Method::POST, format!("/{collection}")),
            (_, false, _) => (Method::PUT, format!("/{collection}/{name}")),
        }
    }
}

/// Changes its thing until the gateway is gone.
async fn write(admin: Admin, thing: Arc<Mutex<Thing>>, upstream: Arc<RawServer>, written: Arc<AtomicUsize>) {
    for turn in 0.. {
        let (method, path, next) = {
            let mut thing = thing.lock().unwrap();
            let next = thing.after(&thing.acknowledged, turn, &upstream);
            let (method, path) = thing.request(&next);
            thing.under_way = Some(next.clone());
            (method, path, next)
        };
        let body = (!next.is_null()).then(|| next["body"].clone());
        let Ok((status, answer)) = admin.try_send(method, &path, body.as_ref()).await else { return };
        assert!(status.is_success(), "{path}: {status} {answer}");
        let mut thing = thing.lock().unwrap();
        thing.acknowledged = next;
        thing.under_way = None;
        written.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the gateway says of every server and group, by name; of servers only what was said of them.
async fn read(admin: &Admin) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for path in ["/tool-groups", "/server_configs?reveal=true"] {
        for thing in admin.get(path).await.as_array().unwrap() {
            found.insert(thing["name"].as_str().unwrap().to_owned(), thing.clone());
        }
    }
    found
}

/// Whether what is found is what a state says.
fn is(found: Option<&Value>, state: &State) -> bool {
    match (found, state["body"].as_object()) {
        (None, None) => true,
        (Some(found), Some(body)) => body.iter().all(|(key, value)| found[key] == *value),
        _ => false,
    }
}

async fn survives(home: Arc<TempDir>) {
    let upstream = Arc::new(RawServer::http(&[]));
    let things: Vec<_> = (0..WRITERS)
        .map(|number| {
            let collection = if number % 2 == 0 { "servers" } else { "tool-groups" };
            let name = format!("thing-{number}");
            Arc::new(Mutex::new(Thing { collection, name, acknowledged: State::Null, under_way: None }))
        })
        .collect();
    let start = || enterprise::start_in(Arc::clone(&home), &[]);
    let mut gateway = start();
    gateway.register(&upstream.registration("fixed"));
    let tools = tools_of(&Admin::of(&gateway), "fixed").await;
    let mut all_written = 0;
    for round in 0..ROUNDS {
        let written = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = things
            .iter()
            .map(|thing| {
                tokio::spawn(write(Admin::of(&gateway), Arc::clone(thing), Arc::clone(&upstream), Arc::clone(&written)))
            })
            .collect();
        until("some changes", || written.load(Ordering::Relaxed) > round || writers.iter().all(|w| w.is_finished()))
            .await;
        gateway.signal(Signal::KILL);
        for writer in writers {
            writer.await.expect("every change before the end was made");
        }
        all_written += written.load(Ordering::Relaxed);
        gateway.ended().await;

        gateway = start();
        let admin = Admin::of(&gateway);
        let found = read(&admin).await;
        assert!(found.contains_key("fixed"), "{found:?}");
        for thing in &things {
            let (state, name) = {
                let mut thing = thing.lock().unwrap();
                let found = found.get(&thing.name);
                let under_way = thing.under_way.take();
                let state = [Some(thing.acknowledged.clone()), under_way].into_iter().flatten().find(|s| is(found, s));
                let state = state.unwrap_or_else(|| {
                    panic!("{} was acknowledged as {}, and is {found:?}", thing.name, thing.acknowledged)
                });
                thing.acknowledged = state.clone();
                (state, thing.name.clone())
            };
            if !state.is_null() && found[&name].get("transport").is_some() {
                assert_eq!(tools_of(&admin, &name).await.len(), tools.len(), "all that it offers came with it");
            }
        }
        assert!(!gateway.log().contains("cannot be read"), "{}", gateway.log());
    }
    assert!(all_written > ROUNDS, "{all_written}");
}

async fn tools_of(admin: &Admin, server: &str) -> Vec<Value> {
    let answer = admin.get(&format!("/tools?server={server}")).await;
    answer.as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_midst_of_writes_nothing_acknowledged_is_lost_on_sqlite() {
    survives(enterprise::home(&[]).await).await;
}

#[cfg(feature = "e2e")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_in_the_midst_of_writes_nothing_acknowledged_is_lost_on_postgres() {
    survives(enterprise::home_on(crate::postgres::Cluster::shared(), &[]).await).await;
}

#[tokio::test]
async fn killed_in_the_midst_of_a_token_s_rotation_the_old_one_or_the_new_one_counts_on_sqlite() {
    rotates(enterprise::home(&[]).await).await;
}

#[cfg(feature = "e2e")]
#[tokio::test]
async fn killed_in_the_midst_of_a_token_s_rotation_the_old_one_or_the_new_one_counts_on_postgres() {
    rotates(enterprise::home_on(crate::postgres::Cluster::shared(), &[]).await).await;
}

/// A token that was printed is the one that counts, whenever the command is killed.
async fn rotates(home: Arc<TempDir>) {
    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    let upstream = RawServer::http(&[]);
    gateway.register(&upstream.registration("fixed"));
    let mut token = enterprise::ADMIN_TOKEN.to_owned();
    for round in 0..12_u64 {
        let next = format!("token-of-round-{round}");
        let mut child = upkeep(&home, &["reset-admin-token", "--access-token", &next]);
        die_at(&mut child, round).await;
        let output = child.wait_with_output().unwrap();
        let is_acknowledged = String::from_utf8_lossy(&output.stdout).trim() == next;
        // A change has the gateway read the database again, by whichever token it is let in.
        let group = json!({ "name": format!("group-{round}"), "included_servers": ["fixed"] });
        for token in [&token, &next] {
            Admin::with_token(&gateway, token).send(Method::POST, "/tool-groups", Some(&group)).await;
        }
        let counts = async |token: &str| {
            let (status, _) = Admin::with_token(&gateway, token).send(Method::GET, "/server_configs", None).await;
            status == StatusCode::OK
        };
        let (old, new) = (counts(&token).await, counts(&next).await);
        assert!(old != new && (new || !is_acknowledged), "old: {old}, new: {new}, printed: {is_acknowledged}");
        if new {
            token = next;
        }
    }
}

/// Runs `mcpjungle server` in the background.
fn upkeep(home: &TempDir, arguments: &[&str]) -> std::process::Child {
    let mut command = bare_command(home.path());
    command.arg("server").args(arguments).spawn().expect("the binary runs")
}

#[tokio::test]
async fn killed_in_the_midst_of_a_new_key_the_next_start_opens_every_secret() {
    let home = enterprise::home(&[]).await;
    let upstream = RawServer::http(&[]);
    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    for number in 0..3 {
        let mut registration = upstream.registration(&format!("raw-{number}"));
        registration["bearer_token"] = json!(format!("s3cret-{number}"));
        gateway.register(&registration);
    }
    drop(gateway);
    let opens_every_secret = async |when: &str| {
        let gateway = enterprise::start_in(Arc::clone(&home), &[]);
        let configurations = Admin::of(&gateway).get("/server_configs?reveal=true").await;
        for number in 0..3 {
            assert_eq!(configurations[number]["bearer_token"], format!("s3cret-{number}"), "{when}");
        }
    };
    for round in 0..12_u64 {
        let mut rekey = upkeep(&home, &["rekey"]);
        die_at(&mut rekey, round).await;
        opens_every_secret(&format!("killed after {round} steps")).await;
    }
    let several = [(); 3].map(|()| upkeep(&home, &["rekey"]));
    for rekey in several {
        let output = rekey.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    opens_every_secret("after several at once").await;
}

/// Anywhere between the start of a command and its end, which tells by nothing but time.
async fn die_at(command: &mut std::process::Child, step: u64) {
    tokio::time::sleep(Duration::from_millis(step * 4)).await;
    let _already_over = command.kill();
    command.wait().expect("a child can be waited for");
}
