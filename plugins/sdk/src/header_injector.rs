//! Which headers go upstream?

use crate::bindings::header_injector::exports::mcpjungle::policy::header_injector::Guest;
use crate::export::{Exported, Instance};
use crate::imports::Imports;
use crate::{Denial, Host, Policy, Principal, Request};

#[doc(inline)]
pub use crate::bindings::header_injector::exports::mcpjungle::policy::header_injector::{
    Header, HeaderValue, SecretReference, Transport, Upstream,
};

/// Says which headers go to an upstream server. Injectors are asked in order; a later one overrides a name
/// that an earlier one set.
pub trait HeaderInjector: Policy {
    /// The headers for requests to `upstream` on behalf of `principal`.
    ///
    /// `Host`, hop-by-hop headers, `Content-*` and `Mcp-*` cannot be set, nor more than 64, nor one of them
    /// twice: such an answer is malformed, and the call is refused. Principals with other headers never
    /// share an upstream session.
    ///
    /// # Errors
    ///
    /// A denial refuses the request.
    fn inject(
        &self,
        host: &impl Host,
        request: &Request,
        principal: &Principal,
        upstream: &Upstream,
    ) -> Result<Vec<Header>, Denial>;
}

impl<P: HeaderInjector + Instance> Guest for Exported<P> {
    fn inject(request: Request, principal: Principal, upstream: Upstream) -> Result<Vec<Header>, Denial> {
        P::with(|policy| policy.inject(&Imports, &request, &principal, &upstream))
    }
}

impl Header {
    /// A header with this text.
    pub fn literal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: HeaderValue::Literal(value.into()) }
    }

    /// A header with a secret that is stored with the upstream, one of its `secret_names`. The gateway fills
    /// it in after `prefix`, such as `Bearer `, and the policy never holds it.
    pub fn secret(name: impl Into<String>, prefix: impl Into<String>, secret: impl Into<String>) -> Self {
        let reference = SecretReference { prefix: prefix.into(), name: secret.into() };
        Self { name: name.into(), value: HeaderValue::Secret(reference) }
    }

    /// A header with a secret that the policy was granted, such as by `secret:github/*`. The gateway fills it in
    /// after `prefix`, without the white space around it, and the policy never holds it.
    ///
    /// Where the secret is not granted, not set or fits no header, the answer is malformed: the call is refused, and
    /// the log names the secret. Ask [`Host::has_secret`] where that is not what is wanted.
    pub fn granted_secret(name: impl Into<String>, prefix: impl Into<String>, secret: impl Into<String>) -> Self {
        let reference = SecretReference { prefix: prefix.into(), name: secret.into() };
        Self { name: name.into(), value: HeaderValue::GrantedSecret(reference) }
    }
}
