//! Clients and users, and the tokens by which they are known. Tokens themselves are
//! never kept: only their SHA-256 digests are.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::pipeline::PrincipalKind;
use crate::secret::Secret;

/// The name of the administrator that initialisation makes.
pub const FIRST_ADMIN: &str = "admin";

const TOKEN_BYTES: usize = 32;
const MIN_TOKEN_LEN: usize = 8;
/// What web servers and proxies take as one header line is no longer than 8 KiB.
const MAX_TOKEN_LEN: usize = 4096;
const MAX_NAME_LEN: usize = 200;

/// What a stored identity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IdentityKind {
    /// An MCP client: a machine that connects to the MCP endpoints.
    Client,
    /// A human with access to the admin API.
    User(Role),
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Look, and use tools.
    User,
    /// Everything.
    Admin,
}

impl Role {
    /// The word for it in the API and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
        }
    }

    /// The role of this word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::User, Self::Admin].into_iter().find(|role| role.as_str() == word)
    }
}

impl IdentityKind {
    /// As policies know it.
    pub fn principal_kind(self) -> PrincipalKind {
        match self {
            Self::Client => PrincipalKind::Client,
            Self::User(Role::User) => PrincipalKind::User,
            Self::User(Role::Admin) => PrincipalKind::Admin,
        }
    }
}

/// A client or user as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityRecord {
    /// A number for the API's `ID`, unique among identities.
    pub id: i64,
    /// What it is.
    pub kind: IdentityKind,
    /// Unique among clients, or among users.
    pub name: Arc<str>,
    /// For people; may be empty.
    pub description: String,
    /// A client's allow-list: patterns over canonical names. Empty grants nothing.
    pub allow: Vec<String>,
    /// By what it is known.
    pub tokens: Vec<StoredToken>,
    /// In milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it, or a token of it, last changed, in milliseconds since 1970.
    pub updated_at_ms: i64,
}

/// One token of an identity, as far as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// What tells it from all others.
    pub digest: TokenDigest,
    /// From when on it is good for nothing, in milliseconds since 1970; `None` for the current one.
    pub expires_at_ms: Option<i64>,
}

/// SHA-256 of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// Its 32 bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The digest of what a request presents as a token.
    pub fn of(presented: &str) -> Self {
        Self(Sha256::digest(presented.as_bytes()).into())
    }

    /// Whether both are of one token, found out in a time that tells nothing of where they differ.
    pub fn matches(&self, other: &Self) -> bool {
        let difference = self.0.iter().zip(&other.0).fold(0, |difference, (a, b)| difference | (a ^ b));
        std::hint::black_box(difference) == 0
    }

    /// Reads what [`ToString::to_string`] wrote.
    pub fn parse(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What tokens hash to is nobody's business either.
impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[digest]")
    }
}

/// A new token, checked. It is shown once, to who asked for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken(Secret);

/// Why a text is no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum TokenError {
    #[error("invalid access token: access token should be at least {MIN_TOKEN_LEN} characters in length")]
    TooShort,
    #[error("invalid access token: access token should be at most {MAX_TOKEN_LEN} characters in length")]
    TooLong,
    #[error("invalid access token: access token should not contain whitespace characters")]
    Whitespace,
    #[error("invalid access token: access token should not contain control characters")]
    Control,
}

impl AccessToken {
    /// 32 random bytes as URL-safe base64.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut random = Zeroizing::new([0; TOKEN_BYTES]);
        getrandom::fill(&mut *random)?;
        Ok(Self(Secret::new(URL_SAFE_NO_PAD.encode(*random))))
    }

    /// A token that somebody chose.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        match text {
            _ if text.len() < MIN_TOKEN_LEN => Err(TokenError::TooShort),
            _ if text.len() > MAX_TOKEN_LEN => Err(TokenError::TooLong),
            _ if text.contains(char::is_whitespace) => Err(TokenError::Whitespace),
            _ if text.contains(char::is_control) => Err(TokenError::Control),
            _ => Ok(Self(Secret::new(text))),
        }
    }

    /// What is kept of it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.0.expose())
    }

    /// The token itself, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// Checks the name of a client or user; `what` names it in the message.
pub fn check_name(what: &str, name: &str) -> Result<(), String> {
    let problem = match name {
        "" => "must not be empty",
        // Not to be told from a step in a path.
        "." | ".." => "must not be a dot or two",
        _ if name.len() > MAX_NAME_LEN => "must not be longer than 200 bytes",
        _ if name.trim() != name => "must not begin or end with white space",
        _ if name.contains(char::is_control) => "must not contain control characters",
        _ => return Ok(()),
    };
    Err(format!("invalid {what}: '{}' {problem}", name.escape_debug()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_token_is_32_bytes_of_chance_in_43_characters() {
        let [one, other] = [AccessToken::generate().unwrap(), AccessToken::generate().unwrap()];
        assert_eq!(one.expose().len(), 43);
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
        assert_ne!(one, other);
        assert!(AccessToken::parse(one.expose()).is_ok());
    }

    #[test]
    fn a_custom_token_follows_the_documented_rules() {
        for good in ["12345678", "my_custom_token", "äöüß"] {
            assert!(AccessToken::parse(good).is_ok(), "{good}");
        }
        for (bad, why) in [
            ("1234567", TokenError::TooShort),
            ("", TokenError::TooShort),
            ("with a space", TokenError::Whitespace),
            ("with\ttab_", TokenError::Whitespace),
            ("control\u{7}_", TokenError::Control),
            (&"x".repeat(4097), TokenError::TooLong),
        ] {
            assert_eq!(AccessToken::parse(bad).unwrap_err(), why, "{bad:?}");
        }
    }

    #[test]
    fn a_token_is_seen_nowhere_and_its_digest_is_read_back() {
        let token = AccessToken::parse("my_custom_token").unwrap();
        assert_eq!(format!("{token:?} {:?}", token.digest()), "AccessToken([redacted]) [digest]");
        assert_eq!(TokenDigest::parse(&token.digest().to_string()), Some(token.digest()));
        assert!(token.digest().matches(&TokenDigest::of("my_custom_token")));
        assert!(!token.digest().matches(&TokenDigest::of("my_custom_token ")));
        for bad in ["", "ab", &"g".repeat(64), &"ä".repeat(32)] {
            assert!(TokenDigest::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn names_are_for_people_and_paths() {
        for good in ["cursor-local", "Alice's laptop", "a/b", "bob@example.org", "ü"] {
            assert_eq!(check_name("client name", good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", " x", "x\n", "a\u{0}b", &"x".repeat(201)] {
            let problem = check_name("client name", bad).unwrap_err();
            assert!(problem.starts_with("invalid client name: '"), "{problem}");
        }
    }
}
