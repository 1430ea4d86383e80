//! `POST /tools/invoke`: a tool's arguments beside its name, or under `arguments`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::admin::admission::Admission;
use crate::admin::call::{call, ok};
use crate::admin::error::ApiError;
use crate::admin::input::{RawBody, explain};
use crate::admin::servers;
use crate::downstream::{TOKEN_IN_META, holds_token};
use crate::gateway::Gateway;
use crate::names::CanonicalName;
use crate::wire::borrowed_text;

pub(in crate::admin) async fn invoke(
    State(gateway): State<Arc<Gateway>>,
    Extension(admission): Extension<Admission>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, ApiError> {
    let invocation = Invocation::parse(&body)?;
    if invocation.meta.is_some_and(|meta| holds_token(&headers, meta.get())) {
        return Err(ApiError::invalid(TOKEN_IN_META));
    }
    let name = CanonicalName::parse(&invocation.name)?;
    // Called all the same: what was asked for in vain is noted there.
    let known = servers::find(&gateway.snapshot(), &name.server).map(drop);
    let result = call(&gateway, &admission, "tools/call", &invocation).await;
    known?;
    let result = result?;
    Ok(ok(result))
}

/// The parameters of a `tools/call`.
#[derive(Debug, Serialize)]
struct Invocation<'a> {
    name: Cow<'a, str>,
    arguments: Arguments<'a>,
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
}

/// Arguments with every value as it was spelled, in the order in which it came.
#[derive(Debug)]
enum Arguments<'a> {
    Nested(&'a RawValue),
    Flat(Vec<(Cow<'a, str>, &'a RawValue)>),
}

impl<'a> Invocation<'a> {
    /// The nested form is meant where `arguments` is an object and nothing but
    /// `name` and `_meta` stands beside it. It is the only one that can pass an
    /// argument that is itself called `name`.
    fn parse(body: &'a [u8]) -> Result<Self, ApiError> {
        let Members(mut members) = read_members(body).map_err(|error| explain(&error))?;
        let name =
            take(&mut members, "name")?.ok_or_else(|| ApiError::invalid("missing 'name' field in request body"))?.get();
        let name = borrowed_text(name).ok_or_else(|| ApiError::invalid("'name' field must be a string"))?;
        let is_nested = members.iter().all(|(key, _)| matches!(key.as_ref(), "arguments" | "_meta"))
            && members.iter().any(|(key, value)| key == "arguments" && value.get().starts_with('{'));
        if !is_nested {
            return Ok(Self { name, arguments: Arguments::Flat(members), meta: None });
        }
        let arguments = take(&mut members, "arguments")?.expect("the nested form was told by it");
        let meta = take(&mut members, "_meta")?;
        Ok(Self { name, arguments: Arguments::Nested(arguments), meta })
    }
}

/// Takes a member out; one that stands there twice is refused, as two readers
/// might each take another one.
fn take<'a>(members: &mut Vec<(Cow<'a, str>, &'a RawValue)>, name: &str) -> Result<Option<&'a RawValue>, ApiError> {
    let mut taken = None;
    let mut is_repeated = false;
    members.retain(|(key, value)| {
        if key != name {
            return true;
        }
        is_repeated |= taken.replace(*value).is_some();
        false
    });
    if is_repeated {
        return Err(ApiError::invalid(format!("'{name}' field is given twice")));
    }
    Ok(taken)
}

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nested(arguments) => arguments.serialize(serializer),
            Self::Flat(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, value) in members {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

fn read_members(body: &[u8]) -> Result<Members<'_>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let members = deserializer.deserialize_map(MembersVisitor)?;
    deserializer.end()?;
    Ok(members)
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);
        let mut members = Vec::new();
        while let Some(Key(key)) = map.next_key::<Key<'de>>()? {
            members.push((key, map.next_value()?));
        }
        Ok(Members(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str) -> Result<String, String> {
        let invocation = Invocation::parse(body.as_bytes()).map_err(|error| format!("{error:?}"))?;
        Ok(serde_json::to_string(&invocation).unwrap())
    }

    #[test]
    fn arguments_are_taken_from_beside_the_name_or_from_below_arguments() {
        for (body, sent) in [
            (r#"{"name":"s__t"}"#, r#"{"name":"s__t","arguments":{}}"#),
            (r#"{"b":1.50,"name":"s__t","a":[ 1e3 ]}"#, r#"{"name":"s__t","arguments":{"b":1.50,"a":[ 1e3 ]}}"#),
            (
                r#"{"name":"s__t","arguments":{"name": "n"},"_meta":{"k":1}}"#,
                r#"{"name":"s__t","arguments":{"name": "n"},"_meta":{"k":1}}"#,
            ),
            // Not the nested form: something else stands beside it, or it is no object.
            (r#"{"name":"s__t","arguments":{},"x":1}"#, r#"{"name":"s__t","arguments":{"arguments":{},"x":1}}"#),
            (r#"{"name":"s__t","arguments":[]}"#, r#"{"name":"s__t","arguments":{"arguments":[]}}"#),
        ] {
            assert_eq!(params(body).unwrap(), sent, "{body}");
        }
    }

    #[test]
    fn a_body_without_a_usable_name_is_refused_as_documented() {
        for (body, fragment) in [
            ("{}", "missing 'name' field in request body"),
            (r#"{"name":3}"#, "'name' field must be a string"),
            (r#"{"name":"a__b","name":"a__c"}"#, "'name' field is given twice"),
            ("[]", "cannot unmarshal"),
            ("{", "not valid JSON"),
            (r#"{"name":"a__b"} x"#, "not valid JSON"),
        ] {
            let error = params(body).unwrap_err();
            assert!(error.contains(fragment), "{body}: {error}");
        }
    }
}
