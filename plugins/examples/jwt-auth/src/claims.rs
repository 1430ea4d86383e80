//! What the claims of a token must say for it to count.

use mcpjungle_policy::Denial;
use serde_json::{Map, Value};

use crate::settings::Settings;
use crate::token::Token;

/// Whether the token says that it is of this issuer.
pub(crate) fn is_of(token: &Token, issuer: &str) -> bool {
    token.claims.get("iss").and_then(Value::as_str) == Some(issuer)
}

/// Issuer, audience and times. `now` is in milliseconds since 1970.
pub(crate) fn check(claims: &Map<String, Value>, settings: &Settings, now: u64) -> Result<(), Denial> {
    if claims.get("iss").and_then(Value::as_str) != Some(settings.issuer.as_str()) {
        return Err(Denial::new("issuer-wrong", "the token is of another issuer"));
    }
    let is_ours =
        |audience: &Value| audience.as_str().is_some_and(|one| settings.audience.iter().any(|ours| ours == one));
    let is_for_us = match claims.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_ours),
        Some(audience) => is_ours(audience),
        None => false,
    };
    if !is_for_us {
        return Err(Denial::new("audience-wrong", "the token is meant for another service"));
    }
    let now = now / 1000;
    let leeway = u64::from(settings.leeway_seconds);
    match time(claims, "exp")? {
        Some(expires) if now < expires.saturating_add(leeway) => {}
        Some(_) => return Err(Denial::new("token-expired", "the token has expired")),
        None => return Err(Denial::new("claim-missing", "the token never expires: it has no `exp`")),
    }
    match time(claims, "nbf")? {
        Some(begins) if begins > now.saturating_add(leeway) => {
            Err(Denial::new("token-not-yet-valid", "the token is not valid yet"))
        }
        _ => Ok(()),
    }
}

/// Seconds since 1970; some providers write fractions.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<u64>, Denial> {
    let malformed = || Denial::new("token-malformed", format!("`{name}` is no time"));
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_f64().filter(|seconds| (0.0..1e15).contains(seconds)).ok_or_else(malformed)?;
            // Within the range, and the fraction is meant to go.
            Ok(Some(seconds as u64))
        }
    }
}
