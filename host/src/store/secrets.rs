//! Secrets at rest: one key from outside the database, every value encrypted under it on its own.
//!
//! XChaCha20-Poly1305 with a random nonce per value. The server's name and the
//! secret's are authenticated with it, so a value that someone moves to another
//! row of the database does not decrypt there.

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::store::key_file;

pub(super) const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
/// Tells values of this use and layout from any that come later.
const SERVER_SECRET: &str = "mcpjungle server secret 1";
/// Tells fingerprints of keys from any other digest of them.
const FINGERPRINT: &str = "mcpjungle secret key 1";

/// The place of the audit log's key. It is in no server's, whose places have another first line.
const AUDIT_KEY: &str = "mcpjungle audit key 1";
/// Tells secrets for plugins from those of servers.
const PLUGIN_SECRET: &str = "mcpjungle plugin secret 1";

/// Where the key comes from.
#[derive(Debug, Clone, Default)]
pub struct KeySource {
    /// A key that an administrator provides.
    pub configured: Option<ConfiguredKey>,
    /// Where a key is kept, and made at first need, when none is configured.
    /// See [`super::Database::default_key_file`].
    pub key_file: Option<PathBuf>,
}

/// The value of `MCPJUNGLE_SECRET_KEY`, or the content of the file that
/// `MCPJUNGLE_SECRET_KEY_FILE` names: 32 bytes as base64 or as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredKey {
    /// The key as it is written.
    pub value: Secret,
    /// The variable that it comes from; messages name it.
    pub variable: &'static str,
}

/// Why there is no usable key.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum KeyError {
    #[error("the secret key from {origin} is not 32 bytes as base64 or 64 hexadecimal digits")]
    Malformed { origin: String },
    #[error(
        "the secret key from {origin} does not open the secrets that the database holds: \
         provide the key that they were stored with in MCPJUNGLE_SECRET_KEY or MCPJUNGLE_SECRET_KEY_FILE \
         (after `mcpjungle server rekey`, the new one)"
    )]
    Wrong { origin: String },
    #[error(
        "the secrets of this database are encrypted under another key than the one from {origin}: \
         restart the gateway with that key (after `mcpjungle server rekey`, the new one) in MCPJUNGLE_SECRET_KEY \
         or MCPJUNGLE_SECRET_KEY_FILE, or in the key file beside an SQLite database; nothing was changed"
    )]
    Replaced { origin: String },
    #[error(
        "the database holds secrets, but their key file {} is gone: put it back, \
         or provide the key in MCPJUNGLE_SECRET_KEY or MCPJUNGLE_SECRET_KEY_FILE", .path.display()
    )]
    Lost { path: PathBuf },
    #[error(
        "the database holds secrets, but no key is provided: \
         set MCPJUNGLE_SECRET_KEY or MCPJUNGLE_SECRET_KEY_FILE to the key that they were stored with"
    )]
    NotProvided,
    #[error(
        "a secret cannot be stored without a key: set MCPJUNGLE_SECRET_KEY (or MCPJUNGLE_SECRET_KEY_FILE, to a file \
         that holds it) to 32 random bytes as base64 (`openssl rand -base64 32` prints some), the same for every \
         gateway on this database"
    )]
    Needed,
    #[error("cannot read the key file {}", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("cannot create the key file {}", .path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error(
        "the database is under the new key, which could not be moved from {} to {}: the next start tries again",
        .successor.display(), .path.display()
    )]
    Replace { path: PathBuf, successor: PathBuf, source: io::Error },
    #[error("no randomness from the operating system: {0}")]
    Random(getrandom::Error),
}

/// Encrypts and decrypts, with a key that is read or made when first needed.
pub(super) struct SecretBox {
    source: Source,
    opened: Mutex<Option<Opened>>,
}

enum Source {
    Configured(Opened),
    File(PathBuf),
    Nothing,
}

/// A key that is there.
#[derive(Clone)]
pub(super) struct Opened {
    cipher: XChaCha20Poly1305,
    /// For messages: where the key came from.
    pub(super) origin: String,
    /// Tells this key from others, and nothing of it.
    pub(super) fingerprint: String,
}

/// Where in the database a value lies: it opens nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place(Vec<u8>);

impl Place {
    /// Of a secret of a server. Server names hold no line break, so no two places look the same.
    pub(super) fn of_server_secret(server: &str, name: &str) -> Self {
        Self(format!("{SERVER_SECRET}\n{server}\n{name}").into_bytes())
    }

    /// Of a secret for plugins.
    pub(super) fn of_plugin_secret(name: &str) -> Self {
        Self(format!("{PLUGIN_SECRET}\n{name}").into_bytes())
    }

    /// Of the key of the audit log.
    pub(super) fn of_audit_key() -> Self {
        Self(AUDIT_KEY.as_bytes().to_vec())
    }
}

impl SecretBox {
    /// Checks a configured key; a key file is not touched yet.
    pub(super) fn new(source: KeySource) -> Result<Self, KeyError> {
        let source = match (source.configured, source.key_file) {
            (Some(key), _) => Source::Configured(Opened::configured(&key)?),
            (None, Some(path)) => Source::File(path),
            (None, None) => Source::Nothing,
        };
        Ok(Self { source, opened: Mutex::new(None) })
    }

    /// Encrypts a value for its place in the database. Makes the key file if it is due.
    pub(super) fn seal(&self, place: &Place, value: &Secret) -> Result<Vec<u8>, KeyError> {
        self.open_for_storing()?.seal(place, value.expose().as_bytes())
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    pub(super) fn unseal(&self, place: &Place, sealed: &[u8]) -> Result<Secret, KeyError> {
        let opened = self.open_for_reading()?;
        let text = opened.unseal(place, sealed)?;
        match String::from_utf8(text.to_vec()) {
            Ok(text) => Ok(Secret::new(text)),
            Err(_) => Err(KeyError::Wrong { origin: opened.origin }),
        }
    }

    /// The file that the key is kept in, if it is in one that the store makes itself.
    pub(super) fn key_file(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            Source::Configured(_) | Source::Nothing => None,
        }
    }

    /// The key that values are stored under, made if it is due.
    pub(super) fn open_for_storing(&self) -> Result<Opened, KeyError> {
        match &self.source {
            Source::Configured(opened) => Ok(opened.clone()),
            Source::File(path) => self.open_file(path, true),
            Source::Nothing => Err(KeyError::Needed),
        }
    }

    /// The key that stored values are opened with.
    pub(super) fn open_for_reading(&self) -> Result<Opened, KeyError> {
        match &self.source {
            Source::Configured(opened) => Ok(opened.clone()),
            Source::File(path) => self.open_file(path, false),
            Source::Nothing => Err(KeyError::NotProvided),
        }
    }

    /// The key, if there is one already.
    pub(super) fn find_key(&self) -> Result<Option<Opened>, KeyError> {
        match self.open_for_reading() {
            Ok(opened) => Ok(Some(opened)),
            Err(KeyError::Lost { .. } | KeyError::NotProvided) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open_file(&self, path: &Path, may_create: bool) -> Result<Opened, KeyError> {
        let mut opened = self.opened.lock();
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let key = match key_file::read(path)? {
            Some(key) => key,
            None if may_create => {
                key_file::create(path)?;
                key_file::read(path)?.ok_or_else(|| KeyError::Lost { path: path.to_owned() })?
            }
            None => return Err(KeyError::Lost { path: path.to_owned() }),
        };
        Ok(opened.insert(Opened::of_file(&key, path)?).clone())
    }
}

impl Opened {
    /// A key that an administrator provides.
    pub(super) fn configured(key: &ConfiguredKey) -> Result<Self, KeyError> {
        Self::parse(key.value.expose(), key.variable)
    }

    /// What a key file holds.
    pub(super) fn of_file(text: &str, path: &Path) -> Result<Self, KeyError> {
        Self::parse(text, &format!("the key file {}", path.display()))
    }

    fn parse(text: &str, origin: &str) -> Result<Self, KeyError> {
        let key = parse_key(text.trim()).ok_or_else(|| KeyError::Malformed { origin: origin.to_owned() })?;
        let fingerprint = Sha256::new().chain_update(FINGERPRINT).chain_update(*key).finalize();
        Ok(Self {
            cipher: XChaCha20Poly1305::new((&*key).into()),
            origin: origin.to_owned(),
            fingerprint: fingerprint.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    /// Encrypts bytes for their place.
    pub(super) fn seal(&self, Place(place): &Place, value: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(KeyError::Random)?;
        let ciphertext = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: value, aad: place })
            .expect("a value that fits in memory is far below the cipher's limit");
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    pub(super) fn unseal(&self, Place(place): &Place, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let wrong = || KeyError::Wrong { origin: self.origin.clone() };
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(wrong)?;
        let payload = Payload { msg: ciphertext, aad: place };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map(Zeroizing::new).map_err(|_| wrong())
    }
}

fn parse_key(text: &str) -> Option<Zeroizing<[u8; KEY_LEN]>> {
    let bytes = Zeroizing::new(if text.len() == 2 * KEY_LEN {
        parse_hex(text)?
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD].iter().find_map(|base64| base64.decode(text).ok())?
    });
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<Vec<_>>>()?;
    Some(digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).expect("two digits are a byte")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed_with(key: &str) -> SecretBox {
        let key = ConfiguredKey { value: Secret::new(key), variable: "MCPJUNGLE_SECRET_KEY" };
        SecretBox::new(KeySource { configured: Some(key), key_file: None }).unwrap()
    }

    fn place(server: &str, name: &str) -> Place {
        Place::of_server_secret(server, name)
    }

    #[test]
    fn a_key_is_32_bytes_in_either_spelling() {
        let bytes = [0xfb; KEY_LEN];
        for good in [
            "fb".repeat(32),
            "FB".repeat(32),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ] {
            assert_eq!(parse_key(&good).as_deref(), Some(&bytes), "{good}");
        }
        for bad in
            ["", "secret", &"fb".repeat(31), &"g".repeat(64), &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])]
        {
            assert!(parse_key(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_value_opens_only_in_its_own_place_and_under_its_own_key() {
        let secrets = sealed_with(&"ab".repeat(32));
        let sealed = secrets.seal(&place("a", "bearer-token"), &Secret::new("s3cret")).unwrap();
        assert_eq!(secrets.unseal(&place("a", "bearer-token"), &sealed).unwrap(), Secret::new("s3cret"));
        assert!(secrets.unseal(&place("b", "bearer-token"), &sealed).is_err());
        assert!(secrets.unseal(&place("a", "env:X"), &sealed).is_err());
        let other = sealed_with(&"cd".repeat(32));
        assert!(matches!(other.unseal(&place("a", "bearer-token"), &sealed), Err(KeyError::Wrong { .. })));
        assert!(secrets.unseal(&place("a", "bearer-token"), &sealed[..10]).is_err());
    }

    #[test]
    fn the_key_of_the_audit_log_opens_as_nothing_else() {
        let opened = sealed_with(&"ab".repeat(32)).open_for_storing().unwrap();
        let sealed = opened.seal(&Place::of_audit_key(), &[7; 32]).unwrap();
        assert_eq!(*opened.unseal(&Place::of_audit_key(), &sealed).unwrap(), [7; 32]);
        assert!(opened.unseal(&place("a", "x"), &sealed).is_err());
        let other = opened.seal(&place("a", "x"), &[7; 32]).unwrap();
        assert!(opened.unseal(&Place::of_audit_key(), &other).is_err());
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let secrets = sealed_with(&"ab".repeat(32));
        let seal = || secrets.seal(&place("a", "x"), &Secret::new("v")).unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn a_fingerprint_tells_keys_apart_however_they_are_written() {
        let of = |key: &str| Opened::parse(key, "").unwrap().fingerprint;
        assert_eq!(of(&"fb".repeat(32)), of(&STANDARD.encode([0xfb; KEY_LEN])));
        assert_ne!(of(&"fb".repeat(32)), of(&"fc".repeat(32)));
        assert!(!of(&"fb".repeat(32)).contains("fbfb"));
    }
}
