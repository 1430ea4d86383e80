//! Who is calling?

use mcpjungle_policy::authenticator::{Authentication, HttpRequest};
use mcpjungle_policy::{Authenticator, Endpoint, Host, Principal, PrincipalKind};

use crate::{{type}};

impl Authenticator for {{type}} {
    /// Lets a stored client in by its token in a header of the administrator's choice. Everything
    /// else is left to the authenticators behind this one.
    fn authenticate(&self, host: &impl Host, request: &HttpRequest) -> Authentication {
        // A client's token does not open the admin API.
        if matches!(request.endpoint, Endpoint::Api) {
            return Authentication::Abstain;
        }
        let token = request.header(&self.settings.token_header);
        match token.and_then(|token| host.find_by_token(token)) {
            Some(client) if client.kind == PrincipalKind::Client => Authentication::Authenticated(Principal {
                kind: client.kind,
                name: client.name,
                allow: client.allow,
                attributes: Vec::new(),
            }),
            _ => Authentication::Abstain,
        }
    }
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::authenticator::Authentication;
    use mcpjungle_policy::testing::{FakeHost, http_request};
    use mcpjungle_policy::{Authenticator, Endpoint};

    use crate::policy;

    #[test]
    fn a_clients_token_lets_it_in_with_its_own_allow_list() {
        let host = FakeHost::new().with_client("t0ken", "cursor", &["github"]);
        let answer = policy("{}").authenticate(&host, &http_request(&[("X-Api-Key", "t0ken")]));
        let Authentication::Authenticated(principal) = answer else { panic!("{answer:?}") };
        assert_eq!((principal.name.as_str(), principal.allow), ("cursor", vec!["github".to_owned()]));
    }

    #[test]
    fn everything_else_is_left_to_others() {
        let host = FakeHost::new().with_client("t0ken", "cursor", &[]).with_admin("adm1n", "ann");
        let policy = policy(r#"{"token_header": "x-key"}"#);
        for headers in [&[][..], &[("x-key", "other")], &[("x-api-key", "t0ken")], &[("x-key", "adm1n")]] {
            let answer = policy.authenticate(&host, &http_request(headers));
            assert_eq!(answer, Authentication::Abstain, "{headers:?}");
        }
        let mut for_api = http_request(&[("x-key", "t0ken")]);
        for_api.endpoint = Endpoint::Api;
        assert_eq!(policy.authenticate(&host, &for_api), Authentication::Abstain);
    }
}
