//! An authenticator: who shows a JSON Web Token of the identity provider is who the token says.
//!
//! In reading order: `settings`, `token` (what was sent), `keys` (what the provider signs with), `keyring` (where the
//! keys come from), `claims` (what must hold), `identity` (whom it makes).

mod claims;
mod identity;
mod keyring;
mod keys;
mod settings;
mod token;

use mcpjungle_policy::authenticator::{Authentication, HttpRequest};
use mcpjungle_policy::host::Level;
use mcpjungle_policy::{Authenticator, Denial, Host, Policy};

use crate::keyring::Keyring;
use crate::settings::{OtherIssuers, Settings};
use crate::token::{Reading, Token};

struct JwtAuth {
    settings: Settings,
    keyring: Keyring,
}

impl Policy for JwtAuth {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        settings.check()?;
        Ok(Self { keyring: Keyring::new(&settings)?, settings })
    }
}

impl Authenticator for JwtAuth {
    fn authenticate(&self, host: &impl Host, request: &HttpRequest) -> Authentication {
        let token = match request.bearer_token().map(token::read) {
            // The gateway's own tokens are none of these: the next authenticator knows them.
            None | Some(Reading::NoToken) => return Authentication::Abstain,
            Some(Reading::Malformed(problem)) => return Authentication::deny("token-malformed", problem),
            Some(Reading::Token(token)) => token,
        };
        if self.settings.other_issuers == OtherIssuers::Abstain && !claims::is_of(&token, &self.settings.issuer) {
            return Authentication::Abstain;
        }
        match self.verify(host, &token) {
            Ok(()) => match identity::make(&token.claims, &self.settings) {
                Ok(principal) => Authentication::Authenticated(principal),
                Err(denial) => Authentication::Denied(denial),
            },
            Err(denial) => Authentication::Denied(denial),
        }
    }
}

impl JwtAuth {
    /// The signature first: nothing that a token says counts before it.
    fn verify(&self, host: &impl Host, token: &Token) -> Result<(), Denial> {
        let algorithm = token.algorithm(&self.settings.algorithms)?;
        let key = self.keyring.find(host, token.key_id.as_deref(), algorithm)?;
        if !key.verifies(token.signed.as_bytes(), &token.signature) {
            return Err(Denial::new("signature-wrong", "the signature is not of this token and key"));
        }
        claims::check(&token.claims, &self.settings, host.now())
    }
}

/// Says once that keys cannot be had, and why.
fn warn(host: &impl Host, message: &str, error: &str) {
    host.log(Level::Warn, message, &[("error", error)]);
}

mcpjungle_policy::export!(JwtAuth: authenticator);

#[cfg(test)]
mod tests;
