//! Under which key an upstream session is kept ready, reused or shared.

use std::hash::{Hash, Hasher};

use http::HeaderMap;

use crate::upstream::{ClientDeclaration, Pairing};

/// Sessions of one server are exchangeable only if all of this is the same; so no
/// principal ever rides on another's session, and the upstream is told the truth
/// about its client. Compared in full: a collision of digests cannot mix up two.
#[derive(PartialEq, Eq)]
pub(super) struct SessionKey {
    /// Whatever their order.
    pub(super) headers: HeaderMap,
    pub(super) client: ClientDeclaration,
    pub(super) paired_with: Option<Pairing>,
}

impl Hash for SessionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Equal maps may list their headers in different orders, so the order must not count.
        let mut headers: u64 = 0;
        for (name, value) in &self.headers {
            headers = headers.wrapping_add(fnv(name.as_str().as_bytes()).rotate_left(17) ^ fnv(value.as_bytes()));
        }
        headers.hash(state);
        self.client.hash(state);
        self.paired_with.hash(state);
    }
}

/// FNV-1a. It only spreads keys over a table; whether they are equal is decided by comparing.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Arc;

    use super::*;
    use crate::protocol::ProtocolVersion;
    use crate::upstream::NoClient;

    fn key(headers: &[(&'static str, &'static str)], capabilities: &'static str, paired: Option<&str>) -> SessionKey {
        SessionKey {
            headers: headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect(),
            client: ClientDeclaration {
                protocol_version: ProtocolVersion::LATEST,
                capabilities: capabilities.as_bytes().into(),
            },
            paired_with: paired.map(|id| Pairing { id: id.into(), counterpart: Arc::new(NoClient) }),
        }
    }

    #[test]
    fn every_part_of_a_key_tells_sessions_apart_and_the_order_of_headers_does_not() {
        let different = [
            key(&[], "{}", None),
            key(&[], "{\"roots\":{}}", None),
            key(&[], "{}", Some("d1")),
            key(&[], "{}", Some("d2")),
            key(&[("a", "1")], "{}", None),
            key(&[("a", "2")], "{}", None),
            key(&[("a", "1"), ("b", "2")], "{}", None),
            key(&[("a", "2"), ("b", "1")], "{}", None),
        ];
        let count = different.len();
        let mut kept: HashSet<_> = different.into_iter().collect();
        assert_eq!(kept.len(), count);
        assert!(!kept.insert(key(&[("b", "2"), ("a", "1")], "{}", None)));
    }
}
