//! Which headers go upstream?

use mcpjungle_policy::header_injector::{Header, Upstream};
use mcpjungle_policy::{Denial, HeaderInjector, Host, Principal, Request};

use crate::{{type}};

impl HeaderInjector for {{type}} {
    fn inject(
        &self,
        _host: &impl Host,
        _request: &Request,
        principal: &Principal,
        _upstream: &Upstream,
    ) -> Result<Vec<Header>, Denial> {
        if principal.name.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Header::literal(&self.settings.principal_header, &principal.name)])
    }
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::header_injector::Header;
    use mcpjungle_policy::testing::{FakeHost, client, principal, request, upstream};
    use mcpjungle_policy::{HeaderInjector, PrincipalKind};

    use crate::policy;

    #[test]
    fn upstreams_are_told_who_asks_where_that_is_known() {
        let policy = policy("{}");
        let inject =
            |principal| policy.inject(&FakeHost::new(), &request(), &principal, &upstream("github", &[])).unwrap();
        assert_eq!(inject(client("cursor")), [Header::literal("x-principal", "cursor")]);
        assert_eq!(inject(principal(PrincipalKind::Anonymous, "", &["*"])), []);
    }
}
