//! A token as it was sent: read, and not believed yet.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcpjungle_policy::Denial;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::settings::Algorithm;

/// The longest token that is read.
const LONGEST: usize = 16 * 1024;

/// What a bearer token turned out to be.
pub(crate) enum Reading {
    /// No JSON Web Token at all.
    NoToken,
    /// It begins as one, and is none.
    Malformed(&'static str),
    /// One.
    Token(Token),
}

/// A JSON Web Token.
pub(crate) struct Token {
    header: Header,
    /// Which key it says that it is signed with.
    pub(crate) key_id: Option<String>,
    /// What the signature is of.
    pub(crate) signed: String,
    pub(crate) claims: Map<String, Value>,
    pub(crate) signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Extensions that whoever reads the token must know. None are known here.
    crit: Option<Value>,
}

/// Reads a bearer token.
pub(crate) fn read(text: &str) -> Reading {
    let parts: Vec<&str> = text.split('.').collect();
    let [header, claims, signature] = parts[..] else { return Reading::NoToken };
    let Some(header) = decode(header).filter(|json| json.starts_with(b"{")) else { return Reading::NoToken };
    if text.len() > LONGEST {
        return Reading::Malformed("the token is longer than 16 KiB");
    }
    let Ok(mut header) = serde_json::from_slice::<Header>(&header) else {
        return Reading::Malformed("the token's header cannot be read");
    };
    let Some(claims) = decode(claims).and_then(|json| serde_json::from_slice(&json).ok()) else {
        return Reading::Malformed("the token's claims cannot be read");
    };
    let Some(signature) = decode(signature) else {
        return Reading::Malformed("the token's signature cannot be read");
    };
    let signed = text.rsplit_once('.').map(|(signed, _)| signed.to_owned()).unwrap_or_default();
    Reading::Token(Token { key_id: header.kid.take(), header, signed, claims, signature })
}

fn decode(part: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(part).ok()
}

impl Token {
    /// How it is signed, if that is allowed. Whoever made the token chose it, so it is held against the settings here
    /// and against the key's type later.
    pub(crate) fn algorithm(&self, allowed: &[Algorithm]) -> Result<Algorithm, Denial> {
        if self.header.crit.is_some() {
            return Err(Denial::new("token-malformed", "the token has critical extensions, and none are known here"));
        }
        if let Some(kind) = &self.header.typ
            && !["JWT", "at+jwt", "application/at+jwt"].iter().any(|known| known.eq_ignore_ascii_case(kind))
        {
            return Err(Denial::new("token-malformed", "the token is of another type than `JWT` and `at+jwt`"));
        }
        let named = allowed.iter().find(|algorithm| algorithm.name() == self.header.alg);
        named.copied().ok_or_else(|| Denial::new("algorithm-refused", "tokens may not be signed in this way"))
    }
}
