//! What a plugin may use beyond what every plugin may: nothing, unless an administrator grants it.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// One thing that an administrator lets a plugin use.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Grant {
    /// `kv`: values that outlive a call.
    KeyValue,
    /// `http:HOST`: HTTP requests to this host.
    Http(HttpGrant),
    /// `secret:NAME`: the secret of this name. `*` stands for any run of characters.
    Secret(String),
}

/// Hosts that HTTP requests may go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HttpGrant {
    /// A host by name, in lower case, and maybe one port of it. `*.example.com` is every host below `example.com`.
    Host {
        /// As it stands in URLs.
        host: String,
        /// `None` for every port.
        port: Option<u16>,
    },
    /// Addresses, also such as are not public: a URL may name one of them, and a host that is granted by its name
    /// may have one.
    Network {
        /// Its first address.
        address: IpAddr,
        /// How many of its leading bits are fixed.
        prefix: u8,
        /// `None` for every port.
        port: Option<u16>,
    },
}

/// A grant that nobody can read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is no grant; there are `kv`, `http:HOST`, `http:HOST:PORT`, `http:NETWORK/BITS` and `secret:NAME`")]
pub struct GrantError(String);

/// What a plugin may use. In texts, a list of grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Grants(Vec<Grant>);

/// A kind of grant: what an import of a component asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capability {
    /// Values that outlive a call.
    KeyValue,
    /// Outbound HTTP requests.
    Http,
    /// Secrets by name.
    Secrets,
}

impl Capability {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::KeyValue, Self::Http, Self::Secrets];

    /// Its interface in the contract, for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyValue => "key-value",
            Self::Http => "outbound-http",
            Self::Secrets => "secrets",
        }
    }

    /// What a grant of it looks like.
    pub fn example(self) -> &'static str {
        match self {
            Self::KeyValue => "kv",
            Self::Http => "http:HOST",
            Self::Secrets => "secret:NAME",
        }
    }

    /// What it gives, for messages.
    pub fn describe(self) -> &'static str {
        match self {
            Self::KeyValue => "a store of values that outlive a call",
            Self::Http => "outbound HTTP requests",
            Self::Secrets => "secrets by name",
        }
    }
}

impl Grant {
    /// What it is a grant of.
    pub fn capability(&self) -> Capability {
        match self {
            Self::KeyValue => Capability::KeyValue,
            Self::Http(_) => Capability::Http,
            Self::Secret(_) => Capability::Secrets,
        }
    }
}

impl Grants {
    /// These, each once, in an order of their own.
    pub fn new(grants: impl IntoIterator<Item = Grant>) -> Self {
        let mut grants: Vec<_> = grants.into_iter().collect();
        grants.sort();
        grants.dedup();
        Self(grants)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// Whether this is one of them.
    pub fn contains(&self, grant: &Grant) -> bool {
        self.0.contains(grant)
    }

    /// Whether there is any grant of this kind.
    pub fn allow(&self, capability: Capability) -> bool {
        self.0.iter().any(|grant| grant.capability() == capability)
    }

    /// Whether the secret of this name is granted.
    pub fn allow_secret(&self, name: &str) -> bool {
        self.0.iter().any(|grant| matches!(grant, Grant::Secret(pattern) if matches_pattern(pattern, name)))
    }

    /// The grants of HTTP.
    pub fn http(&self) -> impl Iterator<Item = &HttpGrant> {
        self.0.iter().filter_map(|grant| match grant {
            Grant::Http(http) => Some(http),
            Grant::KeyValue | Grant::Secret(_) => None,
        })
    }
}

impl HttpGrant {
    /// Whether a request may go to this host of a URL (in lower case; of IPv6 addresses without brackets).
    pub fn allows_host(&self, host: &str, port: u16) -> bool {
        match self {
            Self::Host { host: granted, port: granted_port } => {
                let is_host = match granted.strip_prefix("*.") {
                    Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
                    None => granted == host,
                };
                is_host && granted_port.is_none_or(|granted| granted == port)
            }
            Self::Network { .. } => host.parse().is_ok_and(|address| self.contains(address, port)),
        }
    }

    /// Whether a connection may go to this address even if it is a private one.
    pub fn contains(&self, address: IpAddr, port: u16) -> bool {
        match self {
            Self::Host { .. } => false,
            Self::Network { address: network, prefix, port: granted } => {
                granted.is_none_or(|granted| granted == port) && is_in_network(address, *network, *prefix)
            }
        }
    }
}

impl HttpGrant {
    /// As [`Self::contains`]; where the port is not known, only a grant of every port counts.
    pub(crate) fn contains_at(&self, address: IpAddr, port: Option<u16>) -> bool {
        match (self, port) {
            (Self::Network { port: Some(_), .. }, None) => false,
            _ => self.contains(address, port.unwrap_or_default()),
        }
    }
}

fn is_in_network(address: IpAddr, network: IpAddr, prefix: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = u32::from(address) ^ u32::from(network);
            differing.leading_zeros() >= u32::from(prefix)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = u128::from(address) ^ u128::from(network);
            differing.leading_zeros() >= u32::from(prefix)
        }
        _ => false,
    }
}

/// Whether a text matches a pattern in which `*` stands for any run of characters.
fn matches_pattern(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(start) else { return false };
    let mut parts: Vec<_> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

impl FromStr for Grant {
    type Err = GrantError;

    fn from_str(text: &str) -> Result<Self, GrantError> {
        let error = || GrantError(text.to_owned());
        match text.split_once(':') {
            None if text == "kv" => Ok(Self::KeyValue),
            Some(("http", host)) => parse_http(host).map(Self::Http).ok_or_else(error),
            Some(("secret", name)) if is_secret_pattern(name) => Ok(Self::Secret(name.to_owned())),
            _ => Err(error()),
        }
    }
}

/// Letters, digits and a little punctuation: what names of secrets and their patterns are made of.
fn is_secret_pattern(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./@*".contains(&byte);
    !name.is_empty() && name.len() <= 128 && name.bytes().all(is_allowed)
}

fn parse_http(text: &str) -> Option<HttpGrant> {
    if let Some((network, prefix)) = text.split_once('/') {
        let address: IpAddr = network.parse().ok()?;
        let prefix: u8 = prefix.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        return (prefix <= longest).then_some(HttpGrant::Network { address, prefix, port: None });
    }
    let network = |address: IpAddr, port| {
        let prefix = if address.is_ipv4() { 32 } else { 128 };
        HttpGrant::Network { address, prefix, port }
    };
    if let Ok(address) = text.parse() {
        return Some(network(address, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse() {
        return Some(network(address, port));
    }
    let host = host.to_ascii_lowercase();
    let name = host.strip_prefix("*.").unwrap_or(&host);
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    name.split('.').all(is_label).then_some(HttpGrant::Host { host, port })
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyValue => f.write_str("kv"),
            Self::Http(grant) => write!(f, "http:{grant}"),
            Self::Secret(name) => write!(f, "secret:{name}"),
        }
    }
}

impl fmt::Display for HttpGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = match self {
            Self::Host { host, port } => {
                f.write_str(host)?;
                port
            }
            Self::Network { address, prefix, port } => {
                match address {
                    IpAddr::V6(address) if port.is_some() => write!(f, "[{address}]")?,
                    _ => write!(f, "{address}")?,
                }
                if *prefix != if address.is_ipv4() { 32 } else { 128 } {
                    write!(f, "/{prefix}")?;
                }
                port
            }
        };
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

impl Serialize for Grants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Grants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let grants: Result<Vec<Grant>, _> = texts.iter().map(|text| text.parse()).collect();
        grants.map(Self::new).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(text: &str) -> HttpGrant {
        match text.parse() {
            Ok(Grant::Http(grant)) => grant,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn grants_are_written_as_they_are_read() {
        for text in [
            "kv",
            "http:idp.example.com",
            "http:*.example.com",
            "http:localhost:8181",
            "http:127.0.0.1:8181",
            "http:10.0.0.0/8",
            "http:[::1]:80",
            "http:::1",
            "secret:github/*",
        ] {
            assert_eq!(text.parse::<Grant>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_grant_is_refused() {
        for text in [
            "",
            "kv:",
            "KV",
            "http",
            "http:",
            "http:a b",
            "http:a/b",
            "http:a:99999",
            "http:a:b",
            "http:10.0.0.0/33",
            "http:*",
            "http:a..b",
            "secret:",
            "secret:a b",
            "https:a",
            "fs:/",
        ] {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
    }

    #[test]
    fn hosts_match_by_name_and_port_and_networks_by_address() {
        assert!(http("http:a.b").allows_host("a.b", 443) && !http("http:a.b").allows_host("x.a.b", 443));
        assert!(http("http:*.a.b").allows_host("x.a.b", 1) && !http("http:*.a.b").allows_host("a.b", 1));
        assert!(!http("http:*.a.b").allows_host("xa.b", 1) && !http("http:*.a.b").allows_host(".a.b", 1));
        assert!(http("http:a:80").allows_host("a", 80) && !http("http:a:80").allows_host("a", 81));
        assert!(
            http("http:10.0.0.0/8").allows_host("10.9.8.7", 80) && !http("http:10.0.0.0/8").allows_host("11.0.0.1", 80)
        );
        assert!(http("http:0.0.0.0/0").contains("1.2.3.4".parse().unwrap(), 1));
        assert!(!http("http:0.0.0.0/0").contains("::1".parse().unwrap(), 1));
        assert!(!http("http:a").contains("127.0.0.1".parse().unwrap(), 1));
    }

    #[test]
    fn secrets_match_by_pattern() {
        let grants = Grants::new(["secret:github/*".parse().unwrap(), "secret:one".parse().unwrap()]);
        assert!(grants.allow_secret("github/ann") && grants.allow_secret("one"));
        assert!(!grants.allow_secret("gitlab/ann") && !grants.allow_secret("one2") && !grants.allow_secret("*"));
        assert!(
            matches_pattern("a*b*c", "aXbYc") && !matches_pattern("a*b*c", "aXc") && !matches_pattern("ab*ba", "aba")
        );
    }
}
