//! The provider's public keys: a JSON Web Key Set (RFC 7517), and what each verifies.

use std::ops::RangeInclusive;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcpjungle_policy::Denial;
use p256::ecdsa::signature::Verifier;
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::settings::Algorithm;

/// Shorter RSA keys are too weak, and longer ones would cost too much of a call's time.
const RSA_BITS: RangeInclusive<usize> = 2048..=8192;
/// What stands before a SHA-256 digest in a PKCS #1 v1.5 signature (RFC 8017, 9.2, note 1).
const SHA256_PREFIX: [u8; 19] =
    [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

/// The keys of a provider.
#[derive(Debug, Default)]
pub(crate) struct KeySet(Vec<Key>);

/// One public key. Its type decides the one algorithm that it is used with.
#[derive(Debug)]
pub(crate) struct Key {
    id: Option<String>,
    public: PublicKey,
}

#[derive(Debug)]
enum PublicKey {
    Rsa(RsaPublicKey),
    P256(p256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

#[derive(Deserialize)]
struct JsonKeySet {
    keys: Vec<Value>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// The keys of a set that can be used here; sets hold others too, and those are passed over. Never none.
    pub(crate) fn read(set: &Value) -> Result<Self, String> {
        let set = JsonKeySet::deserialize(set).map_err(|error| format!("this is no JSON Web Key Set: {error}"))?;
        let keys: Vec<Key> = set.keys.iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err("the key set has no key for RS256, ES256 or EdDSA that signatures are checked with".to_owned());
        }
        Ok(Self(keys))
    }

    /// The key that a token names; none if there is no such key. One that names none needs one that leaves no choice.
    pub(crate) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Result<Option<&Key>, Denial> {
        let mut fitting = self.0.iter().filter(|key| {
            key.algorithm() == algorithm && id.is_none_or(|id| key.id.as_deref().is_some_and(|own| own == id))
        });
        match (fitting.next(), fitting.next()) {
            (Some(_), Some(_)) => {
                Err(Denial::new("key-ambiguous", "the token leaves open which of several keys is meant"))
            }
            (key, _) => Ok(key),
        }
    }
}

impl Key {
    fn read(key: &Value) -> Option<Self> {
        let key = JsonKey::deserialize(key).ok()?;
        let is_for_signatures = key.used_for.as_deref().is_none_or(|used_for| used_for == "sig")
            && key.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|one| one == "verify"));
        let public = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => PublicKey::Rsa(read_rsa(&key)?),
            ("EC", Some("P-256")) => PublicKey::P256(read_p256(&key)?),
            ("OKP", Some("Ed25519")) => PublicKey::Ed25519(read_ed25519(&key)?),
            _ => return None,
        };
        let read = Self { id: key.kid, public };
        let is_for_this = key.alg.as_deref().is_none_or(|algorithm| algorithm == read.algorithm().name());
        (is_for_signatures && is_for_this).then_some(read)
    }

    fn algorithm(&self) -> Algorithm {
        match self.public {
            PublicKey::Rsa(_) => Algorithm::Rs256,
            PublicKey::P256(_) => Algorithm::Es256,
            PublicKey::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Whether the holder of the private key signed this.
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        match &self.public {
            PublicKey::Rsa(key) => {
                let scheme = Pkcs1v15Sign { hash_len: Some(32), prefix: SHA256_PREFIX.into() };
                key.verify(scheme, &Sha256::digest(signed), signature).is_ok()
            }
            PublicKey::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(signed, &signature).is_ok()),
            PublicKey::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(signed, &signature).is_ok()),
        }
    }
}

fn read_rsa(key: &JsonKey) -> Option<RsaPublicKey> {
    let number = |text: &Option<String>| Some(BoxedUint::from_be_slice_vartime(&decode(text)?));
    RsaPublicKey::new_with_size_limits(number(&key.n)?, number(&key.e)?, RSA_BITS).ok()
}

fn read_p256(key: &JsonKey) -> Option<p256::ecdsa::VerifyingKey> {
    let (x, y) = (decode(&key.x)?, decode(&key.y)?);
    if x.len() != 32 || y.len() != 32 {
        return None;
    }
    // Uncompressed, as SEC 1 has it.
    let point = [&[4], x.as_slice(), y.as_slice()].concat();
    p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()
}

fn read_ed25519(key: &JsonKey) -> Option<ed25519_dalek::VerifyingKey> {
    ed25519_dalek::VerifyingKey::from_bytes(&decode(&key.x)?.try_into().ok()?).ok()
}

fn decode(text: &Option<String>) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text.as_deref()?).ok()
}
