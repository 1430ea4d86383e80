//! Who is calling?

use crate::bindings::authenticator::exports::mcpjungle::policy::authenticator::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Denial, Host, Policy};

#[doc(inline)]
pub use crate::bindings::authenticator::exports::mcpjungle::policy::authenticator::{
    Authentication, Header, HttpRequest,
};

/// Finds out whom a request acts for. Authenticators are asked in order: the first that does not abstain
/// decides, and if all abstain the request is refused.
pub trait Authenticator: Policy {
    /// Whom does this request act for? Abstain where it shows nothing that this authenticator knows, so
    /// that the next one is asked. Asked again now and then while a session lives.
    fn authenticate(&self, host: &impl Host, request: &HttpRequest) -> Authentication;
}

impl<P: Authenticator + Instance> Guest for Exported<P> {
    fn authenticate(request: HttpRequest) -> Authentication {
        P::with(|policy| policy.authenticate(&Imports, &request))
    }
}

impl HttpRequest {
    /// The text of the one header of this name, in any case. None if it is not there or not UTF-8, and none
    /// if it is there more than once: one program on the way might look at the first, the next at the last.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        match (values.next(), values.next()) {
            (Some(header), None) => str::from_utf8(&header.value).ok().map(str::trim),
            _ => None,
        }
    }

    /// The token in `Authorization: Bearer TOKEN`. None under the conditions of [`header`](Self::header), for
    /// any other scheme, and if it is empty.
    pub fn bearer_token(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }
}

impl Authentication {
    /// Refuses the request with 401; no further authenticator is asked. `code` is a short stable word for
    /// programs, `reason` a sentence for the log.
    pub fn deny(code: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Denied(Denial::new(code, reason))
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::http_request;

    #[test]
    fn a_bearer_token_is_found_in_any_case_and_only_where_there_is_one() {
        for (headers, expected) in [
            (&[("authorization", "Bearer abc")][..], Some("abc")),
            (&[("Authorization", "bearer  abc ")], Some("abc")),
            (&[("authorization", "Basic abc")], None),
            (&[("authorization", "Bearer ")], None),
            (&[("authorization", "abc")], None),
            (&[("authorization", "Bearer a"), ("authorization", "Bearer b")], None),
            (&[("x-other", "Bearer abc")], None),
            (&[], None),
        ] {
            assert_eq!(http_request(headers).bearer_token(), expected, "{headers:?}");
        }
    }
}
