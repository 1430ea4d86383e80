//! Facing MCP clients: Streamable HTTP at `/mcp`, `/v0/groups/{name}/mcp` and
//! `/v0/servers/{name}/mcp`.
//!
//! `edge` says who may connect at all, `legacy` speaks the revisions with
//! sessions, and `methods` answers what is the same in every era.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;

use crate::audit::{Stranger, record_hidden_endpoint, record_stranger};
use crate::catalog::ViewScope;
use crate::gateway::Gateway;
use crate::names::{GroupName, ServerName};
use crate::pipeline::{self, Denial, Endpoint, HttpRequest, Principal};

mod as_of;
mod call;
pub(crate) mod changes;
pub(crate) mod credentials;
mod edge;
mod event_stream;
mod gate;
mod initialize;
mod legacy;
mod methods;
mod name_in_path;
mod own_token;
mod reply;
mod session;
mod sessions;
mod sse;

pub(crate) use as_of::AsOf;
pub(crate) use edge::check_edge;
pub use edge::{AllowedHosts, EdgePolicy};
pub(crate) use name_in_path::NameInPath;
pub(crate) use own_token::{TOKEN_IN_META, holds_token};
pub(crate) use reply::{json, plain_error, refusal};
use session::Known;
pub use session::{Delivery, Session};
pub use sessions::Sessions;

/// What is wrong with an HTTP request, already as the answer.
type Refused = Box<Response>;

/// What the question is asked under whether an endpoint is there: before its body is read, no
/// request has a method.
const INITIALIZE: &str = "initialize";

/// Bodies of clients' messages may be this long; beyond it 413.
const MAX_BODY_BYTES: usize = 32 << 20;

/// The MCP endpoints. They and the admin API pass through the same checks at the edge.
pub fn router(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/mcp", any(serve_main))
        .route("/v0/groups/{name}/mcp", any(serve_group))
        .route("/v0/servers/{name}/mcp", any(serve_server))
        .route("/sse", any(serve_main))
        .route("/message", any(serve_main))
        .route("/v0/groups/{name}/sse", any(serve_group))
        .route("/v0/groups/{name}/message", any(serve_group))
        .route("/v0/servers/{name}/sse", any(serve_server))
        .route("/v0/servers/{name}/message", any(serve_server))
        .with_state(gateway)
}

async fn serve_main(State(gateway): State<Arc<Gateway>>, peer: ConnectInfo<SocketAddr>, request: Request) -> Response {
    serve(&gateway, Endpoint::Main, peer, request).await
}

async fn serve_group(
    State(gateway): State<Arc<Gateway>>,
    NameInPath(name): NameInPath,
    peer: ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match GroupName::parse(&name) {
        Ok(group) => serve(&gateway, Endpoint::Group(group), peer, request).await,
        Err(_) => reply::plain_error(StatusCode::NOT_FOUND, &format!("tool group not found: {name}")),
    }
}

async fn serve_server(
    State(gateway): State<Arc<Gateway>>,
    NameInPath(name): NameInPath,
    peer: ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    match ServerName::parse(&name) {
        Ok(server) => serve(&gateway, Endpoint::Server(server), peer, request).await,
        Err(_) => reply::plain_error(StatusCode::NOT_FOUND, &format!("MCP server not found: {name}")),
    }
}

/// One HTTP request of an MCP client, authenticated; its body is not read yet.
pub(crate) struct Exchange {
    /// Tells it from others in decisions and in the log.
    pub(crate) id: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) principal: Arc<Principal>,
    pub(crate) head: http::request::Parts,
    /// Who sent it.
    pub(crate) peer: SocketAddr,
    /// When it was let in.
    pub(crate) as_of: AsOf,
}

impl Exchange {
    /// Once its body is there: lets it in anew where that was long ago, or something has changed since.
    async fn renew(&mut self, gateway: &Gateway) -> Result<(), Refused> {
        if !self.as_of.is_recent(gateway) {
            self.as_of = AsOf::now(gateway);
            self.principal = let_in(gateway, &self.id, &self.endpoint, self.peer, &self.head).await?;
        }
        Ok(())
    }

    /// Whom it acts for.
    fn caller(&self) -> Known {
        Known { principal: Arc::clone(&self.principal), generation: self.as_of.generation() }
    }

    /// The request as decisions about an MCP method see it.
    fn request(&self, method: &str) -> pipeline::Request {
        pipeline::Request { id: Arc::clone(&self.id), endpoint: self.endpoint.clone(), method: method.into() }
    }
}

async fn serve(
    gateway: &Arc<Gateway>,
    endpoint: Endpoint,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let (id, as_of) = (gateway.next_request_id(), AsOf::now(gateway));
    let principal = match let_in(gateway, &id, &endpoint, peer, &head).await {
        Ok(principal) => principal,
        Err(refused) => return *refused,
    };
    let exchange = Exchange { id, endpoint, principal, head, peer, as_of };
    let path = exchange.head.uri.path();
    if path.ends_with("/sse") {
        sse::listen(gateway, &exchange).await
    } else if path.ends_with("/message") {
        sse::receive(gateway, exchange, body).await
    } else {
        legacy::serve(gateway, exchange, body).await
    }
}

/// Whom a request acts for, if its endpoint is there for them.
async fn let_in(
    gateway: &Gateway,
    id: &Arc<str>,
    endpoint: &Endpoint,
    peer: SocketAddr,
    head: &http::request::Parts,
) -> Result<Arc<Principal>, Refused> {
    let principal = match authenticate(gateway, id, endpoint, peer, head).await {
        Ok(principal) => Arc::new(principal),
        Err(denial) => {
            tracing::debug!(request.id = %id, %denial, "not let in");
            let (method, path) = (&head.method, head.uri.path());
            let stranger = Stranger { request: Some(id), endpoint: Some(endpoint), method, path, peer: Some(peer) };
            record_stranger(gateway.audit.as_ref(), &stranger, Some(&denial));
            return Err(Box::new(reply::unauthenticated(&denial, &head.headers)));
        }
    };
    // After authentication: who is nobody here does not learn which groups and servers there are.
    if !exists(gateway, endpoint) {
        return Err(Box::new(not_there(endpoint)));
    }
    if is_hidden(gateway, id, endpoint, &principal).await {
        record_hidden_endpoint(gateway.audit.as_ref(), (id, &principal), endpoint, head);
        return Err(Box::new(not_there(endpoint)));
    }
    Ok(principal)
}

async fn authenticate(
    gateway: &Gateway,
    id: &str,
    endpoint: &Endpoint,
    peer: SocketAddr,
    head: &http::request::Parts,
) -> Result<Principal, Denial> {
    let request = HttpRequest {
        id,
        endpoint,
        method: head.method.as_str(),
        path: head.uri.path(),
        headers: &head.headers,
        peer: &peer.ip().to_string(),
    };
    gateway.pipeline().authenticate(request).await
}

fn exists(gateway: &Gateway, endpoint: &Endpoint) -> bool {
    let snapshot = gateway.snapshot();
    match endpoint {
        Endpoint::Main | Endpoint::Api => true,
        Endpoint::Group(name) => snapshot.groups.contains_key(name),
        Endpoint::Server(name) => snapshot.servers.get(name).is_some_and(|server| server.enabled),
    }
}

/// Whether the endpoint shows the principal nothing: what may not be used is not there. Where
/// policies cannot say, each method asks them itself, and answers that they cannot.
async fn is_hidden(gateway: &Gateway, id: &Arc<str>, endpoint: &Endpoint, principal: &Arc<Principal>) -> bool {
    if matches!(endpoint, Endpoint::Main | Endpoint::Api) {
        return false;
    }
    let request = pipeline::Request { id: Arc::clone(id), endpoint: endpoint.clone(), method: INITIALIZE.into() };
    !shows_endpoint(gateway, &request, principal).await.unwrap_or(true)
}

/// Whether the principal finds the endpoint of a request.
pub(crate) async fn shows_endpoint(
    gateway: &Gateway,
    request: &pipeline::Request,
    principal: &Arc<Principal>,
) -> Result<bool, Denial> {
    let (snapshot, pipeline) = (gateway.snapshot(), gateway.pipeline());
    gateway.views.shows_endpoint(ViewScope { snapshot: &snapshot, pipeline: &pipeline, request, principal }).await
}

/// The one answer for an endpoint that does not exist, and for one that is hidden.
fn not_there(endpoint: &Endpoint) -> Response {
    reply::plain_error(StatusCode::NOT_FOUND, &missing(endpoint))
}

/// What it says.
pub(crate) fn missing(endpoint: &Endpoint) -> String {
    match endpoint {
        Endpoint::Group(name) => format!("tool group not found: {name}"),
        Endpoint::Server(name) => format!("MCP server not found: {name}"),
        Endpoint::Main | Endpoint::Api => "not found".to_owned(),
    }
}
