//! From claims to a principal.

use mcpjungle_policy::{Attribute, Denial, Principal, PrincipalKind};
use serde_json::{Map, Value};

use crate::settings::{Kinds, Settings};

/// Whom a token that counts is of. `warn` is given each attribute that is incomplete.
pub(crate) fn make(claims: &Map<String, Value>, settings: &Settings, warn: impl Fn(&str)) -> Result<Principal, Denial> {
    let name = match find(claims, &settings.name_claim) {
        Some(Value::String(name)) if !name.is_empty() => format!("{}{name}", settings.name_prefix),
        _ => {
            let reason = format!("the token names nobody: it has no text `{}`", settings.name_claim);
            return Err(Denial::new("claim-missing", reason));
        }
    };
    let claimed = settings.allow_claim.as_ref().and_then(|claim| find(claims, claim)).map(words).unwrap_or_default();
    let attribute = |(name, claim): (&String, &String)| {
        let value = text(find(claims, claim)?, || warn(name))?;
        Some(Attribute { name: name.clone(), value })
    };
    Ok(Principal {
        kind: settings.kinds.as_ref().map_or(PrincipalKind::Client, |kinds| kind(claims, kinds)),
        name,
        allow: settings.allow.iter().cloned().chain(claimed).collect(),
        attributes: settings.attributes.iter().filter_map(attribute).collect(),
    })
}

fn kind(claims: &Map<String, Value>, kinds: &Kinds) -> PrincipalKind {
    let values = find(claims, &kinds.claim).map(words).unwrap_or_default();
    let has_one_of = |wanted: &[String]| values.iter().any(|value| wanted.contains(value));
    match () {
        () if has_one_of(&kinds.admin) => PrincipalKind::Admin,
        () if has_one_of(&kinds.user) => PrincipalKind::User,
        () => PrincipalKind::Client,
    }
}

/// A claim by its name, or by a JSON pointer. Names of claims may be URLs, so a dot leads nowhere.
fn find<'a>(claims: &'a Map<String, Value>, claim: &str) -> Option<&'a Value> {
    let Some(steps) = claim.strip_prefix('/') else { return claims.get(claim) };
    let (first, rest) = steps.split_once('/').map_or((steps, ""), |(first, _)| (first, &steps[first.len()..]));
    claims.get(&first.replace("~1", "/").replace("~0", "~"))?.pointer(rest)
}

/// A list of texts, or the words of one text.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => text.split_whitespace().map(str::to_owned).collect(),
        Value::Array(values) => values.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// What later stages read in an attribute. They take it apart into words, so an element of a list that is not one word
/// would be something else to them, such as two roles that nobody gave; `warn` is called if there is one.
fn text(value: &Value, warn: impl Fn()) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Array(_) => {
            let (kept, left_out): (Vec<String>, Vec<String>) = words(value).into_iter().partition(|one| is_word(one));
            if !left_out.is_empty() {
                warn();
            }
            (!kept.is_empty()).then(|| kept.join(" "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|character: char| character.is_whitespace() || character == ',')
}
