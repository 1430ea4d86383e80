//! From the contract's types to the host's. What an answer may not say is found
//! here; each problem is put as the end of "gave a malformed answer: …".

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde::de::IgnoredAny;

use crate::pipeline::{
    Authentication, Decision, InjectedHeader, InjectedValue, Listing, Principal, PrincipalKind, Reason, Review,
    UpstreamView, Validity,
};
use crate::plugin::state::NoSecret;
use crate::plugin::v0_1::{authenticator, guard, header_injector, types};
use crate::secret::Secret;
use crate::server::is_reserved_header;

/// A problem with an answer.
type Problem = String;

/// More than any upstream wants, and far fewer than the host's own table of headers can hold.
const MOST_HEADERS: usize = 64;
/// Of a name that is not one, so many characters are repeated.
const SHOWN_CHARS: usize = 64;

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

/// `find_secret` gives the secrets that the injector was granted.
pub(super) fn headers(
    answer: Vec<header_injector::Header>,
    upstream: &UpstreamView<'_>,
    find_secret: impl Fn(&str) -> Result<Secret, NoSecret>,
) -> Result<Vec<InjectedHeader>, Problem> {
    if answer.len() > MOST_HEADERS {
        return Err(format!("{} headers, more than {MOST_HEADERS}", answer.len()));
    }
    let headers: Vec<_> =
        answer.into_iter().map(|answer| header(answer, upstream, &find_secret)).collect::<Result<_, _>>()?;
    let mut seen = HashSet::with_capacity(headers.len());
    // Names compare without case by now.
    match headers.iter().find(|header| !seen.insert(&header.name)) {
        Some(twice) => Err(format!("the header `{}` is given twice", shown(twice.name.as_str()))),
        None => Ok(headers),
    }
}

fn header(
    answer: header_injector::Header,
    upstream: &UpstreamView<'_>,
    find_secret: &impl Fn(&str) -> Result<Secret, NoSecret>,
) -> Result<InjectedHeader, Problem> {
    let name = HeaderName::from_bytes(answer.name.as_bytes())
        .map_err(|_| format!("`{}` is not the name of a header", shown(&answer.name)))?;
    if is_reserved_header(&name) {
        return Err(format!("the header `{}` cannot be set", shown(name.as_str())));
    }
    let value = match answer.value {
        header_injector::HeaderValue::Literal(text) => {
            check_value(&name, &text)?;
            InjectedValue::Literal(text)
        }
        header_injector::HeaderValue::Secret(secret) => {
            check_value(&name, &secret.prefix)?;
            if !upstream.secret_names.contains(&secret.name) {
                return Err(format!("the upstream has no secret `{}`", shown(&secret.name)));
            }
            InjectedValue::Secret { prefix: secret.prefix, name: secret.name }
        }
        header_injector::HeaderValue::GrantedSecret(secret) => {
            check_value(&name, &secret.prefix)?;
            let value = granted_secret(&secret.name, find_secret)?;
            InjectedValue::GrantedSecret { prefix: secret.prefix, name: secret.name, value }
        }
    };
    Ok(InjectedHeader { name, value })
}

/// Who keeps secrets learns here which one is missing or cannot be sent, and nobody what it is.
fn granted_secret(name: &str, find: &impl Fn(&str) -> Result<Secret, NoSecret>) -> Result<Secret, Problem> {
    let shown = shown(name);
    let secret = find(name).map_err(|reason| match reason {
        NoSecret::NotGranted => format!("the secret `{shown}` is not granted: grant it with `secret:{shown}`"),
        NoSecret::NotSet => format!("the secret `{shown}` is not set: set it with `mcpjungle plugin secret set`"),
    })?;
    // Files often end with a line break, which a header cannot hold.
    let value = secret.expose().trim();
    if value.is_empty() || HeaderValue::from_str(value).is_err() {
        return Err(format!("the secret `{shown}` is empty, or holds what the value of a header cannot"));
    }
    Ok(Secret::new(value))
}

/// The value is not repeated: it may be a credential.
fn check_value(name: &HeaderName, value: &str) -> Result<(), Problem> {
    HeaderValue::from_str(value)
        .map(|_| ())
        .map_err(|_| format!("the value of the header `{}` is not one", shown(name.as_str())))
}

/// A name as a message may repeat it: on one line, and not longer than a line.
fn shown(name: &str) -> String {
    let mut shown: String = name.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
    if name.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    shown
}

/// Arguments are a JSON object, whatever the client sent.
pub(super) fn arguments_review(answer: guard::Review) -> Result<Review, Problem> {
    type Object = BTreeMap<String, IgnoredAny>;
    review(answer, "a JSON object", |text| serde_json::from_str::<Object>(text).map(|_| ()))
}

pub(super) fn result_review(answer: guard::Review) -> Result<Review, Problem> {
    review(answer, "JSON", |text| serde_json::from_str::<IgnoredAny>(text).map(|_| ()))
}

fn review(
    answer: guard::Review,
    expected: &str,
    check: impl FnOnce(&str) -> serde_json::Result<()>,
) -> Result<Review, Problem> {
    match answer {
        guard::Review::Pass => Ok(Review::Pass),
        guard::Review::Rewrite(text) => match check(&text) {
            Ok(()) => Ok(Review::Rewrite(Bytes::from(text))),
            // Where it is wrong, not what stands there: arguments and results may be secret.
            Err(error) => {
                Err(format!("the rewritten text is not {expected} (line {}, column {})", error.line(), error.column()))
            }
        },
        guard::Review::Deny(denial) => Ok(Review::Deny(reason(denial))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::ServerName;

    fn inject(name: &str, value: header_injector::HeaderValue) -> Result<Vec<InjectedHeader>, Problem> {
        inject_all(vec![header_injector::Header { name: name.to_owned(), value }])
    }

    fn inject_all(answer: Vec<header_injector::Header>) -> Result<Vec<InjectedHeader>, Problem> {
        let server = ServerName::parse("github").unwrap();
        let secret_names = ["bearer-token".to_owned()];
        let upstream = UpstreamView { name: &server, transport: "streamable_http", secret_names: &secret_names };
        headers(answer, &upstream, |name| match name {
            "github/ann" => Ok(Secret::new(" s3cret\n")),
            "github/lines" => Ok(Secret::new("s3cret\nX-Admin: 1")),
            "github/blank" => Ok(Secret::new(" ")),
            "github/bob" => Err(NoSecret::NotSet),
            _ => Err(NoSecret::NotGranted),
        })
    }

    fn reference(prefix: &str, name: &str) -> header_injector::SecretReference {
        header_injector::SecretReference { prefix: prefix.to_owned(), name: name.to_owned() }
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
        let secret = |name| header_injector::HeaderValue::Secret(reference("Bearer ", name));
        assert!(inject("Authorization", secret("bearer-token")).is_ok());
        assert_eq!(inject("Authorization", secret("other")).unwrap_err(), "the upstream has no secret `other`");
    }

    #[test]
    fn a_secret_that_was_granted_is_filled_in_and_one_that_cannot_be_is_named_and_not_shown() {
        let inject = |prefix, name| {
            inject("Authorization", header_injector::HeaderValue::GrantedSecret(reference(prefix, name)))
        };
        let headers = inject("Bearer ", "github/ann").unwrap();
        let (prefix, name) = ("Bearer ".to_owned(), "github/ann".to_owned());
        assert_eq!(headers[0].value, InjectedValue::GrantedSecret { prefix, name, value: Secret::new("s3cret") });
        assert!(!format!("{headers:?}").contains("s3cret"));
        for (name, expected) in [
            ("github/bob", "the secret `github/bob` is not set: set it with `mcpjungle plugin secret set`"),
            ("bearer-token", "the secret `bearer-token` is not granted: grant it with `secret:bearer-token`"),
            ("github/lines", "the secret `github/lines` is empty, or holds what the value of a header cannot"),
            ("github/blank", "the secret `github/blank` is empty, or holds what the value of a header cannot"),
        ] {
            assert_eq!(inject("Bearer ", name).unwrap_err(), expected);
        }
        let problem = inject("a\nb", "github/ann").unwrap_err();
        assert_eq!(problem, "the value of the header `authorization` is not one");
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
    fn headers_are_few_and_each_is_given_once() {
        let named = |name: String| header_injector::Header { name, value: literal("x") };
        let numbered = |count: usize| (0..count).map(|number| named(format!("x-{number}"))).collect();
        assert_eq!(inject_all(numbered(MOST_HEADERS)).unwrap().len(), MOST_HEADERS);
        assert_eq!(inject_all(numbered(30_000)).unwrap_err(), "30000 headers, more than 64");
        let twice = vec![named("X-Team".to_owned()), named("x-team".to_owned())];
        assert_eq!(inject_all(twice).unwrap_err(), "the header `x-team` is given twice");
    }

    #[test]
    fn a_long_name_is_not_repeated_in_full() {
        let cut = format!("`{}…`", "ä".repeat(SHOWN_CHARS));
        assert!(inject(&"ä".repeat(100_000), literal("x")).unwrap_err().starts_with(&cut));
        for (name, value) in [("content-".to_owned(), "x"), ("x-".to_owned(), "\n")] {
            let problem = inject(&(name + &"a".repeat(10_000)), literal(value)).unwrap_err();
            assert!(problem.len() < 2 * SHOWN_CHARS, "{problem}");
        }
        assert_eq!(inject("a\nb", literal("x")).unwrap_err(), "`a\\nb` is not the name of a header");
    }

    #[test]
    fn a_rewrite_must_be_json_and_one_of_arguments_an_object() {
        let rewrite = |text: &str| guard::Review::Rewrite(text.to_owned());
        let object = Review::Rewrite(Bytes::from_static(br#"{"a": 1.0}"#));
        assert_eq!(arguments_review(rewrite(r#"{"a": 1.0}"#)).unwrap(), object);
        assert_eq!(result_review(rewrite(r#"{"a": 1.0}"#)).unwrap(), object);
        for text in ["{", "{} {}", "", "secret"] {
            assert!(arguments_review(rewrite(text)).is_err(), "{text}");
            let problem = result_review(rewrite(text)).unwrap_err();
            assert!(problem.starts_with("the rewritten text is not JSON (line 1"), "{problem}");
        }
        for text in ["[]", "1", "null", r#""secret""#] {
            let problem = arguments_review(rewrite(text)).unwrap_err();
            assert!(problem.starts_with("the rewritten text is not a JSON object (line 1"), "{problem}");
            assert!(!problem.contains("secret"));
            assert!(result_review(rewrite(text)).is_ok(), "{text}");
        }
    }
}
