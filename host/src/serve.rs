//! Serving until told to stop, and stopping in order: no new work, calls in
//! flight finish within a bound, upstream sessions and children end.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::serve::ListenerExt as _;
use http::StatusCode;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::downstream::{check_edge, plain_error};
use crate::gateway::Gateway;
use crate::{admin, downstream};

/// How long calls in flight may go on after the signal.
const DRAIN_BOUND: Duration = Duration::from_secs(10);
/// How long closing upstream sessions and children may take after that.
const CLOSE_BOUND: Duration = Duration::from_secs(8);

/// For how long a client may leave what was sent to it unread, in milliseconds, before
/// its connection is closed. Longer than anybody's machine sleeps over a slow network.
#[cfg(target_os = "linux")]
const UNREAD_TIMEOUT_MS: u32 = 300_000;

/// All that the gateway serves over HTTP, behind the same checks at the edge.
pub fn application(gateway: Arc<Gateway>) -> Router {
    downstream::router(Arc::clone(&gateway))
        .merge(admin::router(Arc::clone(&gateway)))
        .layer(from_fn_with_state(Arc::clone(&gateway), require_initialized))
        .layer(from_fn_with_state(gateway, check_edge))
}

/// Middleware: until an administrator has initialised it, a gateway in enterprise mode
/// only says how it is, and takes that one request.
async fn require_initialized(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    let is_open = matches!(request.uri().path(), "/health" | "/metadata" | "/metrics" | "/init");
    if is_open || gateway.is_initialized() {
        return next.run(request).await;
    }
    plain_error(StatusCode::FORBIDDEN, "server is not initialized")
}

/// Serves on `listener` until `shutdown` completes, then stops in order.
pub async fn serve(
    listener: TcpListener,
    gateway: Arc<Gateway>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let application = application(Arc::clone(&gateway)).into_make_service_with_connect_info::<SocketAddr>();
    // Answers are small and wanted at once.
    let listener = listener.tap_io(|connection| {
        if let Err(error) = connection.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY could not be set");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&*connection, UNREAD_TIMEOUT_MS) {
            tracing::debug!(%error, "TCP_USER_TIMEOUT could not be set");
        }
    });
    let stopping = CancellationToken::new();
    let (signal, streams) = (stopping.clone(), Arc::clone(&gateway));
    let server = axum::serve(listener, application).with_graceful_shutdown(async move {
        shutdown.await;
        // Clients listen for ever: their connections would be waited for as long.
        streams.sessions.stop_listening();
        signal.cancel();
    });
    let server = async {
        let served = server.await;
        // Serving may also have failed, and then there is nothing to wait for.
        stopping.cancel();
        served
    };
    let drained = async {
        stopping.cancelled().await;
        // Calls whose callers have gone are in flight too.
        gateway.calls.close();
        gateway.calls.wait().await;
        gateway.sessions.end_streams().await;
    };
    let bound = async {
        stopping.cancelled().await;
        tokio::time::sleep(DRAIN_BOUND).await;
    };
    let finished = async { tokio::join!(server, drained).0 };
    let served = tokio::select! {
        served = finished => served,
        () = bound => {
            tracing::warn!(bound_s = DRAIN_BOUND.as_secs(), "some calls did not finish in time and are dropped");
            Ok(())
        }
    };
    gateway.shutdown(CLOSE_BOUND).await;
    served
}
