//! A header-injector: requests to an upstream server carry the credential of whoever they are made for. It says
//! which one; the gateway fills it in, so that none passes through here.

use mcpjungle_policy::header_injector::{Header, Transport, Upstream};
use mcpjungle_policy::{Denial, HeaderInjector, Host, Policy, Principal, PrincipalKind, Request, matches};
use schemars::JsonSchema;
use serde::Deserialize;

/// Which credential goes where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// All entries that fit the server are followed, in their order.
    credentials: Vec<Credential>,
}

/// One credential of each principal.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Credential {
    /// Patterns for the names of servers.
    servers: Vec<String>,
    /// The name of the secret. `{server}`, `{principal}`, `{kind}` and `{attribute:NAME}` stand for what the
    /// request is about, as in `github/{principal}`.
    secret: String,
    /// The header to send it in.
    #[serde(default = "authorization")]
    header: String,
    /// What goes before it.
    #[serde(default = "bearer")]
    prefix: String,
    /// What becomes of requests of a principal that has none.
    #[serde(default)]
    when_missing: WhenMissing,
    /// The name of the secret for what the gateway asks on its own account, such as which tools there are.
    /// Without it such requests go without this header.
    for_gateway: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WhenMissing {
    /// Refused.
    #[default]
    Deny,
    /// Sent without this header, or with what an earlier injector put there.
    Skip,
}

fn authorization() -> String {
    "Authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

struct UserCredential {
    rules: Vec<Rule>,
}

/// A credential with its template read.
struct Rule {
    credential: Credential,
    template: Vec<Piece>,
}

enum Piece {
    Text(String),
    Server,
    Principal,
    Kind,
    Attribute(String),
}

impl Policy for UserCredential {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let rule = |credential: Credential| {
            let template = read_template(&credential.secret)?;
            let is_personal = |piece: &Piece| matches!(piece, Piece::Principal | Piece::Attribute(_));
            if !template.iter().any(is_personal) {
                let secret = &credential.secret;
                return Err(format!("the secret `{secret}` is the same for all: name it with {{principal}}"));
            }
            check_separators(&template).map_err(|problem| format!("the secret `{}` {problem}", credential.secret))?;
            Ok(Rule { credential, template })
        };
        let rules: Vec<Rule> = settings.credentials.into_iter().map(rule).collect::<Result<_, _>>()?;
        for own in rules.iter().filter_map(|rule| rule.credential.for_gateway.as_deref()) {
            if let Some(theirs) = rules.iter().find(|rule| may_name(&rule.template, own)) {
                return Err(format!(
                    "the gateway's secret `{own}` could be somebody's, as `{}` may name it: \
                     give it a name that is none of theirs, such as `gateway-of-github`",
                    theirs.credential.secret
                ));
            }
        }
        Ok(Self { rules })
    }
}

/// Text, and what stands in braces.
fn read_template(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some((text, after)) = rest.split_once('{') {
        let Some((word, after)) = after.split_once('}') else {
            return Err(format!("in `{template}` a brace is not closed"));
        };
        pieces.push(Piece::Text(text.to_owned()));
        pieces.push(match (word, word.strip_prefix("attribute:")) {
            ("server", _) => Piece::Server,
            ("principal", _) => Piece::Principal,
            ("kind", _) => Piece::Kind,
            (_, Some(name)) if !name.is_empty() => Piece::Attribute(name.to_owned()),
            _ => {
                let known = "{server}, {principal}, {kind} and {attribute:NAME}";
                return Err(format!("`{{{word}}}` in `{template}` is unknown: there are {known}"));
            }
        });
        rest = after;
    }
    pieces.push(Piece::Text(rest.to_owned()));
    Ok(pieces)
}

/// What fills one place must not run into what fills the next: `a-b` and `c`, or `a` and `b-c`?
fn check_separators(template: &[Piece]) -> Result<(), &'static str> {
    // Text and places alternate, with text at both ends.
    let text = |piece: &Piece| match piece {
        Piece::Text(text) => Some(text.chars().all(is_plain)),
        _ => None,
    };
    let are_plain: Vec<bool> = template.iter().filter_map(text).collect();
    match &are_plain[..] {
        [_before, between @ .., _behind] if between.contains(&true) => {
            Err("has two places that run into each other: put a `/` between them")
        }
        _ => Ok(()),
    }
}

/// Whether a template could come to this name, whoever the principal is.
fn may_name(template: &[Piece], name: &str) -> bool {
    match template {
        [] => name.is_empty(),
        [Piece::Text(text), rest @ ..] => name.strip_prefix(text.as_str()).is_some_and(|name| may_name(rest, name)),
        [_filled, rest @ ..] => {
            let longest = name.find(|character| !is_plain(character)).unwrap_or(name.len());
            (1..=longest).any(|length| may_name(rest, &name[length..]))
        }
    }
}

/// What the name of a secret may hold, but for the `/` that parts it.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || "._@-".contains(character)
}

impl HeaderInjector for UserCredential {
    fn inject(
        &self,
        host: &impl Host,
        _request: &Request,
        principal: &Principal,
        upstream: &Upstream,
    ) -> Result<Vec<Header>, Denial> {
        // Headers do not reach a process.
        if upstream.transport == Transport::Stdio {
            return Ok(Vec::new());
        }
        let mut headers: Vec<Header> = Vec::new();
        for rule in &self.rules {
            if let Some(header) = rule.header(host, principal, upstream)? {
                // A header that is there twice is no answer; a later entry overrides an earlier one.
                headers.retain(|earlier| !earlier.name.eq_ignore_ascii_case(&header.name));
                headers.push(header);
            }
        }
        Ok(headers)
    }
}

impl Rule {
    fn header(&self, host: &impl Host, principal: &Principal, upstream: &Upstream) -> Result<Option<Header>, Denial> {
        let Credential { servers, header, prefix, when_missing, for_gateway, .. } = &self.credential;
        if !servers.iter().any(|pattern| matches(pattern, &upstream.name)) {
            return Ok(None);
        }
        let is_gateway = principal.kind == PrincipalKind::Gateway;
        let name = if is_gateway { for_gateway.clone() } else { self.secret_name(principal, upstream) };
        let Some(name) = name.filter(|name| host.has_secret(name)) else {
            if is_gateway || *when_missing == WhenMissing::Skip {
                return Ok(None);
            }
            let reason = format!("`{}` has no credential for the server `{}`", principal.name, upstream.name);
            return Err(Denial::new("no-credential", reason));
        };
        Ok(Some(Header::granted_secret(header, prefix, name)))
    }

    /// The name of the principal's secret; none where what it would be made of is not there, or could be read as
    /// something else: a `/` in a name would lead to somebody else's.
    fn secret_name(&self, principal: &Principal, upstream: &Upstream) -> Option<String> {
        let mut name = String::new();
        for piece in &self.template {
            let filled = match piece {
                Piece::Text(text) => {
                    name.push_str(text);
                    continue;
                }
                Piece::Server => &upstream.name,
                Piece::Principal => principal.name.as_str(),
                Piece::Kind => principal.kind.name(),
                Piece::Attribute(attribute) => principal.attribute(attribute)?,
            };
            if filled.is_empty() || !filled.chars().all(is_plain) || filled.starts_with('.') {
                return None;
            }
            name.push_str(filled);
        }
        Some(name)
    }
}

mcpjungle_policy::export!(UserCredential: header_injector);

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, principal, request, upstream, with_attribute};

    use super::*;

    fn policy(credential: &str) -> Result<UserCredential, String> {
        let text = format!(r#"{{"credentials":[{credential}]}}"#);
        UserCredential::new(serde_json::from_str(&text).map_err(|error| error.to_string())?)
    }

    fn host() -> FakeHost {
        FakeHost::new()
            .with_secret("github/ann", "ann's")
            .with_secret("gateway-of-github", "gateway's")
            .with_secret("eu/ann", "eu's")
    }

    fn inject(policy: &UserCredential, principal: &Principal, server: &str) -> Result<Vec<Header>, String> {
        policy.inject(&host(), &request(), principal, &upstream(server, &[])).map_err(|denial| denial.code)
    }

    const GITHUB: &str = r#"{"servers":["git*"],"secret":"{server}/{principal}","for_gateway":"gateway-of-github"}"#;

    #[test]
    fn everybody_has_their_own_and_who_has_none_is_refused() {
        let policy = policy(GITHUB).unwrap();
        let of_ann = vec![Header::granted_secret("Authorization", "Bearer ", "github/ann")];
        assert_eq!(inject(&policy, &client("ann"), "github"), Ok(of_ann));
        assert_eq!(inject(&policy, &client("ann"), "time"), Ok(Vec::new()));
        for name in ["bob", "x/../ann"] {
            assert_eq!(inject(&policy, &client(name), "github"), Err("no-credential".to_owned()), "{name}");
        }
        let anonymous = principal(PrincipalKind::Anonymous, "", &["*"]);
        assert_eq!(inject(&policy, &anonymous, "github"), Err("no-credential".to_owned()));
    }

    #[test]
    fn the_gateway_has_one_of_its_own_or_none() {
        let gateway = principal(PrincipalKind::Gateway, "", &[]);
        let own = vec![Header::granted_secret("Authorization", "Bearer ", "gateway-of-github")];
        assert_eq!(inject(&policy(GITHUB).unwrap(), &gateway, "github"), Ok(own));
        let without = policy(r#"{"servers":["*"],"secret":"{principal}"}"#).unwrap();
        assert_eq!(inject(&without, &gateway, "github"), Ok(Vec::new()));
    }

    #[test]
    fn names_may_be_made_of_attributes_and_headers_are_as_set() {
        let credential = r#"{"servers":["*"],"secret":"{attribute:region}/{principal}","header":"X-Key","prefix":"",
                             "when_missing":"skip"}"#;
        let policy = policy(credential).unwrap();
        let ann = with_attribute(client("ann"), "region", "eu");
        assert_eq!(inject(&policy, &ann, "any"), Ok(vec![Header::granted_secret("X-Key", "", "eu/ann")]));
        assert_eq!(inject(&policy, &client("ann"), "any"), Ok(Vec::new()));
    }

    #[test]
    fn templates_that_cannot_be_meant_are_refused() {
        for (secret, word) in [
            ("{server", "not closed"),
            ("{principle}", "unknown"),
            ("{server}", "same for all"),
            ("{server}-{principal}", "run into each other"),
            ("{server}{principal}", "run into each other"),
            ("of-{kind}/{attribute:region}.{principal}/key", "run into each other"),
        ] {
            let error = policy(&format!(r#"{{"servers":["*"],"secret":"{secret}"}}"#)).err().unwrap();
            assert!(error.contains(word), "{secret}: {error}");
        }
    }

    #[test]
    fn what_could_be_somebodys_is_not_the_gateways() {
        for (secret, own, is_theirs) in [
            ("{server}/{principal}", "github/gateway", true),
            ("{server}/{principal}", "gateway/github", true),
            ("{server}/{principal}", "gateway", false),
            ("{server}/{principal}", "github/gateway/own", false),
            ("of/{principal}", "github/gateway", false),
            ("of/{principal}/key", "of/gateway/key", true),
        ] {
            let made = policy(&format!(r#"{{"servers":["*"],"secret":"{secret}","for_gateway":"{own}"}}"#));
            assert_eq!(made.is_err_and(|error| error.contains("could be somebody's")), is_theirs, "{secret}, {own}");
        }
        // Nor by way of another entry.
        let theirs = r#"{"servers":["github"],"secret":"{server}/{principal}"}"#;
        let own = r#"{"servers":["jira"],"secret":"jira/{principal}","for_gateway":"github/gateway"}"#;
        assert!(policy(&format!("{theirs},{own}")).is_err_and(|error| error.contains("could be somebody's")));
    }
}
