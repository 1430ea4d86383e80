//! Secrets at rest: one key from outside the database, every value encrypted under it on its own.
//!
//! XChaCha20-Poly1305 with a random nonce per value. The server's name and the
//! secret's are authenticated with it, so a value that someone moves to another
//! row of the database does not decrypt there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use parking_lot::Mutex;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::audit::AUDIT_KEY_BYTES;
use crate::names::ServerName;
use crate::secret::Secret;

const KEY_LEN: usize = 32;
const NONCE_LEN: usize = 24;
/// Tells values of this use and layout from any that come later.
const CONTEXT: &str = "mcpjungle server secret 1";

/// The place of the audit log's key. It is in no server's, whose places have another first line.
const AUDIT_KEY_PLACE: &[u8] = b"mcpjungle audit key 1";

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
         provide the key that they were stored with in MCPJUNGLE_SECRET_KEY or MCPJUNGLE_SECRET_KEY_FILE"
    )]
    Wrong { origin: String },
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

#[derive(Clone)]
struct Opened {
    cipher: XChaCha20Poly1305,
    /// For messages: where the key came from.
    origin: String,
}

impl SecretBox {
    /// Checks a configured key; a key file is not touched yet.
    pub(super) fn new(source: KeySource) -> Result<Self, KeyError> {
        let source = match (source.configured, source.key_file) {
            (Some(key), _) => Source::Configured(Opened::parse(key.value.expose(), key.variable)?),
            (None, Some(path)) => Source::File(path),
            (None, None) => Source::Nothing,
        };
        Ok(Self { source, opened: Mutex::new(None) })
    }

    /// Encrypts a value for its place in the database. Makes the key file if it is due.
    pub(super) fn seal(&self, server: &ServerName, name: &str, value: &Secret) -> Result<Vec<u8>, KeyError> {
        self.seal_in(&place(server, name), value.expose().as_bytes())
    }

    /// Encrypts the key of the audit log. Makes the key file if it is due.
    pub(super) fn seal_audit_key(&self, key: &[u8; AUDIT_KEY_BYTES]) -> Result<Vec<u8>, KeyError> {
        self.seal_in(AUDIT_KEY_PLACE, key)
    }

    fn seal_in(&self, place: &[u8], value: &[u8]) -> Result<Vec<u8>, KeyError> {
        let opened = self.open_for_storing()?;
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(KeyError::Random)?;
        let payload = Payload { msg: value, aad: place };
        let ciphertext = opened
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .expect("a value that fits in memory is far below the cipher's limit");
        Ok([nonce.as_slice(), &ciphertext].concat())
    }

    /// Decrypts what [`Self::seal`] made for the same place.
    pub(super) fn unseal(&self, server: &ServerName, name: &str, sealed: &[u8]) -> Result<Secret, KeyError> {
        let opened = self.open_for_reading()?;
        let text = opened.unseal_in(&place(server, name), sealed)?;
        String::from_utf8(text).map(Secret::new).map_err(|_| opened.wrong())
    }

    /// Decrypts what [`Self::seal_audit_key`] made.
    pub(super) fn unseal_audit_key(&self, sealed: &[u8]) -> Result<Zeroizing<[u8; AUDIT_KEY_BYTES]>, KeyError> {
        let opened = self.open_for_reading()?;
        let key = Zeroizing::new(opened.unseal_in(AUDIT_KEY_PLACE, sealed)?);
        key.as_slice().try_into().map(Zeroizing::new).map_err(|_| opened.wrong())
    }

    fn open_for_storing(&self) -> Result<Opened, KeyError> {
        match &self.source {
            Source::Configured(opened) => Ok(opened.clone()),
            Source::File(path) => self.open_file(path, true),
            Source::Nothing => Err(KeyError::Needed),
        }
    }

    fn open_for_reading(&self) -> Result<Opened, KeyError> {
        match &self.source {
            Source::Configured(opened) => Ok(opened.clone()),
            Source::File(path) => self.open_file(path, false),
            Source::Nothing => Err(KeyError::NotProvided),
        }
    }

    fn open_file(&self, path: &Path, may_create: bool) -> Result<Opened, KeyError> {
        let mut opened = self.opened.lock();
        if let Some(opened) = &*opened {
            return Ok(opened.clone());
        }
        let key = match read_key_file(path)? {
            Some(key) => key,
            None if may_create => {
                create_key_file(path)?;
                read_key_file(path)?.ok_or_else(|| KeyError::Lost { path: path.to_owned() })?
            }
            None => return Err(KeyError::Lost { path: path.to_owned() }),
        };
        let new = Opened::parse(&key, &format!("the key file {}", path.display()))?;
        Ok(opened.insert(new).clone())
    }
}

impl Opened {
    fn parse(text: &str, origin: &str) -> Result<Self, KeyError> {
        let key = parse_key(text.trim()).ok_or_else(|| KeyError::Malformed { origin: origin.to_owned() })?;
        Ok(Self { cipher: XChaCha20Poly1305::new((&*key).into()), origin: origin.to_owned() })
    }

    fn unseal_in(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, KeyError> {
        let (nonce, ciphertext) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(|| self.wrong())?;
        let payload = Payload { msg: ciphertext, aad: place };
        self.cipher.decrypt(&XNonce::from(*nonce), payload).map_err(|_| self.wrong())
    }

    fn wrong(&self) -> KeyError {
        KeyError::Wrong { origin: self.origin.clone() }
    }
}

/// Server names hold no line break, so no two places look the same.
fn place(server: &ServerName, name: &str) -> Vec<u8> {
    format!("{CONTEXT}\n{server}\n{name}").into_bytes()
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

fn read_key_file(path: &Path) -> Result<Option<Zeroizing<String>>, KeyError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(KeyError::Read { path: path.to_owned(), source }),
    }
}

/// Makes a key file that is there whole or not at all, whenever the machine
/// stops, and never replaces one that another process has made meanwhile.
fn create_key_file(path: &Path) -> Result<(), KeyError> {
    let mut key = Zeroizing::new([0; KEY_LEN]);
    getrandom::fill(&mut *key).map_err(KeyError::Random)?;
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(*key)));

    let failed = |source| KeyError::Create { path: path.to_owned(), source };
    let draft = path.with_extension(format!("{:016x}.new", random_number()?));
    let made = write_draft(&draft, text.as_bytes()).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    made.and(removed).map_err(failed)?;
    sync_folder(path).map_err(failed)
}

/// Names a draft that no other store, of this process or another, is writing.
fn random_number() -> Result<u64, KeyError> {
    getrandom::u64().map_err(KeyError::Random)
}

fn write_draft(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed_with(key: &str) -> SecretBox {
        let key = ConfiguredKey { value: Secret::new(key), variable: "MCPJUNGLE_SECRET_KEY" };
        SecretBox::new(KeySource { configured: Some(key), key_file: None }).unwrap()
    }

    fn server(name: &str) -> ServerName {
        ServerName::parse(name).unwrap()
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
        let sealed = secrets.seal(&server("a"), "bearer-token", &Secret::new("s3cret")).unwrap();
        assert_eq!(secrets.unseal(&server("a"), "bearer-token", &sealed).unwrap(), Secret::new("s3cret"));
        assert!(secrets.unseal(&server("b"), "bearer-token", &sealed).is_err());
        assert!(secrets.unseal(&server("a"), "env:X", &sealed).is_err());
        let other = sealed_with(&"cd".repeat(32));
        assert!(matches!(other.unseal(&server("a"), "bearer-token", &sealed), Err(KeyError::Wrong { .. })));
        assert!(secrets.unseal(&server("a"), "bearer-token", &sealed[..10]).is_err());
    }

    #[test]
    fn the_key_of_the_audit_log_opens_as_nothing_else() {
        let secrets = sealed_with(&"ab".repeat(32));
        let sealed = secrets.seal_audit_key(&[7; AUDIT_KEY_BYTES]).unwrap();
        assert_eq!(*secrets.unseal_audit_key(&sealed).unwrap(), [7; AUDIT_KEY_BYTES]);
        assert!(secrets.unseal(&server("a"), "x", &sealed).is_err());
        let other = secrets.seal(&server("a"), "x", &Secret::new("7".repeat(AUDIT_KEY_BYTES))).unwrap();
        assert!(matches!(secrets.unseal_audit_key(&other), Err(KeyError::Wrong { .. })));
        let others = sealed_with(&"cd".repeat(32));
        assert!(matches!(others.unseal_audit_key(&sealed), Err(KeyError::Wrong { .. })));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let secrets = sealed_with(&"ab".repeat(32));
        let seal = || secrets.seal(&server("a"), "x", &Secret::new("v")).unwrap();
        assert_ne!(seal(), seal());
    }
}
