//! PostgreSQL stopped and started under load, in enterprise mode: clients with tokens are served
//! from memory, administrators are told, and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::task::JoinHandle;

use crate::harness::admin::Admin;
use crate::harness::client::{Client, INITIALIZE};
use crate::harness::enterprise::{self, client};
use crate::harness::gateway::{bare_command, finish};
use crate::harness::raw_server::RawServer;
use crate::harness::until;
use crate::postgres::{Cluster, PASSWORD};

const REFUSAL: &str = "the database cannot be reached: nothing was changed; try again when it is back";
/// Where the connection is lost in the midst of the commit.
const UNCONFIRMED: &str =
    "the database was lost before it confirmed the change, which may or may not have been made: look when it is back";
/// The change is made, and told so.
const UNREAD: &str = "the change is stored, but the database could not be read after it: \
                      it takes effect as soon as the database answers again";

/// What goes on all the time.
#[derive(Default)]
struct Load {
    is_over: AtomicBool,
    calls: AtomicUsize,
    refused: AtomicUsize,
}

/// Calls again and again; each call must be answered.
fn call_on(client: Client, load: Arc<Load>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while !load.is_over.load(Ordering::Relaxed) {
            let answer = client.call("raw__numbers", "{}").await;
            assert!(answer.contains("1.50e+3"), "{answer}");
            load.calls.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// Creates groups again and again; those that are acknowledged, and those of which nobody knows.
fn create_on(writer: usize, admin: Admin, load: Arc<Load>) -> JoinHandle<[BTreeSet<String>; 2]> {
    tokio::spawn(async move {
        let [mut acknowledged, mut unknown] = [BTreeSet::new(), BTreeSet::new()];
        for number in 0.. {
            if load.is_over.load(Ordering::Relaxed) {
                break;
            }
            let name = format!("g-{writer}-{number}");
            let group = json!({ "name": name, "included_servers": ["raw"] });
            let (status, answer) = admin.send(Method::POST, "/tool-groups", Some(&group)).await;
            match (status, answer["error"].as_str().unwrap_or_default()) {
                (StatusCode::CREATED, _) | (StatusCode::SERVICE_UNAVAILABLE, UNREAD) => drop(acknowledged.insert(name)),
                (StatusCode::SERVICE_UNAVAILABLE, REFUSAL) => drop(load.refused.fetch_add(1, Ordering::Relaxed)),
                (StatusCode::SERVICE_UNAVAILABLE, UNCONFIRMED) => drop(unknown.insert(name)),
                _ => panic!("{status} {answer}"),
            }
        }
        [acknowledged, unknown]
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_served_on_and_no_acknowledged_change_is_lost() {
    let cluster = Cluster::start();
    let people = [client("reader", "token-of-reader", &["raw"])];
    let home = enterprise::home_on(&cluster, &people).await;
    let gateway = enterprise::start_in(Arc::clone(&home), &[]);
    let upstream = RawServer::http(&[]);
    let mut registration = upstream.registration("raw");
    registration["bearer_token"] = json!("s3cret");
    gateway.register(&registration);
    let reader = || Client::new(gateway.url("/mcp")).with_token("token-of-reader");
    let load = Arc::new(Load::default());
    let mut callers = Vec::new();
    for _ in 0..2 {
        callers.push(call_on(reader().introduced("{}").await, Arc::clone(&load)));
    }
    let admin = Admin::of(&gateway);
    let writers: Vec<_> = (0..2).map(|writer| create_on(writer, admin.clone(), Arc::clone(&load))).collect();
    let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
    let more_calls = async |number: usize| {
        let goal = count(&load.calls) + number;
        until("more calls", || count(&load.calls) >= goal || callers.iter().any(JoinHandle::is_finished)).await;
    };

    for outage in 1..=2 {
        more_calls(20).await;
        let refused = count(&load.refused);
        cluster.stop();
        until("a change that is refused", || count(&load.refused) > refused).await;
        more_calls(20).await;
        assert!(reader().introduced("{}").await.call("raw__numbers", "{}").await.contains("1.50e+3"));
        for nobody in [Client::new(gateway.url("/mcp")), Client::new(gateway.url("/mcp")).with_token("wrong-token")] {
            assert_eq!(nobody.post(INITIALIZE).await.status, 401);
        }
        let mut command = bare_command(home.path());
        command.args(["server", "reset-admin-token"]);
        let reset = finish(command);
        assert!(
            reset.code == Some(1) && reset.stdout.is_empty() && reset.stderr.contains("cannot reach PostgreSQL at"),
            "{reset:?}"
        );
        cluster.resume();
        let group = json!({ "name": format!("after-outage-{outage}"), "included_servers": ["raw"] });
        until_created(&admin, &group).await;
    }
    more_calls(20).await;
    load.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.expect("every call was answered");
    }
    let [mut acknowledged, mut unknown] = [BTreeSet::new(), BTreeSet::new()];
    for writer in writers {
        let [of_writer, unknown_of_writer] = writer.await.expect("every change was answered");
        acknowledged.extend(of_writer);
        unknown.extend(unknown_of_writer);
    }
    acknowledged.extend(["after-outage-1".to_owned(), "after-outage-2".to_owned()]);
    assert!(!gateway.log().contains(PASSWORD) && !gateway.log().contains("s3cret"));
    drop(gateway);

    let gateway = enterprise::start_in(home, &[]);
    let groups = Admin::of(&gateway).get("/tool-groups").await;
    let stored: BTreeSet<String> =
        groups.as_array().unwrap().iter().map(|group| group["name"].as_str().unwrap().to_owned()).collect();
    let lost: Vec<_> = acknowledged.difference(&stored).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let more: Vec<_> = stored.difference(&acknowledged).filter(|name| !unknown.contains(*name)).collect();
    assert!(more.is_empty(), "refused and made: {more:?}");
}

/// The pool may still hold connections of before.
async fn until_created(admin: &Admin, group: &serde_json::Value) {
    let created = async {
        loop {
            let (status, answer) = admin.send(Method::POST, "/tool-groups", Some(group)).await;
            match status {
                StatusCode::CREATED | StatusCode::CONFLICT => return,
                status => assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{answer}"),
            }
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, created).await.expect("changes work again");
}
