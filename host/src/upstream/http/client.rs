//! The HTTP clients that all upstream connections of a gateway share.

use std::sync::{Arc, Once};
use std::time::Duration;

use reqwest::{NoProxy, Proxy};
use tokio::sync::OnceCell;
use url::Url;

use crate::names::ServerName;
use crate::secret::Secret;
use crate::upstream::error::shown_url;
use crate::upstream::{ProxySettings, UpstreamError, UpstreamSettings};

/// How long a dead peer can go unnoticed while a call waits for it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// Load balancers and proxies close idle connections after a minute or so. A request
/// that crosses with such a close is lost, so ours are closed before.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Reached directly whatever `NO_PROXY` says: a proxy elsewhere has another loopback.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// The clients that upstreams are spoken to with.
pub(in crate::upstream) struct HttpClients {
    settings: Arc<UpstreamSettings>,
    /// Trusts nobody, so it reads no certificates.
    plain: reqwest::Client,
    /// Trusts whom the system trusts. Reading those certificates takes time and memory,
    /// and where there are none it fails: both concern only who needs it.
    verifying: OnceCell<reqwest::Client>,
}

impl HttpClients {
    pub(in crate::upstream) fn new(settings: &UpstreamSettings) -> Result<Self, UpstreamError> {
        install_tls_provider();
        let plain = builder(settings)?.tls_certs_only([]).build();
        let plain = plain.map_err(|error| UpstreamError::Setup { problem: root_cause(&error) })?;
        Ok(Self { settings: Arc::new(settings.clone()), plain, verifying: OnceCell::new() })
    }

    /// The client for one server's URL.
    pub(in crate::upstream) async fn client_for(
        &self,
        server: &ServerName,
        url: &Url,
    ) -> Result<reqwest::Client, UpstreamError> {
        if url.scheme() == "http" && !self.has_https_proxy_for_http() {
            return Ok(self.plain.clone());
        }
        // A failure is not kept: certificates may be installed while the gateway runs.
        let client = self.verifying.get_or_try_init(|| build_verifying(Arc::clone(&self.settings))).await;
        client.cloned().map_err(|problem| UpstreamError::Unreachable {
            server: server.clone(),
            url: shown_url(url),
            problem,
        })
    }

    /// The way to a proxy may need TLS where the way to the server does not.
    fn has_https_proxy_for_http(&self) -> bool {
        let proxy = self.settings.proxies.http.as_ref();
        proxy.is_some_and(|url| url.expose().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:")))
    }
}

/// Away from the threads that calls run on: it reads files.
async fn build_verifying(settings: Arc<UpstreamSettings>) -> Result<reqwest::Client, String> {
    let building = tokio::task::spawn_blocking(move || {
        let builder = builder(&settings).map_err(|error| error.to_string())?;
        builder.build().map_err(|error| root_cause(&error))
    });
    match building.await {
        Ok(built) => built,
        Err(failed) => Err(failed.to_string()),
    }
}

/// The part that says something: the messages above it only say that building failed.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Pooled connections, no redirects, proxies as set and never from the environment.
fn builder(settings: &UpstreamSettings) -> Result<reqwest::ClientBuilder, UpstreamError> {
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("mcpjungle/{}", settings.gateway_version))
        .connect_timeout(settings.init_timeout)
        .tcp_keepalive(TCP_KEEPALIVE)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .referer(false)
        // A redirect could carry the injected headers to another host.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    for proxy in proxies(&settings.proxies)? {
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// Chooses the cryptography behind TLS, once per process.
fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only where the program has made the choice already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

fn proxies(settings: &ProxySettings) -> Result<Vec<Proxy>, UpstreamError> {
    // For the client library a star stands for all names, but for no addresses.
    if settings.no_proxy.iter().flat_map(|hosts| hosts.split(',')).any(|host| host.trim() == "*") {
        return Ok(Vec::new());
    }
    let direct = match &settings.no_proxy {
        Some(hosts) => format!("{LOOPBACK},{hosts}"),
        None => LOOPBACK.to_owned(),
    };
    let mut proxies = Vec::new();
    type MakeProxy = fn(&str) -> reqwest::Result<Proxy>;
    let given: [(&str, &Option<Secret>, MakeProxy); 2] = [
        ("HTTP_PROXY", &settings.http, |url| Proxy::http(url)),
        ("HTTPS_PROXY", &settings.https, |url| Proxy::https(url)),
    ];
    for (variable, url, make) in given {
        if let Some(url) = url.as_ref().filter(|url| !url.expose().is_empty()) {
            // The error could quote the URL, which may hold credentials.
            let proxy = make(url.expose())
                .map_err(|_| UpstreamError::Setup { problem: format!("the value of {variable} is not a URL") })?;
            proxies.push(proxy.no_proxy(NoProxy::from_string(&direct)));
        }
    }
    Ok(proxies)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_star_in_no_proxy_turns_proxies_off() {
        for (no_proxy, count) in [(None, 2), (Some("a.example"), 2), (Some("*"), 0), (Some("a.example, *"), 0)] {
            let url = || Some(Secret::new("http://proxy.example:3128"));
            let settings = ProxySettings { http: url(), https: url(), no_proxy: no_proxy.map(str::to_owned) };
            assert_eq!(proxies(&settings).unwrap().len(), count, "{no_proxy:?}");
        }
    }

    fn clients(proxies: ProxySettings) -> HttpClients {
        HttpClients::new(&UpstreamSettings {
            init_timeout: Duration::from_secs(10),
            session_idle_timeout: None,
            supervisor: (PathBuf::new(), Vec::new()),
            child_environment: BTreeMap::new(),
            proxies,
            gateway_version: "0".to_owned(),
        })
        .unwrap()
    }

    #[test]
    fn without_trusted_certificates_only_https_servers_fail() {
        // What the system trusts is read from the environment, so this needs a process of its own.
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--ignored", "upstream::http::client::tests::in_a_process_without_any"])
            .env("SSL_CERT_FILE", "/nonexistent")
            .env("SSL_CERT_DIR", "/nonexistent")
            .output()
            .unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert!(output.contains("1 passed"), "{output}");
    }

    #[tokio::test]
    #[ignore = "a part of the test above"]
    async fn in_a_process_without_any() {
        let server = ServerName::parse("time").unwrap();
        let [http, https] = ["http://time.example/mcp", "https://time.example/mcp"].map(|url| Url::parse(url).unwrap());

        let without_proxy = clients(ProxySettings::default());
        without_proxy.client_for(&server, &http).await.unwrap();
        let error = without_proxy.client_for(&server, &https).await.unwrap_err().to_string();
        assert!(error.starts_with("server `time`: ") && error.contains("certificate"), "{error}");

        let proxy = |url| clients(ProxySettings { http: Some(Secret::new(url)), ..Default::default() });
        proxy("http://proxy.example").client_for(&server, &http).await.unwrap();
        proxy("https://proxy.example").client_for(&server, &http).await.unwrap_err();
    }
}
