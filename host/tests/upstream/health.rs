//! Who is up and who is not, and what that means for the next call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::HeaderMap;
use mcpjungle_host::server::SessionMode;
use mcpjungle_host::upstream::{HealthState, UpstreamError, UpstreamSettings, Upstreams};

use crate::fixture::{FakeServer, call, outcome, plain, result, server, settings, status, upstreams};

/// A server that answers nothing while it hangs.
async fn server_that_may_hang() -> (Arc<AtomicBool>, FakeServer) {
    let hangs = Arc::new(AtomicBool::new(false));
    let script = Arc::clone(&hangs);
    let fake = FakeServer::start(move |seen| {
        let hangs = script.load(Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            plain(&seen).unwrap_or_else(|| result(&seen, "true"))
        }
    })
    .await;
    (hangs, fake)
}

fn impatient_upstreams() -> Upstreams {
    Upstreams::new(UpstreamSettings { init_timeout: Duration::from_millis(300), ..settings() }).unwrap()
}

#[tokio::test]
async fn a_server_that_hangs_costs_its_timeout_once_and_harms_no_other() {
    let (hangs, fake) = server_that_may_hang().await;
    hangs.store(true, Ordering::SeqCst);
    let (upstreams, down) = (impatient_upstreams(), fake.server(SessionMode::Stateful));
    assert_eq!(upstreams.health(&down).state, HealthState::Unknown);

    let error = upstreams.call(&down, call()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::InitTimedOut { .. }), "{error}");
    let health = upstreams.health(&down);
    assert_eq!((health.state, health.consecutive_failures), (HealthState::Unhealthy, 1));
    assert_eq!(health.last_failure.unwrap().error, error);

    // Several, because each may come after the time of the next attempt, and only one is it.
    let errors = futures_util::future::join_all((0..5).map(|_| upstreams.call(&down, call()))).await;
    let told = errors.into_iter().filter(|error| matches!(error, Err(UpstreamError::Down { .. })));
    let told: Vec<_> = told.map(|error| error.unwrap_err().to_string()).collect();
    assert!(told.len() >= 4 && fake.requests("initialize").len() <= 2, "{told:?}");
    assert!(
        told[0].contains("timed out after 0.3 seconds") && told[0].contains("; it is tried again in the background")
    );

    let healthy = FakeServer::start(|seen| {
        let answer = plain(&seen).unwrap_or_else(|| result(&seen, "\"fine\""));
        async move { answer }
    })
    .await;
    let other = server("other", &healthy.url, SessionMode::Stateless);
    assert_eq!(outcome(upstreams.call(&other, call()).await).unwrap(), "\"fine\"");
    assert_eq!(upstreams.health(&other).state, HealthState::Healthy);
}

#[tokio::test]
async fn a_call_after_the_backoff_finds_a_server_that_is_up_again() {
    let (hangs, fake) = server_that_may_hang().await;
    hangs.store(true, Ordering::SeqCst);
    let (upstreams, server) = (impatient_upstreams(), fake.server(SessionMode::Stateless));
    upstreams.call(&server, call()).await.unwrap_err();
    hangs.store(false, Ordering::SeqCst);

    let due = upstreams.watch_health(&server);
    due.attempt_due().await;
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "true");
    let health = upstreams.health(&server);
    assert_eq!((health.state, health.consecutive_failures), (HealthState::Healthy, 0));
    assert!(health.last_failure.is_some(), "what went wrong can still be seen");
    assert!(upstreams.hints().next().await.contains(&server.name), "its lists may be others now");
}

#[tokio::test]
async fn the_gateways_own_attempt_brings_a_server_back() {
    let (hangs, fake) = server_that_may_hang().await;
    hangs.store(true, Ordering::SeqCst);
    let (upstreams, server) = (impatient_upstreams(), fake.server(SessionMode::Stateless));
    upstreams.refetch_offer(&server, HeaderMap::new()).await.unwrap_err();
    assert_eq!(upstreams.health(&server).state, HealthState::Unhealthy);
    hangs.store(false, Ordering::SeqCst);
    upstreams.watch_health(&server).attempt_due().await;
    // Its tools are nothing that can be listed, but it initializes.
    upstreams.refetch_offer(&server, HeaderMap::new()).await.unwrap_err();
    assert_eq!(upstreams.health(&server).state, HealthState::Healthy);
    assert_eq!(outcome(upstreams.call(&server, call()).await).unwrap(), "true");
}

#[tokio::test]
async fn a_refusal_of_one_call_says_nothing_of_the_server() {
    let fake = FakeServer::start(|seen| async move {
        plain(&seen).unwrap_or_else(|| {
            status(200, format!(r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":-1,"message":"no"}}}}"#, seen.id()))
        })
    })
    .await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    upstreams.call(&server, call()).await.unwrap();
    assert_eq!(upstreams.health(&server).state, HealthState::Healthy);

    let unauthorized = FakeServer::start(|_| async { status(401, "{}") }).await;
    let server = unauthorized.server(SessionMode::Stateless);
    upstreams.call(&server, call()).await.unwrap_err();
    assert_eq!(upstreams.health(&server).state, HealthState::Unknown, "its headers may be this caller's alone");
    upstreams.refetch_offer(&server, HeaderMap::new()).await.unwrap_err();
    assert_eq!(upstreams.health(&server).state, HealthState::Unhealthy);
    let error = upstreams.call(&server, call()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Unauthorized { .. }), "other callers are not held back: {error}");
}

#[tokio::test]
async fn a_server_that_is_gone_fails_fast_on_what_was_agreed_before() {
    let (_, fake) = server_that_may_hang().await;
    let (upstreams, server) = (upstreams(), fake.server(SessionMode::Stateless));
    upstreams.call(&server, call()).await.unwrap();
    let address = fake.url.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
    fake.stop().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
    // The connection that is kept may be found to be closed first.
    for _ in 0..3 {
        let error = upstreams.call(&server, call()).await.unwrap_err();
        if let UpstreamError::Down { last, .. } = error {
            assert!(last.to_string().contains("was refused"), "{last}");
            return;
        }
    }
    panic!("every call tried to connect");
}
