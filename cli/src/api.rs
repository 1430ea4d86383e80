//! Requests to a running gateway's HTTP API: the only place in the command line that speaks HTTP.

mod answers;
mod identities;
mod plugin_secrets;
mod plugins;
mod requests;

use anyhow::{Context, anyhow, bail};
use mcpjungle_host::secret::Secret;
use reqwest::{Client, Method, RequestBuilder, redirect};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::progress::Progress;
use crate::settings::ClientSettings;

pub(crate) use answers::{AuditPage, Embedded, Group, Health, McpClient, Server, Tool, ToolResult};
pub(crate) use plugins::{HistoryEntry, Plan, PlanRow, Plugin, PluginChange, PluginStages, Policies, Stage, Step};

/// What is said to a person who waits.
const WAITING: &str = "waiting for the gateway";

/// An answer as it came, and what it says.
#[derive(Debug)]
pub(crate) struct Answer<T> {
    /// JSON text.
    pub(crate) body: String,
    /// The same, read.
    pub(crate) value: T,
}

/// One gateway's API.
pub(crate) struct Api {
    http: Client,
    base: Url,
    access_token: Option<Secret>,
    progress: Progress,
}

/// What an error answer holds.
#[derive(Deserialize)]
struct ErrorBody {
    error: String,
}

impl Api {
    /// Connects to nothing yet.
    pub(crate) fn new(settings: &ClientSettings, progress: Progress) -> anyhow::Result<Self> {
        // A second install is refused, and means the same provider is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .user_agent(concat!("mcpjungle/", env!("CARGO_PKG_VERSION")))
            // A redirected POST would arrive as a GET: better to be told of the right URL.
            .redirect(redirect::Policy::none());
        if settings.registry_url.scheme() == "http" {
            // No certificates to read, on machines that may have none.
            builder = builder.tls_certs_only([]);
        }
        if is_loopback(&settings.registry_url) {
            builder = builder.no_proxy();
        }
        let http = builder.build().context("failed to set up the HTTP client")?;
        Ok(Self { http, base: settings.registry_url.clone(), access_token: settings.access_token.clone(), progress })
    }

    /// A request below `/api/v0`.
    fn request(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut segments = vec!["api", "v0"];
        segments.extend(path);
        self.request_at(method, &segments, query)
    }

    fn request_at(&self, method: Method, path: &[&str], query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = self.http.request(method, url);
        match &self.access_token {
            Some(token) => request.bearer_auth(token.expose()),
            None => request,
        }
    }

    /// Sends a request and reads the answer.
    async fn fetch<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<Answer<T>> {
        self.fetch_while(WAITING, request).await
    }

    /// The same, with what is said to a person who waits for it.
    async fn fetch_while<T: DeserializeOwned>(&self, what: &str, request: RequestBuilder) -> anyhow::Result<Answer<T>> {
        let body = self.send_while(what, request).await?;
        let value = serde_json::from_str(&body).context("failed to parse response")?;
        Ok(Answer { body, value })
    }

    /// Sends a request; the answer is the body of a success.
    async fn send(&self, request: RequestBuilder) -> anyhow::Result<String> {
        self.send_while(WAITING, request).await
    }

    /// The same, with what is said to a person who waits for it.
    async fn send_while(&self, what: &str, request: RequestBuilder) -> anyhow::Result<String> {
        self.progress.during(what, exchange(request)).await
    }
}

/// Sends a request; the answer is the body of a success.
async fn exchange(request: RequestBuilder) -> anyhow::Result<String> {
    let (client, request) = request.build_split();
    let request = request.context("failed to create request")?;
    let url = request.url().clone();
    let unsent = |error: &reqwest::Error| anyhow!("failed to send request to {url}: {}", root_cause(error));
    let response = client.execute(request).await.map_err(|error| unsent(&error))?;
    let status = response.status();
    let body = response.text().await.map_err(|error| unsent(&error))?;
    if status.is_success() {
        return Ok(body);
    }
    match serde_json::from_str::<ErrorBody>(&body) {
        Ok(ErrorBody { error }) if !error.is_empty() => bail!("{error}"),
        _ => bail!("request failed with status: {}, message: {}", status.as_u16(), body.trim_end()),
    }
}

/// What went wrong at the bottom: the layers above it only repeat that something did.
fn root_cause(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the gateway did not answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_connect() { format!("{cause}; is the gateway running there?") } else { cause.to_string() }
}

/// Whether the gateway is on this machine, where no proxy is asked, whatever the environment says.
fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
