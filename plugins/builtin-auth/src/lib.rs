//! The stock authenticator: in development mode everybody is anonymous and may
//! use everything; in enterprise mode a token names a client, a user or an admin.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package mcpjungle:builtin-auth;
            world plugin {
                include mcpjungle:policy/configured@0.1.0;
                include mcpjungle:policy/authentication@0.1.0;
            }
        ",
        path: "../../wit/v0.1",
        world: "mcpjungle:builtin-auth/plugin",
        generate_all,
    });
}

use bindings::exports::mcpjungle::policy::authenticator::{self, Authentication, Header, HttpRequest};
use bindings::exports::mcpjungle::policy::configuration::{self, Description};
use bindings::mcpjungle::policy::directory::{self, Identity};
use bindings::mcpjungle::policy::types::{Denial, Endpoint, Mode, Principal, PrincipalKind};

struct BuiltinAuth;

impl configuration::Guest for BuiltinAuth {
    fn describe() -> Description {
        Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "A token names a client, a user or an admin; in development mode everybody is anonymous."
                .to_owned(),
            settings_schema: Some(r#"{"type":"object","additionalProperties":false}"#.to_owned()),
        }
    }

    fn accept(_settings: String) -> Result<(), String> {
        Ok(())
    }
}

impl authenticator::Guest for BuiltinAuth {
    fn authenticate(request: HttpRequest) -> Authentication {
        authenticate(directory::get_mode(), &request, directory::find_by_token)
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(BuiltinAuth with_types_in bindings);

fn authenticate(
    mode: Mode,
    request: &HttpRequest,
    find_by_token: impl FnOnce(&str) -> Option<Identity>,
) -> Authentication {
    match mode {
        Mode::Development => Authentication::Authenticated(anonymous()),
        Mode::Enterprise => match find_token(&request.headers).and_then(find_by_token) {
            Some(identity) => admit(identity, &request.endpoint),
            None => Authentication::Abstain,
        },
    }
}

fn anonymous() -> Principal {
    Principal {
        kind: PrincipalKind::Anonymous,
        name: String::new(),
        allow: vec!["*".to_owned()],
        attributes: Vec::new(),
    }
}

/// The token of the one `Authorization` header, with or without `Bearer ` before it.
/// Several such headers name nobody: one hop might look at the first, the next at the last.
fn find_token(headers: &[Header]) -> Option<&str> {
    let mut values = headers.iter().filter(|header| header.name == "authorization").map(|header| &header.value);
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let value = str::from_utf8(value).ok()?.trim();
    let token = match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim_start(),
        _ => value,
    };
    (!token.is_empty()).then_some(token)
}

/// A client's token opens the MCP endpoints and a user's the API, never the other way round.
fn admit(identity: Identity, endpoint: &Endpoint) -> Authentication {
    let for_api = matches!(endpoint, Endpoint::Api);
    match identity.kind {
        PrincipalKind::Client if for_api => denied("a client's token does not open the API"),
        PrincipalKind::User | PrincipalKind::Admin if !for_api => {
            denied("a user's token does not open the MCP endpoints")
        }
        PrincipalKind::Client | PrincipalKind::User | PrincipalKind::Admin => {
            Authentication::Authenticated(Principal {
                kind: identity.kind,
                name: identity.name,
                allow: identity.allow,
                attributes: Vec::new(),
            })
        }
        PrincipalKind::Anonymous | PrincipalKind::Gateway => Authentication::Abstain,
    }
}

fn denied(reason: &str) -> Authentication {
    Authentication::Denied(Denial { code: "wrong-endpoint".to_owned(), reason: reason.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(endpoint: Endpoint, authorization: &[&str]) -> HttpRequest {
        let header = |value: &&str| Header { name: "authorization".to_owned(), value: value.as_bytes().to_vec() };
        HttpRequest {
            id: "1".to_owned(),
            endpoint,
            method: "POST".to_owned(),
            path: "/mcp".to_owned(),
            headers: authorization.iter().map(header).collect(),
            peer: "127.0.0.1".to_owned(),
        }
    }

    fn find(token: &str) -> Option<Identity> {
        let (kind, name) = match token {
            "client-token" => (PrincipalKind::Client, "cursor"),
            "user-token" => (PrincipalKind::User, "alice"),
            "admin-token" => (PrincipalKind::Admin, "root"),
            _ => return None,
        };
        Some(Identity { kind, name: name.to_owned(), allow: vec!["github".to_owned()] })
    }

    /// `kind name`, `denied` or `abstain`.
    fn ask(mode: Mode, endpoint: Endpoint, authorization: &[&str]) -> String {
        match authenticate(mode, &request(endpoint, authorization), find) {
            Authentication::Authenticated(principal) => format!("{:?} {}", principal.kind, principal.name),
            Authentication::Abstain => "abstain".to_owned(),
            Authentication::Denied(_) => "denied".to_owned(),
        }
    }

    #[test]
    fn everybody_is_anonymous_and_may_use_everything_in_development_mode() {
        let answer = authenticate(Mode::Development, &request(Endpoint::Main, &["Bearer nonsense"]), |_| None);
        let Authentication::Authenticated(principal) = answer else { panic!("not authenticated") };
        assert_eq!((principal.kind, principal.allow), (PrincipalKind::Anonymous, vec!["*".to_owned()]));
    }

    #[test]
    fn a_token_names_its_owner_in_enterprise_mode() {
        for value in ["Bearer client-token", "bearer client-token", "BEARER  client-token", "client-token"] {
            assert_eq!(ask(Mode::Enterprise, Endpoint::Main, &[value]), "PrincipalKind::Client cursor", "{value}");
        }
        assert_eq!(ask(Mode::Enterprise, Endpoint::Api, &["Bearer user-token"]), "PrincipalKind::User alice");
        assert_eq!(ask(Mode::Enterprise, Endpoint::Api, &["Bearer admin-token"]), "PrincipalKind::Admin root");
    }

    #[test]
    fn a_request_without_a_known_token_is_left_to_the_next_authenticator() {
        for values in [&[][..], &["Bearer unknown"], &["Bearer "], &["Basic client-token"]] {
            assert_eq!(ask(Mode::Enterprise, Endpoint::Main, values), "abstain", "{values:?}");
        }
        assert_eq!(ask(Mode::Enterprise, Endpoint::Main, &["Bearer client-token", "Bearer client-token"]), "abstain");
    }

    #[test]
    fn a_token_opens_only_its_own_kind_of_endpoint() {
        assert_eq!(ask(Mode::Enterprise, Endpoint::Api, &["Bearer client-token"]), "denied");
        for endpoint in [Endpoint::Main, Endpoint::Group("g".to_owned()), Endpoint::Server("s".to_owned())] {
            assert_eq!(ask(Mode::Enterprise, endpoint.clone(), &["Bearer user-token"]), "denied");
            assert_eq!(ask(Mode::Enterprise, endpoint, &["Bearer admin-token"]), "denied");
        }
    }
}
