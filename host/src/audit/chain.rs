//! What makes a record show that was changed, moved or taken away: codes over records and their
//! places, which nobody can make without the key.

use std::fmt;
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How long the key is, and each code.
pub const KEY_BYTES: usize = 32;

/// A code, HMAC-SHA256.
pub type Mac = [u8; 32];

/// The key of one database's audit log.
#[derive(Clone)]
pub struct AuditKey {
    bytes: Arc<Zeroizing<[u8; KEY_BYTES]>>,
    /// With the key taken in already.
    hmac: Hmac<Sha256>,
}

impl fmt::Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey([redacted])")
    }
}

/// Where one writer's chain stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The number of the last record; 0 before the first.
    pub seq: i64,
    /// Its code; that of the writer's name before the first.
    pub mac: Mac,
}

impl AuditKey {
    /// From its bytes.
    pub fn new(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        let hmac = Hmac::new_from_slice(&*bytes).expect("HMAC takes a key of any length");
        Self { bytes: Arc::new(bytes), hmac }
    }

    /// A new one.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self::new(bytes))
    }

    /// For keeping it, encrypted.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.bytes
    }

    /// Where a writer's chain begins.
    pub fn start(&self, writer: &str) -> Link {
        Link { seq: 0, mac: self.sign("chain", &[writer.as_bytes()]) }
    }

    /// Tells journals of this writer that are for this database from those for others.
    pub(super) fn mark(&self, writer: &str) -> String {
        hex(&self.sign("journal", &[writer.as_bytes()]))
    }

    /// The link for the next record of a chain.
    pub fn next(&self, previous: &Link, record: &[u8]) -> Link {
        self.link(&previous.mac, previous.seq + 1, record)
    }

    /// The link for the record of this number, behind one with this code.
    pub fn link(&self, previous: &Mac, seq: i64, record: &[u8]) -> Link {
        Link { seq, mac: self.sign("record", &[previous, &seq.to_be_bytes(), record]) }
    }

    /// Vouches that a writer's chain has come this far.
    pub fn sign_head(&self, writer: &str, head: &Link) -> Mac {
        self.sign("head", &[writer.as_bytes(), &head.seq.to_be_bytes(), &head.mac])
    }

    /// Vouches that a writer's records were removed up to here because they were old, and that
    /// so many of them did not verify.
    pub fn sign_cut(&self, writer: &str, cut: &Link, unverified: i64) -> Mac {
        self.sign("cut", &[writer.as_bytes(), &cut.seq.to_be_bytes(), &cut.mac, &unverified.to_be_bytes()])
    }

    /// Where the chain of writers begins.
    pub fn start_of_writers(&self) -> Mac {
        self.sign("writers", &[])
    }

    /// The code of a writer's entry, behind the one before it.
    pub fn sign_writer(&self, previous: &Mac, ordinal: i64, writer: &str, registered_at_ms: i64) -> Mac {
        let (ordinal, registered_at_ms) = (ordinal.to_be_bytes(), registered_at_ms.to_be_bytes());
        self.sign("writer", &[previous, &ordinal, writer.as_bytes(), &registered_at_ms])
    }

    /// Vouches for how many writers there are, and that their list did not verify so many times when it was renewed.
    pub fn sign_writers(&self, count: i64, last: &Mac, unverified: i64) -> Mac {
        self.sign("all writers", &[&count.to_be_bytes(), last, &unverified.to_be_bytes()])
    }

    /// Each part with its length before it, so that no two lists of parts look the same.
    fn sign(&self, purpose: &str, parts: &[&[u8]]) -> Mac {
        let mut hmac = self.hmac.clone();
        for part in std::iter::once(&purpose.as_bytes()).chain(parts) {
            hmac.update(&(part.len() as u64).to_be_bytes());
            hmac.update(part);
        }
        hmac.finalize().into_bytes().into()
    }
}

/// A code as it is written in a journal.
pub(super) fn hex(mac: &Mac) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads what [`hex`] wrote.
pub(super) fn parse_hex(text: &str) -> Option<Mac> {
    let digits: Vec<u8> =
        text.bytes().map(|digit| char::from(digit).to_digit(16).map(|value| value as u8)).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] * 16 + pair[1]).collect();
    if text.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_depends_on_the_key_the_place_and_the_record() {
        let key = AuditKey::new(Zeroizing::new([1; KEY_BYTES]));
        let start = key.start("w");
        let first = key.next(&start, b"a");
        let codes = [
            start.mac,
            key.start("v").mac,
            first.mac,
            key.next(&start, b"b").mac,
            key.next(&first, b"a").mac,
            key.link(&start.mac, 2, b"a").mac,
            key.sign_head("w", &first),
            key.sign_cut("w", &first, 0),
            key.sign_cut("w", &first, 1),
            AuditKey::new(Zeroizing::new([2; KEY_BYTES])).start("w").mac,
        ];
        let different: std::collections::HashSet<Mac> = codes.into_iter().collect();
        assert_eq!(different.len(), codes.len());
        assert_eq!(key.next(&start, b"a"), first);
    }

    #[test]
    fn a_code_is_read_as_it_was_written() {
        let mac: Mac = std::array::from_fn(|at| (at * 7) as u8);
        assert_eq!(parse_hex(&hex(&mac)), Some(mac));
        for bad in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert_eq!(parse_hex(bad), None, "{bad}");
        }
    }
}
