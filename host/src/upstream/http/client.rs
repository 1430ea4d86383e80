//! The HTTP client that all upstream connections of a gateway share.

use std::sync::Once;
use std::time::Duration;

use reqwest::{NoProxy, Proxy};

use crate::secret::Secret;
use crate::upstream::{ProxySettings, UpstreamError, UpstreamSettings};

/// How long a dead peer can go unnoticed while a call waits for it.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// Reached directly whatever `NO_PROXY` says: a proxy elsewhere has another loopback.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// Builds the client: pooled connections, no redirects, proxies as set and never
/// from the environment.
pub(in crate::upstream) fn build(settings: &UpstreamSettings) -> Result<reqwest::Client, UpstreamError> {
    install_tls_provider();
    let mut builder = reqwest::Client::builder()
        .user_agent(format!("mcpjungle/{}", settings.gateway_version))
        .connect_timeout(settings.init_timeout)
        .tcp_keepalive(TCP_KEEPALIVE)
        .referer(false)
        // A redirect could carry the injected headers to another host.
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy();
    for proxy in proxies(&settings.proxies)? {
        builder = builder.proxy(proxy);
    }
    builder.build().map_err(|error| UpstreamError::Setup { problem: error.without_url().to_string() })
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
