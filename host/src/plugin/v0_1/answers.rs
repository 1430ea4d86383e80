//! From the contract's types to the host's. What an answer may not say is found
//! here; each problem is put as the end of "gave a malformed answer: …".

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;

use crate::pipeline::{
    Authentication, Decision, InjectedHeader, InjectedValue, Listing, Principal, PrincipalKind, Reason, Review,
    UpstreamView, Validity,
};
use crate::plugin::v0_1::{authenticator, guard, header_injector, types};
use crate::server::is_reserved_header;

/// A problem with an answer.
type Problem = String;

pub(super) fn authentication(answer: authenticator::Authentication) -> Result<Authentication, Problem> {
    Ok(match answer {
        authenticator::Authentication::Authenticated(answer) => Authentication::Authenticated(principal(answer)?),
        authenticator::Authentication::Abstain => Authentication::Abstain,
        authenticator::Authentication::Denied(denial) => Authentication::Denied(reason(denial)),
    })
}

fn principal(answer: types::PrincipalResult) -> Result<Principal, Problem> {
    Ok(Principal {
        kind: match answer.kind {
            types::PrincipalKind::Anonymous => PrincipalKind::Anonymous,
            types::PrincipalKind::Client => PrincipalKind::Client,
            types::PrincipalKind::User => PrincipalKind::User,
            types::PrincipalKind::Admin => PrincipalKind::Admin,
            // No request from outside is the gateway's own.
            types::PrincipalKind::Gateway => {
                return Err("nobody but the gateway itself is of kind `gateway`".to_owned());
            }
        },
        name: answer.name,
        allow: answer.allow,
        attributes: answer.attributes.into_iter().map(|attribute| (attribute.name, attribute.value)).collect(),
    })
}

pub(super) fn reason(denial: types::Denial) -> Reason {
    Reason { code: denial.code, text: denial.reason }
}

pub(super) fn decision(answer: types::Decision) -> Decision {
    match answer {
        types::Decision::Allow => Decision::Allow,
        types::Decision::Deny(denial) => Decision::Deny(reason(denial)),
    }
}

/// `asked` items were asked about.
pub(super) fn listing(answer: types::Listing, asked: usize) -> Result<Listing, Problem> {
    if answer.visible.len() != asked {
        return Err(format!("{} answers about {asked} items", answer.visible.len()));
    }
    let holds = match answer.holds {
        types::Validity::UntilChange => Validity::UntilChange,
        types::Validity::Milliseconds(milliseconds) => Validity::Milliseconds(milliseconds),
        types::Validity::NotKept => Validity::NotKept,
    };
    Ok(Listing { visible: answer.visible, holds })
}

pub(super) fn headers(
    answer: Vec<header_injector::Header>,
    upstream: &UpstreamView<'_>,
) -> Result<Vec<InjectedHeader>, Problem> {
    answer.into_iter().map(|answer| header(answer, upstream)).collect()
}

fn header(answer: header_injector::Header, upstream: &UpstreamView<'_>) -> Result<InjectedHeader, Problem> {
    let name = HeaderName::from_bytes(answer.name.as_bytes())
        .map_err(|_| format!("`{}` is not the name of a header", answer.name.escape_debug()))?;
    if is_reserved_header(&name) {
        return Err(format!("the header `{name}` cannot be set"));
    }
    let value = match answer.value {
        header_injector::HeaderValue::Literal(text) => {
            check_value(&name, &text)?;
            InjectedValue::Literal(text)
        }
        header_injector::HeaderValue::Secret(secret) => {
            check_value(&name, &secret.prefix)?;
            if !upstream.secret_names.contains(&secret.name) {
                return Err(format!("the upstream has no secret `{}`", secret.name.escape_debug()));
            }
            InjectedValue::Secret { prefix: secret.prefix, name: secret.name }
        }
    };
    Ok(InjectedHeader { name, value })
}

/// The value is not repeated: it may be a credential.
fn check_value(name: &HeaderName, value: &str) -> Result<(), Problem> {
    HeaderValue::from_str(value).map(|_| ()).map_err(|_| format!("the value of the header `{name}` is not one"))
}

pub(super) fn review(answer: guard::Review) -> Result<Review, Problem> {
    match answer {
        guard::Review::Pass => Ok(Review::Pass),
        guard::Review::Rewrite(text) => match serde_json::from_str::<IgnoredAny>(&text) {
            Ok(_) => Ok(Review::Rewrite(Bytes::from(text))),
            Err(error) => Err(format!("the rewritten text is not JSON: {error}")),
        },
        guard::Review::Deny(denial) => Ok(Review::Deny(reason(denial))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ServerName;

    fn inject(name: &str, value: header_injector::HeaderValue) -> Result<Vec<InjectedHeader>, Problem> {
        let server = ServerName::parse("github").unwrap();
        let secret_names = ["bearer-token".to_owned()];
        let upstream = UpstreamView { name: &server, transport: "streamable_http", secret_names: &secret_names };
        headers(vec![header_injector::Header { name: name.to_owned(), value }], &upstream)
    }

    fn literal(text: &str) -> header_injector::HeaderValue {
        header_injector::HeaderValue::Literal(text.to_owned())
    }

    #[test]
    fn headers_of_the_connection_the_body_and_the_protocol_cannot_be_set() {
        for name in
            ["Host", "Connection", "TE", "Transfer-Encoding", "Content-Type", "Content-Length", "Mcp-Session-Id"]
        {
            let problem = inject(name, literal("x")).unwrap_err();
            assert_eq!(problem, format!("the header `{}` cannot be set", name.to_lowercase()));
        }
        assert_eq!(inject("X-Team", literal("x")).unwrap()[0].name, "x-team");
    }

    #[test]
    fn what_is_not_a_header_is_malformed() {
        assert_eq!(inject("X Team", literal("x")).unwrap_err(), "`X Team` is not the name of a header");
        let problem = inject("X-Team", literal("secret\r\nX-Other: 1")).unwrap_err();
        assert_eq!(problem, "the value of the header `x-team` is not one");
    }

    #[test]
    fn only_a_secret_of_the_upstream_can_be_referred_to() {
        let secret = |name: &str| {
            header_injector::HeaderValue::Secret(header_injector::SecretReference {
                prefix: "Bearer ".to_owned(),
                name: name.to_owned(),
            })
        };
        assert!(inject("Authorization", secret("bearer-token")).is_ok());
        assert_eq!(inject("Authorization", secret("other")).unwrap_err(), "the upstream has no secret `other`");
    }

    #[test]
    fn no_authenticator_can_vouch_for_the_gateway() {
        let vouch = |kind| {
            let answer = types::PrincipalResult { kind, name: "x".into(), allow: Vec::new(), attributes: Vec::new() };
            authentication(authenticator::Authentication::Authenticated(answer))
        };
        assert!(vouch(types::PrincipalKind::Admin).is_ok());
        assert!(vouch(types::PrincipalKind::Gateway).unwrap_err().contains("gateway"));
    }

    #[test]
    fn a_rewrite_must_be_json() {
        let rewrite = |text: &str| review(guard::Review::Rewrite(text.to_owned()));
        assert_eq!(rewrite(r#"{"a": 1.0}"#).unwrap(), Review::Rewrite(Bytes::from_static(br#"{"a": 1.0}"#)));
        assert!(rewrite("{").unwrap_err().starts_with("the rewritten text is not JSON"));
        assert!(rewrite("{} {}").is_err());
    }
}
