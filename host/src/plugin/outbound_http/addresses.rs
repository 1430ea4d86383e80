//! Which addresses may be connected to: public ones, and those that are granted. Checked where
//! names are looked up for a connection, so nothing can change between the check and the connection.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::plugin::grants::Grants;

/// Names that one plugin looks up at the same time. Each takes a thread, also when nobody waits for it any more.
const LOOKUPS: usize = 4;

/// Looks names up for the connections of one plugin.
pub(super) struct GrantedAddresses {
    grants: Grants,
    /// The port that is connected to, where the grants depend on it.
    port: Option<u16>,
    lookups: Arc<Semaphore>,
}

/// All addresses of a host are ones that may not be connected to.
#[derive(Debug, Error)]
#[error(
    "`{host}` has the address {address}, which is no public one: grant it with `http:{address}`, besides `http:{host}`"
)]
pub(super) struct AddressRefused {
    host: String,
    address: IpAddr,
}

impl GrantedAddresses {
    pub(super) fn new(grants: Grants, port: Option<u16>) -> Self {
        Self { grants, port, lookups: Arc::new(Semaphore::new(LOOKUPS)) }
    }
}

impl Resolve for GrantedAddresses {
    fn resolve(&self, name: Name) -> Resolving {
        let (grants, port, lookups) = (self.grants.clone(), self.port, Arc::clone(&self.lookups));
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let looking_up = lookups.acquire_owned().await?;
            let found = tokio::task::spawn_blocking(move || {
                let found: io::Result<Vec<SocketAddr>> = (name.as_str(), 0).to_socket_addrs().map(Iterator::collect);
                // Not before: who waits for it may have gone, and the thread has not.
                drop(looking_up);
                found
            });
            let chosen = choose(&grants, port, host, &found.await??)?;
            Ok(Box::new(chosen.into_iter()) as Addrs)
        })
    }
}

/// Those that may be connected to. None of them is an error that says which one is not.
fn choose(
    grants: &Grants,
    port: Option<u16>,
    host: String,
    found: &[SocketAddr],
) -> Result<Vec<SocketAddr>, AddressRefused> {
    // Who grants this name means the machine that the gateway runs on.
    let is_localhost = host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost");
    let is_allowed = |found: &&SocketAddr| {
        let address = found.ip().to_canonical();
        is_open(grants, address, port) || (is_localhost && address.is_loopback())
    };
    let chosen: Vec<SocketAddr> = found.iter().filter(is_allowed).copied().collect();
    match found.first() {
        Some(refused) if chosen.is_empty() => Err(AddressRefused { host, address: refused.ip().to_canonical() }),
        _ => Ok(chosen),
    }
}

/// Whether an address, in its canonical form, is a public one or granted. Without a port only grants of
/// every port count.
pub(super) fn is_open(grants: &Grants, address: IpAddr, port: Option<u16>) -> bool {
    is_public(address) || grants.http().any(|grant| grant.contains_at(address, port))
}

/// Whether an address belongs to the public internet, by the registries of special addresses
/// (RFC 6890 and what came after it).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = match a {
        // This network, private, loopback; multicast, reserved and broadcast.
        0 | 10 | 127 | 224..=255 => true,
        // Shared between a carrier and its customers.
        100 => (64..128).contains(&b),
        // Link-local.
        169 => b == 254,
        172 => (16..32).contains(&b),
        // Protocol assignments, documentation, relays to IPv6; private.
        192 => (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99) || b == 168,
        // Benchmarks; documentation.
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match segments {
        // Ways to IPv4 are as public as where they lead.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Protocol assignments, among them Teredo, benchmarks and ORCHID.
        [0x2001, second, ..] if second < 0x200 => false,
        // Documentation.
        [0x2001, 0xdb8, ..] => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Of the rest only this eighth is given out: not loopback, local or multicast addresses.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(texts: &[&str]) -> Grants {
        Grants::new(texts.iter().map(|text| text.parse().unwrap()))
    }

    #[test]
    fn special_addresses_are_not_public() {
        for special in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(special.parse().unwrap()), "{special}");
        }
        for public in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860::8888",
            "2002:101:101::1",
            "64:ff9b::101:101",
            "3fff:1000::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn private_addresses_of_a_host_are_left_out_unless_they_are_granted() {
        let found: Vec<SocketAddr> =
            ["10.0.0.1:0", "1.1.1.1:0", "[::ffff:10.0.0.2]:0"].map(|text| text.parse().unwrap()).to_vec();
        let choose = |texts: &[&str], port, host: &str, found: &[SocketAddr]| {
            choose(&grants(texts), port, host.to_owned(), found)
                .map(|chosen| chosen.len())
                .map_err(|refused| refused.to_string())
        };
        assert_eq!(choose(&["http:a"], None, "a", &found), Ok(1));
        assert_eq!(choose(&["http:a", "http:10.0.0.0/8"], None, "a", &found), Ok(3));
        assert_eq!(choose(&["http:a", "http:10.0.0.2:80"], Some(80), "a", &found), Ok(2));
        assert_eq!(choose(&["http:a", "http:10.0.0.2:80"], None, "a", &found), Ok(1));
        assert_eq!(
            choose(&["http:a"], None, "a", &found[..1]).unwrap_err(),
            "`a` has the address 10.0.0.1, which is no public one: grant it with `http:10.0.0.1`, besides `http:a`"
        );
        let loopback: [SocketAddr; 1] = ["127.0.0.1:0".parse().unwrap()];
        assert_eq!(choose(&["http:localhost"], None, "localhost", &loopback), Ok(1));
        assert!(choose(&["http:localhost"], None, "localhost", &found[..1]).is_err());
        assert!(choose(&["http:rebound.example"], None, "rebound.example", &loopback).is_err());
    }
}
