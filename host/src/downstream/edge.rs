//! Who may connect at all: the checks of Host and Origin that keep web pages from
//! reaching a gateway on the visitor's own machine (DNS rebinding).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, StatusCode, Uri};

use crate::audit::{Stranger, record_stranger};
use crate::downstream::reply;
use crate::gateway::Gateway;
use crate::slow_lane;

/// Which Hosts and Origins are accepted.
#[derive(Debug, Clone)]
pub struct EdgePolicy {
    /// What clients may call us.
    pub hosts: AllowedHosts,
    /// Origins accepted besides those that match the Host, such as `https://app.example`.
    pub origins: Vec<String>,
}

/// What clients may call us in `Host`.
#[derive(Debug, Clone)]
pub enum AllowedHosts {
    /// Anything: the gateway is meant to be reached over the network.
    Any,
    /// Loopback names, and these: a name for any port, or `name:port`.
    LoopbackAnd(Vec<String>),
    /// Only these.
    Only(Vec<String>),
}

impl EdgePolicy {
    fn accepts_host(&self, host: &str) -> bool {
        let is_listed = |listed: &[String]| {
            listed
                .iter()
                .any(|entry| entry.eq_ignore_ascii_case(host) || entry.eq_ignore_ascii_case(without_port(host)))
        };
        match &self.hosts {
            AllowedHosts::Any => true,
            AllowedHosts::LoopbackAnd(listed) => is_loopback(without_port(host)) || is_listed(listed),
            AllowedHosts::Only(listed) => is_listed(listed),
        }
    }

    /// An Origin must match the Host or be listed.
    fn accepts_origin(&self, origin: &str, host: &str) -> bool {
        let is_own = origin.split_once("://").is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host));
        is_own || self.origins.iter().any(|listed| listed.trim_end_matches('/').eq_ignore_ascii_case(origin))
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bare IPv6 address are not before a port.
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

fn is_loopback(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Middleware: 403 for a Host or Origin that is not accepted.
pub(crate) async fn check_edge(State(gateway): State<Arc<Gateway>>, request: Request, next: Next) -> Response {
    // A load balancer that asks for health names us by address.
    if request.uri().path() != "/health"
        && let Err(problem) = check(&gateway.edge, request.headers(), request.uri())
    {
        tracing::info!(%problem, "refused at the edge");
        let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0);
        let (method, path) = (request.method(), request.uri().path());
        let stranger = Stranger { request: None, endpoint: None, method, path, peer };
        record_stranger(gateway.audit.as_ref(), &stranger, None);
        return reply::plain_error(StatusCode::FORBIDDEN, &problem);
    }
    slow_lane::wait(next.run(request)).await
}

fn check(policy: &EdgePolicy, headers: &HeaderMap, uri: &Uri) -> Result<(), String> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("(not text)"));
    let host = text(HOST).or_else(|| uri.authority().map(|authority| authority.as_str())).unwrap_or("");
    if !policy.accepts_host(host) {
        return Err(format!(
            "host '{}' is not allowed: list it in MCPJUNGLE_ALLOWED_HOSTS to accept it",
            host.escape_default()
        ));
    }
    match text(ORIGIN) {
        Some(origin) if !policy.accepts_origin(origin, host) => Err(format!(
            "origin '{}' is not allowed: list it in MCPJUNGLE_ALLOWED_ORIGINS to accept it",
            origin.escape_default()
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(hosts: AllowedHosts) -> EdgePolicy {
        EdgePolicy { hosts, origins: vec!["https://app.example/".into()] }
    }

    #[test]
    fn development_accepts_loopback_and_what_is_listed() {
        let policy = policy(AllowedHosts::LoopbackAnd(vec!["gateway.lan".into(), "other:81".into()]));
        for host in [
            "localhost:8080",
            "127.0.0.1",
            "127.0.0.1:1",
            "[::1]:8080",
            "[::1]",
            "LOCALHOST",
            "gateway.lan:9",
            "other:81",
        ] {
            assert!(policy.accepts_host(host), "{host}");
        }
        for host in
            ["evil.example", "evil.example:8080", "localhost.evil.example", "other:82", "", "127.0.0.1.evil.example"]
        {
            assert!(!policy.accepts_host(host), "{host}");
        }
    }

    #[test]
    fn an_origin_matches_the_host_or_is_listed() {
        let policy = policy(AllowedHosts::Any);
        for (origin, host, accepted) in [
            ("http://localhost:8080", "localhost:8080", true),
            ("https://gw.example", "gw.example", true),
            ("https://app.example", "gw.example", true),
            ("http://localhost:3000", "localhost:8080", false),
            ("null", "localhost:8080", false),
            ("https://evil.example", "gw.example", false),
        ] {
            assert_eq!(policy.accepts_origin(origin, host), accepted, "{origin} at {host}");
        }
    }
}
