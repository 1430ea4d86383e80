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

use std::cell::RefCell;
use std::collections::BTreeSet;

use mcpjungle_policy::authenticator::{Authentication, HttpRequest};
use mcpjungle_policy::host::Level;
use mcpjungle_policy::{Authenticator, Denial, Host, Mode, Policy};

use crate::keyring::Keyring;
use crate::settings::{NotOurs, Settings};
use crate::token::{Reading, Token};

struct JwtAuth {
    settings: Settings,
    keyring: Keyring,
    /// The attributes of which it was said that they are incomplete. Once is enough: each request would say it.
    incomplete: RefCell<BTreeSet<String>>,
}

impl Policy for JwtAuth {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        settings.check()?;
        Ok(Self { keyring: Keyring::new(&settings)?, settings, incomplete: RefCell::default() })
    }
}

impl Authenticator for JwtAuth {
    fn authenticate(&self, host: &impl Host, request: &HttpRequest) -> Authentication {
        let token = match request.bearer_token().map(token::read) {
            None | Some(Reading::NoToken) => return self.without_token(host),
            Some(Reading::Malformed(problem)) => return Authentication::deny("token-malformed", problem),
            Some(Reading::Token(token)) => token,
        };
        if self.settings.other_issuers == NotOurs::Abstain && !claims::is_of(&token, &self.settings.issuer) {
            return Authentication::Abstain;
        }
        match self.verify(host, &token) {
            Ok(()) => match identity::make(&token.claims, &self.settings, |attribute| self.warn(host, attribute)) {
                Ok(principal) => Authentication::Authenticated(principal),
                Err(denial) => Authentication::Denied(denial),
            },
            Err(denial) => Authentication::Denied(denial),
        }
    }
}

impl JwtAuth {
    /// The gateway's own tokens are no JSON Web Tokens: the stock authenticator knows them. But in development mode it
    /// knows everybody, and whoever leaves a token away could do more than with one.
    fn without_token(&self, host: &impl Host) -> Authentication {
        let by_mode = || match host.mode() {
            Mode::Development => NotOurs::Deny,
            Mode::Enterprise => NotOurs::Abstain,
        };
        match self.settings.without_token.unwrap_or_else(by_mode) {
            NotOurs::Deny => Authentication::deny("token-missing", "the request has no JSON Web Token"),
            NotOurs::Abstain => Authentication::Abstain,
        }
    }

    /// The signature first: nothing that a token says counts before it.
    fn verify(&self, host: &impl Host, token: &Token) -> Result<(), Denial> {
        let algorithm = token.algorithm(&self.settings.algorithms)?;
        let key = self.keyring.find(host, token.key_id.as_deref(), algorithm)?;
        if !key.verifies(token.signed.as_bytes(), &token.signature) {
            return Err(Denial::new("signature-wrong", "the signature is not of this token and key"));
        }
        claims::check(&token.claims, &self.settings, host.now())
    }

    fn warn(&self, host: &impl Host, attribute: &str) {
        if self.incomplete.borrow_mut().insert(attribute.to_owned()) {
            let message = "elements of a list were left out of an attribute, because they hold spaces or commas";
            host.log(Level::Warn, message, &[("attribute", attribute)]);
        }
    }
}

mcpjungle_policy::export!(JwtAuth: authenticator);

#[cfg(test)]
mod tests;
