//! What clients and users have in common: where a token comes from, and how it is replaced.

use std::time::Duration;

use crate::admin::error::ApiError;
use crate::identity::AccessToken;
use crate::store::NewToken;

/// The longest time that a replaced token may live on: a year.
pub(super) const MAX_GRACE_SECONDS: u64 = 366 * 24 * 60 * 60;

/// What a request says of a token that takes another one's place. Not with `Debug`: it holds the token.
#[derive(Default)]
pub(super) struct Replacement {
    /// The token that was chosen.
    pub(super) chosen: Option<String>,
    /// Whether one is to be generated.
    pub(super) rotate: bool,
    /// How long the old one lives on.
    pub(super) grace_seconds: Option<u64>,
}

/// A token in the place of another.
pub(super) struct Replaced {
    /// What is stored.
    pub(super) token: NewToken,
    /// The token itself if nobody knows it yet, for the one answer that shows it.
    pub(super) generated: Option<AccessToken>,
}

impl Replacement {
    /// Checks it; `None` if the token stays.
    pub(super) fn parse(self) -> Result<Option<Replaced>, ApiError> {
        let (token, generated) = match (self.chosen, self.rotate) {
            (Some(_), true) => return Err(ApiError::invalid("give either 'access_token' or 'rotate', not both")),
            (Some(chosen), false) => (parse(&chosen)?, false),
            (None, true) => (generate()?, true),
            (None, false) if self.grace_seconds.is_some() => {
                return Err(ApiError::invalid("'grace_seconds' needs a new token: give 'access_token' or 'rotate'"));
            }
            (None, false) => return Ok(None),
        };
        let grace_seconds = self.grace_seconds.unwrap_or_default();
        if grace_seconds > MAX_GRACE_SECONDS {
            return Err(ApiError::invalid(format!("invalid grace_seconds: must not be more than {MAX_GRACE_SECONDS}")));
        }
        let new = NewToken { digest: token.digest(), grace: Duration::from_secs(grace_seconds) };
        Ok(Some(Replaced { token: new, generated: generated.then_some(token) }))
    }
}

/// The token of a new identity: the one that was chosen, or else a generated one.
pub(super) fn choose(chosen: Option<&str>) -> Result<AccessToken, ApiError> {
    chosen.map_or_else(generate, parse)
}

fn parse(text: &str) -> Result<AccessToken, ApiError> {
    AccessToken::parse(text).map_err(|error| ApiError::invalid(error.to_string()))
}

fn generate() -> Result<AccessToken, ApiError> {
    AccessToken::generate().map_err(|error| {
        tracing::error!(%error, "no access token can be generated");
        ApiError::failed("no access token can be generated: the system has no randomness to give")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(replacement: Replacement) -> String {
        replacement.parse().map(drop).unwrap_err().message().to_owned()
    }

    #[test]
    fn a_token_is_replaced_by_a_chosen_or_by_a_generated_one() {
        assert!(Replacement::default().parse().unwrap().is_none());
        let chosen = Replacement { chosen: Some("my_custom_token".into()), ..Replacement::default() };
        let chosen = chosen.parse().unwrap().unwrap();
        assert!(chosen.generated.is_none() && chosen.token.grace.is_zero());
        let generated = Replacement { rotate: true, grace_seconds: Some(600), ..Replacement::default() };
        let generated = generated.parse().unwrap().unwrap();
        assert_eq!(generated.token.grace, Duration::from_secs(600));
        assert_eq!(generated.generated.unwrap().digest(), generated.token.digest);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let chosen = Some("my_custom_token".to_owned());
        for (replacement, fragment) in [
            (Replacement { chosen: chosen.clone(), rotate: true, grace_seconds: None }, "not both"),
            (Replacement { grace_seconds: Some(1), ..Replacement::default() }, "needs a new token"),
            (Replacement { chosen: Some(String::new()), ..Replacement::default() }, "invalid access token"),
            (Replacement { chosen, rotate: false, grace_seconds: Some(MAX_GRACE_SECONDS + 1) }, "must not be more"),
        ] {
            let problem = problem(replacement);
            assert!(problem.contains(fragment), "{problem}");
        }
    }
}
