//! The members of a message, found in one pass.

use std::fmt;

use serde::de::{Deserializer as _, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::wire::object::{Text, looks_like};

const MEMBERS: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// What JSON-RPC knows of a message; each is JSON text, a slice of the whole.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) jsonrpc: Option<&'a str>,
    pub(super) id: Option<&'a str>,
    pub(super) method: Option<&'a str>,
    pub(super) params: Option<&'a str>,
    pub(super) result: Option<&'a str>,
    pub(super) error: Option<&'a str>,
    /// Whether another member is spelled like one of these but for its case.
    pub(super) has_look_alike: bool,
}

impl<'a> Envelope<'a> {
    /// Reads the whole text; a member that stands there twice is an error.
    pub(super) fn read(text: &'a str) -> Result<Self, serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let envelope = deserializer.deserialize_map(Members)?;
        deserializer.end()?;
        Ok(envelope)
    }

    fn member(&mut self, name: &str) -> Option<&mut Option<&'a str>> {
        match name {
            "jsonrpc" => Some(&mut self.jsonrpc),
            "id" => Some(&mut self.id),
            "method" => Some(&mut self.method),
            "params" => Some(&mut self.params),
            "result" => Some(&mut self.result),
            "error" => Some(&mut self.error),
            _ => None,
        }
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope<'de>, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match envelope.member(&key.0) {
                Some(member) => {
                    let value: &'de RawValue = map.next_value()?;
                    if member.replace(value.get()).is_some() {
                        return Err(A::Error::custom("duplicate member"));
                    }
                }
                None => {
                    envelope.has_look_alike |= MEMBERS.iter().any(|member| looks_like(&key.0, member));
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}
