//! What an administrator sets.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Which tokens count, and whom they make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    /// The `iss` that tokens must have, exactly.
    pub(crate) issuer: String,
    /// The `aud` of tokens must be or hold one of these.
    pub(crate) audience: Vec<String>,
    /// The provider's keys, a JSON Web Key Set: `{"keys": […]}`. Either this or `keys_url`.
    pub(crate) keys: Option<Value>,
    /// Where the provider's key set is. Grant the plugin `http:` and its host.
    pub(crate) keys_url: Option<String>,
    /// How long fetched keys are used before they are fetched again, in seconds.
    #[serde(default = "ten_minutes")]
    pub(crate) keys_max_age_seconds: u32,
    /// How much longer they are used if they cannot be fetched, in seconds.
    #[serde(default = "one_hour")]
    pub(crate) keys_max_stale_seconds: u32,
    /// The least time between two attempts to fetch keys, in seconds, whatever tokens name.
    #[serde(default = "half_a_minute")]
    pub(crate) keys_min_refresh_seconds: u32,
    /// The algorithms that tokens may be signed with.
    #[serde(default = "all_algorithms")]
    pub(crate) algorithms: Vec<Algorithm>,
    /// How far clocks may be apart, in seconds.
    #[serde(default = "one_minute")]
    pub(crate) leeway_seconds: u32,
    /// What becomes of requests without a JSON Web Token: `abstain` leaves them to the next authenticator. Where this
    /// is not set, that depends on the mode: `deny` in development mode, `abstain` in enterprise mode.
    pub(crate) without_token: Option<NotOurs>,
    /// What becomes of tokens of other issuers: `abstain` leaves them to the next authenticator.
    #[serde(default)]
    pub(crate) other_issuers: NotOurs,
    /// The claim that names the principal: a name such as `sub`, or a JSON pointer such as `/user/login`.
    #[serde(default = "subject")]
    pub(crate) name_claim: String,
    /// What goes before the name, so that it is no stored client's.
    #[serde(default)]
    pub(crate) name_prefix: String,
    /// Patterns of what everyone with a token may use.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    /// The claim that holds further such patterns: a list of them, or one text with spaces between.
    pub(crate) allow_claim: Option<String>,
    /// Attributes of the principal for later stages: by the attribute's name, the claim that it is taken from. A
    /// list becomes words with spaces between, without the elements that hold spaces or commas. A claim that is not
    /// there, or a list of which nothing is left, gives no attribute.
    #[serde(default)]
    pub(crate) attributes: BTreeMap<String, String>,
    /// Who is a user of the gateway or its administrator. Without this everyone is a client.
    pub(crate) kinds: Option<Kinds>,
}

/// From a claim to a kind of principal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kinds {
    /// The claim: a text, a list of them, or words with spaces between.
    pub(crate) claim: String,
    /// Who has one of these values is an administrator.
    #[serde(default)]
    pub(crate) admin: Vec<String>,
    /// Who has one of these values is a user.
    #[serde(default)]
    pub(crate) user: Vec<String>,
}

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(crate) enum Algorithm {
    /// RSA with PKCS #1 v1.5 and SHA-256.
    #[serde(rename = "RS256")]
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    #[serde(rename = "ES256")]
    Es256,
    /// Ed25519.
    #[serde(rename = "EdDSA")]
    EdDsa,
}

/// What to do with what others may know better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NotOurs {
    /// It is refused.
    #[default]
    Deny,
    /// The next authenticator is asked.
    Abstain,
}

impl Algorithm {
    const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl Settings {
    /// What a schema cannot say.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.issuer.is_empty() {
            return Err("`issuer` is empty".to_owned());
        }
        if self.audience.is_empty() {
            return Err("`audience` is empty: without one, tokens for any other service would count here".to_owned());
        }
        if self.algorithms.is_empty() {
            return Err("`algorithms` is empty: no token could count".to_owned());
        }
        match (&self.keys, &self.keys_url) {
            (Some(_), None) => Ok(()),
            (None, Some(_)) if !cfg!(feature = "http") => {
                Err("this component was built without HTTP: give it `keys` in place of `keys_url`".to_owned())
            }
            (None, Some(url)) => check_keys_url(url),
            _ => Err("give either `keys` or `keys_url`".to_owned()),
        }
    }
}

/// Without TLS whoever is on the way could give keys of their own.
fn check_keys_url(url: &str) -> Result<(), String> {
    match url.split_once("://") {
        Some(("https", _)) => Ok(()),
        Some(("http", rest)) if is_on_this_machine(rest) => Ok(()),
        Some(("http", _)) => Err(format!(
            "`keys_url` must begin with `https://`; `http://` is for `localhost`, `127.0.0.1` and `[::1]` only: `{url}`"
        )),
        _ => Err(format!("`keys_url` is no URL that begins with `https://`: `{url}`")),
    }
}

/// Whether a URL, of which this is what follows `://`, leads nowhere else.
fn is_on_this_machine(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&host)
}

fn all_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.to_vec()
}

fn subject() -> String {
    "sub".to_owned()
}

fn half_a_minute() -> u32 {
    30
}

fn one_minute() -> u32 {
    60
}

fn ten_minutes() -> u32 {
    600
}

fn one_hour() -> u32 {
    3600
}
