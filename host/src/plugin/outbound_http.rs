//! HTTP requests of plugins: to granted hosts only, also after redirects, and bounded.
//!
//! `target` decides where a request may go by its URL, `addresses` by the address that is
//! connected to, `message` what may be sent. Proxies of the environment are not used: a proxy
//! would look the name up itself, and nobody could say which address it connects to.

use std::collections::HashMap;
use std::error::Error;
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

use reqwest::header::{CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::sync::{Mutex, Semaphore};
use url::Url;

use crate::plugin::grants::{Grants, HttpGrant};
use crate::plugin::outbound_http::addresses::{AddressRefused, GrantedAddresses};
use crate::plugin::outbound_http::message::{headers_of, method_of, read_response};
use crate::plugin::outbound_http::target::{check_target, parse_target};

mod addresses;
mod message;
mod target;

/// Redirects that are followed; one more is a failure.
const MOST_REDIRECTS: usize = 5;
/// However long a plugin's deadline is.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// As for upstreams: load balancers close idle connections after a minute or so.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
const IDLE_PER_HOST: usize = 4;
/// Names that one plugin looks up at the same time. Each takes a thread, also when nobody waits for it any more.
const LOOKUPS: usize = 4;
/// What a request leaves of its call's deadline, for the plugin to answer that it timed out.
const LONGEST_MARGIN: Duration = Duration::from_millis(100);

/// The outbound requests of one plugin. Its connections are its own: one that was made under its
/// grants must not serve a plugin that has others.
pub(crate) struct OutboundHttp {
    grants: Grants,
    clients: Arc<Mutex<HashMap<ClientKey, Client>>>,
    /// One for each name that may be looked up at the same time.
    lookups: Arc<Semaphore>,
}

/// What a client is good for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct ClientKey {
    verifies_certificates: bool,
    /// The port that it connects to, where grants of addresses depend on that.
    port: Option<u16>,
}

/// What to send.
pub(crate) struct HttpRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

/// Why nothing came back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HttpError {
    NotGranted(String),
    Invalid(String),
    TooLarge,
    TimedOut,
    Failed(String),
}

/// One request, which redirects change.
struct Hop {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl OutboundHttp {
    pub(crate) fn new(grants: Grants) -> Self {
        Self { grants, clients: Arc::default(), lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// Sends one request and waits for the whole answer, of `most` bytes at most. Ends a little
    /// before the deadline, so that there is time to say so.
    pub(crate) async fn send(
        &self,
        request: HttpRequest,
        most: usize,
        deadline: Instant,
    ) -> Result<HttpResponse, HttpError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = left - (left / 10).min(LONGEST_MARGIN);
        match tokio::time::timeout(timeout, self.follow(request, most)).await {
            Ok(answer) => answer,
            Err(_elapsed) => Err(HttpError::TimedOut),
        }
    }

    async fn follow(&self, request: HttpRequest, most: usize) -> Result<HttpResponse, HttpError> {
        let mut hop = Hop {
            method: method_of(&request.method)?,
            url: parse_target(&request.url).map_err(HttpError::Invalid)?,
            headers: headers_of(request.headers)?,
            body: request.body,
        };
        check_target(&self.grants, &hop.url).map_err(HttpError::NotGranted)?;
        for _ in 0..=MOST_REDIRECTS {
            let response = self.send_hop(&hop).await?;
            let Some(next) = next_url(&response, &hop.url)? else { return read_response(response, most).await };
            check_target(&self.grants, &next)
                .map_err(|problem| HttpError::NotGranted(format!("{} redirects on: {problem}", shown(&hop.url))))?;
            hop.go_to(next, response.status());
        }
        Err(HttpError::Failed(format!("more than {MOST_REDIRECTS} redirects, the last from {}", shown(&hop.url))))
    }

    async fn send_hop(&self, hop: &Hop) -> Result<Response, HttpError> {
        let client = self.client_for(&hop.url).await?;
        let request = client.request(hop.method.clone(), hop.url.clone()).headers(hop.headers.clone());
        let request = if hop.body.is_empty() { request } else { request.body(hop.body.clone()) };
        request.send().await.map_err(|error| explain(&error, &hop.url))
    }

    async fn client_for(&self, url: &Url) -> Result<Client, HttpError> {
        let port = url.port_or_known_default();
        let key = ClientKey {
            verifies_certificates: url.scheme() == "https",
            port: port.filter(|port| self.grants.http().any(|grant| is_network_at(grant, *port))),
        };
        if let Some(client) = self.clients.lock().await.get(&key) {
            return Ok(client.clone());
        }
        let resolver = GrantedAddresses::new(self.grants.clone(), key.port, Arc::clone(&self.lookups));
        let clients = Arc::clone(&self.clients);
        // A task, so that a call whose deadline comes first does not leave the next one to begin anew.
        let making = tokio::spawn(async move {
            // Held while one is made: others would make the same.
            let mut clients = clients.lock().await;
            if let Some(client) = clients.get(&key) {
                return Ok(client.clone());
            }
            let client = build_client(key, resolver).await?;
            clients.insert(key, client.clone());
            Ok(client)
        });
        making.await.unwrap_or_else(|error| Err(no_client(&error.to_string())))
    }
}

fn is_network_at(grant: &HttpGrant, port: u16) -> bool {
    matches!(grant, HttpGrant::Network { port: Some(granted), .. } if *granted == port)
}

async fn build_client(key: ClientKey, resolver: GrantedAddresses) -> Result<Client, HttpError> {
    static TLS_PROVIDER: Once = Once::new();
    TLS_PROVIDER.call_once(|| {
        // Fails only where the program has made the choice already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    let builder = Client::builder()
        .user_agent("mcpjungle-plugin")
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(resolver));
    if !key.verifies_certificates {
        return builder.tls_certs_only([]).build().map_err(|error| no_client(&root_cause(&error)));
    }
    // Reads the certificates that the system trusts.
    match tokio::task::spawn_blocking(move || builder.build()).await {
        Ok(built) => built.map_err(|error| no_client(&root_cause(&error))),
        Err(error) => Err(no_client(&error.to_string())),
    }
}

fn no_client(problem: &str) -> HttpError {
    HttpError::Failed(format!("the HTTP client cannot be set up: {problem}"))
}

/// Where an answer sends us on to, if it does.
fn next_url(response: &Response, asked: &Url) -> Result<Option<Url>, HttpError> {
    let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
    let Some(location) = response.headers().get(LOCATION).filter(|_| is_redirect) else { return Ok(None) };
    let next = location.to_str().ok().and_then(|location| asked.join(location).ok());
    let unusable = |problem: &str| HttpError::Failed(format!("{} redirects on: {problem}", shown(asked)));
    let next = next.ok_or_else(|| unusable("to what is no URL"))?;
    // What was sent encrypted would go on in the clear.
    if asked.scheme() == "https" && next.scheme() != "https" {
        return Err(unusable("from https to http"));
    }
    parse_target(next.as_str()).map(Some).map_err(|problem| unusable(&problem))
}

impl Hop {
    fn go_to(&mut self, next: Url, status: StatusCode) {
        let becomes_get = match status {
            StatusCode::SEE_OTHER => self.method != Method::HEAD,
            StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            self.method = Method::GET;
            self.body.clear();
            for header in [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LANGUAGE] {
                self.headers.remove(header);
            }
        }
        if next.origin() != self.url.origin() {
            let others: Vec<_> = self.headers.keys().filter(|name| !goes_to_other_origins(name)).cloned().collect();
            others.iter().for_each(|name| drop(self.headers.remove(name)));
        }
        self.url = next;
    }
}

/// Whether a header goes along to another origin. Policies put credentials into headers of any name.
fn goes_to_other_origins(name: &HeaderName) -> bool {
    let name = name.as_str();
    name == "accept" || name.starts_with("accept-") || name.starts_with("content-") || name == "user-agent"
}

/// Without the query, which may hold what no log should.
fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    shown.to_string()
}

fn explain(error: &reqwest::Error, url: &Url) -> HttpError {
    let mut cause: &(dyn Error + 'static) = error;
    loop {
        if let Some(refused) = cause.downcast_ref::<AddressRefused>() {
            return HttpError::NotGranted(refused.to_string());
        }
        match cause.source() {
            Some(source) => cause = source,
            None if error.is_timeout() => return HttpError::Failed(format!("{}: no connection in time", shown(url))),
            None => return HttpError::Failed(format!("{}: {cause}", shown(url))),
        }
    }
}

/// The part that says something: the messages above it only say that something failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests;
