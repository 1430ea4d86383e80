//! Whose each token is, found in as few steps as there can be: every request does it. The
//! tokens are in many small tables, of which a change copies the one that it is about.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use crate::identity::{IdentityRecord, TokenDigest};

/// One for each first byte of a digest.
const TABLES: usize = 256;

/// All tokens, by their digests.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    tables: Box<[Arc<Table>]>,
}

type Table = HashMap<TokenDigest, KnownToken, BuildHasherDefault<FirstBytes>>;

/// One token.
#[derive(Debug, Clone)]
pub(super) struct KnownToken {
    /// Whose it is.
    pub(super) owner: Arc<IdentityRecord>,
    /// From when on it is good for nothing, in milliseconds since 1970; `None` for a current one.
    pub(super) expires_at_ms: Option<i64>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { tables: vec![Arc::default(); TABLES].into() }
    }
}

impl Tokens {
    pub(super) fn get(&self, digest: &TokenDigest) -> Option<&KnownToken> {
        self.tables[place(digest)].get(digest)
    }

    pub(super) fn insert(&mut self, digest: TokenDigest, token: KnownToken) {
        Arc::make_mut(&mut self.tables[place(&digest)]).insert(digest, token);
    }

    /// Unless another has it by now: a token that has expired can be given away again.
    pub(super) fn remove_if_of(&mut self, digest: &TokenDigest, owner: &Arc<IdentityRecord>) {
        if self.get(digest).is_some_and(|token| Arc::ptr_eq(&token.owner, owner)) {
            Arc::make_mut(&mut self.tables[place(digest)]).remove(digest);
        }
    }
}

fn place(digest: &TokenDigest) -> usize {
    usize::from(digest.as_bytes()[0])
}

/// A digest is as good as random, so a part of it is its own hash.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn write(&mut self, bytes: &[u8]) {
        // The first byte is the same throughout a table. A length before it is too short to count.
        if let Some(part) = bytes.get(1..).and_then(<[u8]>::first_chunk) {
            self.0 = u64::from_ne_bytes(*part);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, BuildHasherDefault};

    use super::*;

    #[test]
    fn digests_of_one_table_are_told_apart_by_what_follows_the_first_byte() {
        let hash = |digest: &TokenDigest| BuildHasherDefault::<FirstBytes>::default().hash_one(digest);
        let digests: Vec<_> = (0..1000).map(|number| TokenDigest::of(&format!("token {number}"))).collect();
        for digest in &digests {
            assert_eq!(hash(digest), u64::from_ne_bytes(*digest.as_bytes()[1..].first_chunk().unwrap()));
        }
    }
}
