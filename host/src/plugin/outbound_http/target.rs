//! Where a request may go, as far as its URL says.

use std::net::IpAddr;

use url::{Host, Url};

use crate::plugin::grants::Grants;
use crate::plugin::outbound_http::addresses::is_open;

/// Reads a URL that a request can be sent to. The URL type brings odd spellings of addresses,
/// such as `http://0x7f.1/`, into their usual form.
pub(super) fn parse_target(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("the URL is not an absolute one: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the URL has the scheme `{}`; there are `http` and `https`", url.scheme()));
    }
    if url.host().is_none() {
        return Err("the URL names no host".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds credentials: send them in a header".to_owned());
    }
    url.set_fragment(None);
    Ok(url)
}

/// Whether the host of a URL is granted, and if it is an address, whether it may be connected
/// to. The addresses of a name are checked when they are looked up.
pub(super) fn check_target(grants: &Grants, url: &Url) -> Result<(), String> {
    let port = url.port_or_known_default().unwrap_or_default();
    let (host, address) = match url.host() {
        Some(Host::Domain(name)) => (name.to_owned(), None),
        Some(Host::Ipv4(address)) => (address.to_string(), Some(IpAddr::V4(address))),
        // An IPv4 address in the clothes of IPv6 is that IPv4 address.
        Some(Host::Ipv6(address)) => {
            let address = IpAddr::V6(address).to_canonical();
            (address.to_string(), Some(address))
        }
        None => return Err("the URL names no host".to_owned()),
    };
    if !grants.http().any(|grant| grant.allows_host(&host, port)) {
        return Err(format!("`{host}` (port {port}) is not granted: grant it with `http:{host}`"));
    }
    match address {
        Some(address) if !is_open(grants, address, Some(port)) => {
            Err(format!("{address} is no public address: grant it with `http:{address}`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn only_plain_absolute_http_urls_are_targets() {
        for good in ["http://a.example/x?y#z", "HTTPS://A.example:8443", "http://[::1]:80/"] {
            assert!(parse_target(good).is_ok(), "{good}");
        }
        for bad in ["", "/x", "a.example", "ftp://a.example/", "file:///etc/passwd", "http://u:p@a.example/", "http://"]
        {
            assert!(parse_target(bad).is_err(), "{bad}");
        }
        let credentials = parse_target("http://user:s3cret@a.example/").unwrap_err();
        assert!(!credentials.contains("s3cret"), "{credentials}");
    }

    #[test]
    fn addresses_are_what_they_are_however_they_are_spelled() {
        let check = |texts: &[&str], url: &str| check_target(&grants(texts), &parse_target(url).unwrap());
        for loopback in [
            "http://127.0.0.1/",
            "http://0x7f.1/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://127.0.0.1./",
            "http://[::ffff:127.0.0.1]/",
            "http://[::ffff:7f00:1]/",
        ] {
            let refused = check(&["http:a.example"], loopback).unwrap_err();
            assert_eq!(refused, "`127.0.0.1` (port 80) is not granted: grant it with `http:127.0.0.1`", "{loopback}");
            check(&["http:127.0.0.1"], loopback).unwrap();
            check(&["http:127.0.0.0/8"], loopback).unwrap();
            assert!(check(&["http:127.0.0.1:81"], loopback).is_err());
        }
        check(&["http:[::1]:8080"], "http://[0:0::1]:8080/").unwrap();
        assert!(check(&["http:[::1]:8080"], "http://[::1]/").is_err());
    }

    #[test]
    fn a_host_is_granted_by_its_name_and_the_message_says_how() {
        let check =
            |url: &str| check_target(&grants(&["http:a.example", "http:b.example:8443"]), &Url::parse(url).unwrap());
        for good in ["http://a.example/", "https://A.EXAMPLE:99/", "https://b.example:8443/"] {
            check(good).unwrap();
        }
        for (bad, host) in [
            ("http://a.example.evil/", "a.example.evil"),
            ("http://xa.example/", "xa.example"),
            ("https://b.example/", "b.example"),
            ("http://a.example./", "a.example."),
        ] {
            assert!(check(bad).unwrap_err().ends_with(&format!("grant it with `http:{host}`")), "{bad}");
        }
    }
}
