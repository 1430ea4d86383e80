//! What a case expects: an answer as the component gives it, of which only what is named counts.

use std::collections::BTreeMap;

use serde::de::{Deserialize, Deserializer, Error};
use serde_json::{Value, json};

use crate::workbench::cases::words::{TextOrKeys, Written, unknown};
use crate::workbench::question::word;

/// The words that are a whole answer.
const WORDS: [&str; 5] = ["allow", "deny", "abstain", "pass", "told"];
/// How a component may fail.
const FAILURES: [&str; 8] = ["trap", "deadline", "memory", "host-calls", "malformed", "saturated", "settings", "start"];

/// An expected answer.
#[derive(Debug, Clone)]
pub(crate) struct Expectation {
    /// The kind of answer: the one key of `answer` that says so.
    pub(crate) kind: &'static str,
    /// As answers are written, with what is named only.
    pub(crate) answer: Value,
    /// Texts that lines of the component's log contain.
    pub(crate) log: Vec<String>,
}

impl<'de> Deserialize<'de> for Expectation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        TextOrKeys::<Self>::deserialize(deserializer).map(|expectation| expectation.0)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    answer: Option<String>,
    deny: Option<TextOrKeys<Deny>>,
    visible: Option<Vec<String>>,
    holds: Option<Holds>,
    principal: Option<Principal>,
    #[serde(default, deserialize_with = "present")]
    rewrite: Option<Value>,
    headers: Option<BTreeMap<String, TextOrKeys<Header>>>,
    fails: Option<String>,
    log: Option<OneOrMany>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Principal {
    kind: Option<String>,
    name: Option<String>,
    allow: Option<Vec<String>>,
    attributes: Option<BTreeMap<String, String>>,
}

struct Deny(Value);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct DenyKeys {
    code: Option<String>,
    reason: Option<String>,
}

impl Written for Deny {
    type Keys<'de> = DenyKeys;
    const EXPECTED: &'static str = "the code of a denial, or {code: …, reason: …}";

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        Ok(Self(json!({ "code": text })))
    }

    fn of_keys<E: Error>(keys: DenyKeys) -> Result<Self, E> {
        Ok(Self(named([("code", keys.code.map(Value::from)), ("reason", keys.reason.map(Value::from))])))
    }
}

struct Header(Value);

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderKeys {
    secret: Option<String>,
    granted_secret: Option<String>,
    prefix: Option<String>,
}

impl Written for Header {
    type Keys<'de> = HeaderKeys;
    const EXPECTED: &'static str = "a header's value, {secret: NAME, prefix: …} or {granted_secret: NAME, prefix: …}";

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        Ok(Self(json!(text)))
    }

    fn of_keys<E: Error>(keys: HeaderKeys) -> Result<Self, E> {
        let secret = match (keys.secret, keys.granted_secret) {
            (Some(secret), None) => ("secret", Some(secret.into())),
            (None, Some(secret)) => ("granted_secret", Some(secret.into())),
            _ => return Err(E::custom("a header is set to one of secret and granted_secret")),
        };
        Ok(Self(named([secret, ("prefix", keys.prefix.map(Value::from))])))
    }
}

/// How long a list holds: a word, or milliseconds.
struct Holds(Value);

impl<'de> Deserialize<'de> for Holds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        match value.as_str() {
            Some("until-change" | "not-kept") => Ok(Self(value)),
            None if value.is_u64() => Ok(Self(value)),
            _ => Err(D::Error::custom("a list holds `until-change`, `not-kept`, or a number of milliseconds")),
        }
    }
}

struct OneOrMany(Vec<String>);

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let texts = match Value::deserialize(deserializer)? {
            Value::String(text) => Some(vec![text]),
            Value::Array(values) => values.iter().map(|value| value.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.map(Self).ok_or_else(|| D::Error::custom("`log` is a text or a list of texts"))
    }
}

/// Tells `null` from nothing at all.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// An object of what was named.
fn named<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let fields = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect())
}

impl Written for Expectation {
    type Keys<'de> = Keys;
    const EXPECTED: &'static str = "what is expected, such as `allow`, {deny: CODE} or {visible: [ITEM, …]}";

    fn of_text<E: Error>(text: &str) -> Result<Self, E> {
        match WORDS.into_iter().find(|known| *known == text) {
            Some(kind) => Ok(Self { kind, answer: word(kind), log: Vec::new() }),
            None => Err(E::custom(unknown("answer", text, &WORDS))),
        }
    }

    fn of_keys<E: Error>(keys: Keys) -> Result<Self, E> {
        if let Some(failure) = keys.fails.as_deref().filter(|word| !FAILURES.contains(word)) {
            return Err(E::custom(unknown("failure", failure, &FAILURES)));
        }
        let principal = |principal: Principal| {
            named([
                ("kind", principal.kind.map(Value::from)),
                ("name", principal.name.map(Value::from)),
                ("allow", principal.allow.map(Value::from)),
                ("attributes", principal.attributes.map(|attributes| json!(attributes))),
            ])
        };
        let headers = |headers: BTreeMap<String, TextOrKeys<Header>>| {
            let fields = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value.0.0));
            Value::Object(fields.collect())
        };
        let answers: [(&'static str, Option<Value>); 6] = [
            ("deny", keys.deny.map(|deny| deny.0.0)),
            ("visible", keys.visible.map(Value::from)),
            ("principal", keys.principal.map(principal)),
            ("rewrite", keys.rewrite),
            ("headers", keys.headers.map(headers)),
            ("fails", keys.fails.map(Value::from)),
        ];
        let mut given: Vec<Self> = keys.answer.as_deref().map(Self::of_text).transpose()?.into_iter().collect();
        given.extend(
            answers
                .into_iter()
                .filter_map(|(kind, value)| Some(Self { kind, answer: json!({ kind: value? }), log: Vec::new() })),
        );
        let (Some(mut expectation), true) = (given.pop(), given.is_empty()) else {
            return Err(E::custom(
                "expect exactly one of answer, deny, visible, principal, rewrite, headers and fails \
                 (and maybe holds beside visible, and log beside any)",
            ));
        };
        if let Some(Holds(holds)) = keys.holds {
            if expectation.kind != "visible" {
                return Err(E::custom("`holds` is said of lists: it stands beside `visible`"));
            }
            expectation.answer["holds"] = holds;
        }
        expectation.log = keys.log.map(|log| log.0).unwrap_or_default();
        Ok(expectation)
    }
}
