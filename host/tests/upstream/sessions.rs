//! Which session carries a call, and what becomes of sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mcpjungle_host::server::{Server, SessionMode};
use mcpjungle_host::upstream::{UpstreamError, UpstreamSettings, Upstreams};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::fixture::{
    FakeServer, Seen, SessionServer, call, call_as, initialized, outcome, paired_call, plain, result, server, settings,
    upstreams,
};

/// Long enough for anything that would happen by mistake on this machine.
const QUIET: Duration = Duration::from_millis(300);

async fn session_server() -> (SessionServer, FakeServer) {
    let sessions = SessionServer::default();
    let script = sessions.clone();
    let fake = FakeServer::start(move |seen| {
        let response = script.answer(&seen);
        async move { response }
    })
    .await;
    (sessions, fake)
}

/// A server that issues ids and holds each call until it is let go.
async fn gated_server() -> (Arc<Semaphore>, FakeServer) {
    let (sessions, gate) = (SessionServer::default(), Arc::new(Semaphore::new(0)));
    let opened = Arc::clone(&gate);
    let fake = FakeServer::start(move |seen| {
        let (sessions, gate) = (sessions.clone(), Arc::clone(&opened));
        async move {
            if seen.method() == "tools/call" {
                gate.acquire().await.unwrap().forget();
            }
            sessions.answer(&seen)
        }
    })
    .await;
    (gate, fake)
}

fn has_initialized(count: usize) -> impl Fn(&FakeServer) -> bool {
    move |fake| fake.answered("notifications/initialized") == count
}

#[tokio::test]
async fn stateless_calls_have_a_session_each_and_the_next_one_is_ready_before_it_is_needed() {
    let (_, fake) = session_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));

    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "\"s1\"");
    fake.wait_until_deleted("s1").await;
    fake.wait_until(has_initialized(2)).await;

    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "\"s2\"");
    fake.wait_until_deleted("s2").await;
    fake.wait_until(has_initialized(3)).await;
    assert_eq!(fake.deleted_sessions(), ["s1", "s2"]);

    upstreams.shutdown().await;
    assert_eq!(fake.deleted_sessions(), ["s1", "s2", "s3"]);
}

#[tokio::test]
async fn stateful_calls_share_one_session_opened_by_the_first_call_only() {
    let (_, fake) = session_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    assert!(fake.seen().is_empty());
    let answers = join_all((0..20).map(|_| upstreams.call(&server, call()))).await;
    for answer in answers {
        assert_eq!(outcome(answer).unwrap(), "\"s1\"");
    }
    assert_eq!(fake.requests("initialize").len(), 1);
    upstreams.shutdown().await;
    assert_eq!(fake.deleted_sessions(), ["s1"]);
}

#[tokio::test]
async fn no_principal_ever_rides_on_the_session_of_another() {
    for mode in [SessionMode::Stateless, SessionMode::Stateful] {
        let (_, fake) = session_server().await;
        let (upstreams, server) = (upstreams(), fake.server(mode));
        let calls = (0..24).map(|n| upstreams.call(&server, call_as(["Bearer a", "Bearer b", "Bearer c"][n % 3])));
        for answer in join_all(calls).await {
            outcome(answer).unwrap();
        }
        let principal_of = |session: &str| {
            let mut principals: Vec<_> = fake
                .seen()
                .into_iter()
                .filter(|seen| seen.session() == Some(session))
                .map(|seen| seen.header("authorization").unwrap().to_owned())
                .collect();
            principals.dedup();
            principals
        };
        let calls = fake.requests("tools/call");
        assert_eq!(calls.len(), 24);
        for call in calls {
            assert_eq!(principal_of(call.session().unwrap()).len(), 1);
        }
    }
}

#[tokio::test]
async fn a_session_that_a_restarted_server_does_not_know_is_replaced_without_the_caller_noticing() {
    for mode in [SessionMode::Stateless, SessionMode::Stateful] {
        let (sessions, fake) = session_server().await;
        let (upstreams, server) = (upstreams(), fake.server(mode));
        outcome(upstreams.call(&server, call()).await).unwrap();
        if mode == SessionMode::Stateless {
            fake.wait_until(has_initialized(2)).await;
        }
        let known_before = fake.requests("initialize").len();
        sessions.forget_all();
        outcome(upstreams.call(&server, call()).await).unwrap();
        assert!(fake.requests("initialize").len() > known_before);
        // The first call, the refused one, and the same again.
        assert_eq!(fake.requests("tools/call").len(), 3);
    }
}

#[tokio::test]
async fn a_server_that_knows_no_session_at_all_is_not_asked_for_ever() {
    let (sessions, fake) = session_server().await;
    let forgetful = sessions.clone();
    drop(fake);
    let fake = FakeServer::start(move |seen| {
        let response = forgetful.answer(&seen);
        forgetful.forget_all();
        async move { response }
    })
    .await;
    let server = fake.server(SessionMode::Stateful);
    let error = outcome(upstreams().call(&server, call()).await).unwrap_err();
    assert!(error.contains("HTTP 404"), "{error}");
    assert!(fake.requests("initialize").len() <= 2);
}

#[tokio::test]
async fn a_call_that_failed_is_not_sent_again() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| crate::fixture::status(503, "session store is busy"));
        async move { response }
    })
    .await;
    for mode in [SessionMode::Stateless, SessionMode::Stateful] {
        let before = fake.requests("tools/call").len();
        outcome(upstreams().call(&fake.server(mode), call()).await).unwrap_err();
        assert_eq!(fake.requests("tools/call").len(), before + 1);
    }
}

#[tokio::test]
async fn at_most_four_sessions_of_a_server_start_at_once() {
    let (starting, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (gate, sessions) = (Arc::new(Semaphore::new(1)), SessionServer::default());
    let (now, peak, opened) = (Arc::clone(&starting), Arc::clone(&most), Arc::clone(&gate));
    let fake = FakeServer::start(move |seen: Seen| {
        let (now, peak, gate, sessions) = (Arc::clone(&now), Arc::clone(&peak), Arc::clone(&opened), sessions.clone());
        async move {
            if seen.method() == "initialize" {
                peak.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                gate.acquire().await.unwrap().forget();
                now.fetch_sub(1, Ordering::SeqCst);
            }
            sessions.answer(&seen)
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    // So that it is known that each call needs a session of its own.
    outcome(upstreams.call(&server, call()).await).unwrap();
    let calls = join_all((0..12).map(|_| upstreams.call(&server, call())));
    let release = async {
        fake.wait_until(|_| starting.load(Ordering::SeqCst) == 4).await;
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(calls, release);
    for answer in answers {
        outcome(answer).unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn a_server_that_hangs_does_not_hold_up_another() {
    let hanging = FakeServer::start(|_| std::future::pending()).await;
    let (_, healthy) = session_server().await;
    let upstreams = upstreams();
    let (slow, fast) = (server("slow", &hanging.url, SessionMode::Stateful), healthy.server(SessionMode::Stateful));
    tokio::select! {
        _ = upstreams.call(&slow, call()) => panic!("it hangs"),
        () = hanging.wait_until(|fake| !fake.seen().is_empty()) => {}
    }
    tokio::select! {
        _ = upstreams.call(&slow, call()) => panic!("it hangs"),
        answer = upstreams.call(&fast, call()) => assert_eq!(outcome(answer).unwrap(), "\"s1\""),
    }
}

#[tokio::test]
async fn a_forgotten_server_ends_its_calls_and_its_sessions() {
    let (_gate, fake) = gated_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    let forget = async {
        fake.wait_until(|fake| fake.requests("tools/call").len() == 1).await;
        upstreams.forget(&server).await;
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call()), forget);
    assert!(matches!(answer, Err(UpstreamError::Forgotten { .. })), "{answer:?}");
    fake.wait_until_deleted("s1").await;
}

#[tokio::test]
async fn a_server_registered_anew_is_never_served_by_a_session_of_the_old() {
    let (_, old_fake) = session_server().await;
    let (_, new_fake) = session_server().await;
    let upstreams = upstreams();
    let (old, new) = (old_fake.server(SessionMode::Stateful), new_fake.server(SessionMode::Stateful));
    assert_eq!(old.name, new.name);
    outcome(upstreams.call(&old, call()).await).unwrap();
    outcome(upstreams.call(&new, call()).await).unwrap();
    assert_eq!(new_fake.requests("tools/call").len(), 1);
    old_fake.wait_until_deleted("s1").await;
    // The same registration, read again, keeps its session.
    let same = Arc::new(Server::clone(&new));
    assert_eq!(outcome(upstreams.call(&same, call()).await).unwrap(), "\"s1\"");
}

#[tokio::test]
async fn an_idle_stateful_session_is_closed_but_never_under_a_running_call() {
    let (gate, fake) = gated_server().await;
    let idle = Duration::from_millis(50);
    let upstreams = Upstreams::new(UpstreamSettings { session_idle_timeout: Some(idle), ..settings() }).unwrap();
    let server = fake.server(SessionMode::Stateful);
    let hold = async {
        assert!(timeout(QUIET, fake.wait_until_deleted("s1")).await.is_err());
        gate.add_permits(1);
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call()), hold);
    assert_eq!(outcome(answer).unwrap(), "\"s1\"");
    fake.wait_until_deleted("s1").await;
    gate.add_permits(1);
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "\"s2\"");
}

#[tokio::test]
async fn a_downstream_session_has_an_upstream_session_to_itself_until_it_ends() {
    let (_, fake) = session_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    for (downstream, expected) in [("d1", "\"s1\""), ("d2", "\"s2\""), ("d1", "\"s1\""), ("d2", "\"s2\"")] {
        assert_eq!(outcome(upstreams.call(&server, paired_call(downstream)).await).unwrap(), expected);
    }
    upstreams.end_paired("d1");
    fake.wait_until_deleted("s1").await;
    assert_eq!(outcome(upstreams.call(&server, paired_call("d2")).await).unwrap(), "\"s2\"");
    assert_eq!(fake.deleted_sessions(), ["s1"]);
}

#[tokio::test]
async fn the_session_of_a_call_that_was_given_up_is_ended() {
    let (_gate, fake) = gated_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    tokio::select! {
        _ = upstreams.call(&server, call()) => panic!("nobody let it go"),
        () = fake.wait_until(|fake| fake.requests("tools/call").len() == 1) => {}
    }
    fake.wait_until_deleted("s1").await;
}

#[tokio::test]
async fn after_the_end_of_the_gateway_nothing_is_called() {
    let (_gate, fake) = gated_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    let end = async {
        fake.wait_until(|fake| fake.requests("tools/call").len() == 1).await;
        upstreams.shutdown().await;
    };
    let (answer, ()) = tokio::join!(upstreams.call(&server, call()), end);
    assert!(matches!(answer, Err(UpstreamError::ShuttingDown)), "{answer:?}");
    assert_eq!(fake.deleted_sessions(), ["s1"]);
    let seen = fake.seen().len();
    assert!(matches!(upstreams.call(&server, call()).await, Err(UpstreamError::ShuttingDown)));
    assert_eq!(fake.seen().len(), seen);
}

#[tokio::test]
async fn concurrent_first_calls_to_a_server_without_sessions_make_one_handshake() {
    let fake = FakeServer::start(|seen| {
        let response = match seen.method().as_str() {
            "initialize" => initialized(&seen, "2025-11-25"),
            _ => plain(&seen).unwrap_or_else(|| result(&seen, "1")),
        };
        async move { response }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    for answer in join_all((0..32).map(|_| upstreams.call(&server, call()))).await {
        outcome(answer).unwrap();
    }
    assert_eq!(fake.requests("initialize").len(), 1);
    assert_eq!(fake.requests("tools/call").len(), 32);
}

#[tokio::test]
async fn more_principals_than_there_may_be_sessions_are_served_where_none_holds_state() {
    let fake = FakeServer::start(|seen| {
        let response = plain(&seen).unwrap_or_else(|| result(&seen, "1"));
        async move { response }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    for principal in 0..1100 {
        outcome(upstreams.call(&server, call_as(&principal.to_string())).await).unwrap();
    }
    assert_eq!(fake.requests("initialize").len(), 1100);
}

#[tokio::test]
async fn where_no_more_sessions_may_be_open_the_paired_one_that_idled_longest_makes_room() {
    let (_, fake) = session_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    for downstream in 0..1024 {
        outcome(upstreams.call(&server, paired_call(&downstream.to_string())).await).unwrap();
    }
    // Used again, so the second has idled longest.
    assert_eq!(outcome(upstreams.call(&server, paired_call("0")).await).unwrap(), "\"s1\"");
    assert_eq!(outcome(upstreams.call(&server, paired_call("one more")).await).unwrap(), "\"s1025\"");
    fake.wait_until_deleted("s2").await;
    assert_eq!(fake.deleted_sessions(), ["s2"]);
    assert_eq!(outcome(upstreams.call(&server, paired_call("1")).await).unwrap(), "\"s1026\"");
}

#[tokio::test]
async fn a_session_too_many_waits_until_another_may_go() {
    let (gate, fake) = gated_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    // The sessions of a stateful server are never taken from their principals.
    gate.add_permits(1023);
    for principal in 0..1023 {
        outcome(upstreams.call(&server, call_as(&principal.to_string())).await).unwrap();
    }
    let scenario = async {
        fake.wait_until(|fake| fake.requests("tools/call").len() == 1024).await;
        let mut one_more = std::pin::pin!(upstreams.call(&server, paired_call("d2")));
        assert!(timeout(QUIET, &mut one_more).await.is_err());
        assert_eq!(fake.requests("initialize").len(), 1024);
        gate.add_permits(2);
        outcome(one_more.await).unwrap()
    };
    let (first, second) = tokio::join!(upstreams.call(&server, paired_call("d1")), scenario);
    assert_eq!((outcome(first).unwrap(), second), ("\"s1024\"".to_owned(), "\"s1025\"".to_owned()));
    fake.wait_until_deleted("s1024").await;
    assert_eq!(fake.deleted_sessions(), ["s1024"]);
}

#[tokio::test]
async fn the_first_burst_to_a_server_with_sessions_does_not_queue_up() {
    let (starting, gate, sessions) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)), SessionServer::default());
    let (now, opened) = (Arc::clone(&starting), Arc::clone(&gate));
    let fake = FakeServer::start(move |seen: Seen| {
        let (now, gate, sessions) = (Arc::clone(&now), Arc::clone(&opened), sessions.clone());
        async move {
            // Only the first is answered at once: it tells that there are sessions.
            if seen.method() == "initialize" && now.fetch_add(1, Ordering::SeqCst) > 0 {
                gate.acquire().await.unwrap().forget();
            }
            sessions.answer(&seen)
        }
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    let calls = join_all((0..8).map(|_| upstreams.call(&server, call())));
    let release = async {
        // As many as may start at once, besides the first.
        fake.wait_until(|_| starting.load(Ordering::SeqCst) == 5).await;
        gate.add_permits(1000);
    };
    let (answers, ()) = tokio::join!(calls, release);
    for answer in answers {
        outcome(answer).unwrap();
    }
}

#[tokio::test]
async fn a_call_that_found_its_server_before_it_was_deregistered_leaves_no_session_behind() {
    let (_, fake) = session_server().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateful));
    outcome(upstreams.call(&server, call()).await).unwrap();
    upstreams.forget(&server).await;
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "\"s2\"");
    fake.wait_until_deleted("s2").await;
}

#[tokio::test]
async fn a_call_that_found_an_earlier_registration_does_not_take_the_place_of_the_current_one() {
    let (_, old_fake) = session_server().await;
    let (_, new_fake) = session_server().await;
    let upstreams = upstreams();
    let (old, new) = (old_fake.server(SessionMode::Stateful), new_fake.server(SessionMode::Stateful));
    upstreams.supersede(&new);
    assert_eq!(outcome(upstreams.call(&new, call()).await).unwrap(), "\"s1\"");
    assert_eq!(outcome(upstreams.call(&old, call()).await).unwrap(), "\"s1\"");
    old_fake.wait_until_deleted("s1").await;
    assert_eq!(outcome(upstreams.call(&new, call()).await).unwrap(), "\"s1\"");
    assert!(new_fake.deleted_sessions().is_empty());
}
