//! What the operator says of this gateway: attributes of the resource, in OpenTelemetry's words.

use std::collections::BTreeMap;

use prometheus::proto::{MetricFamily, MetricType};
use thiserror::Error;

use crate::telemetry::exposition::{family, gauge};

/// Names this gateway's program; not for an operator to change, since dashboards find it by that.
const SERVICE_NAME: &str = "mcpjungle";

/// Attributes as `OTEL_RESOURCE_ATTRIBUTES` gives them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResourceAttributes(BTreeMap<String, String>);

/// Why attributes cannot be read. Values are not shown: nobody said that they may be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[expect(missing_docs, reason = "the messages say it")]
pub enum ResourceError {
    #[error("part {position} is not `key=value`")]
    NoPair { position: usize },
    #[error("part {position} has no usable key")]
    NoKey { position: usize },
    #[error("the value of `{key}` holds a character that must be percent-encoded")]
    BareCharacter { key: String },
    #[error("the value of `{key}` is not percent-encoded UTF-8")]
    BadEncoding { key: String },
}

impl ResourceAttributes {
    /// Reads `key=value,key=value` with percent-encoded values, by the rules of the
    /// OpenTelemetry specification (Resource SDK, "Specifying resource information
    /// via an environment variable"): one bad part makes all of it void.
    pub fn parse(text: &str) -> Result<Self, ResourceError> {
        let mut attributes = BTreeMap::new();
        let parts = text.split(',').map(str::trim).enumerate();
        // Nothing between two commas says nothing.
        for (at, part) in parts.filter(|(_, part)| !part.is_empty()) {
            let position = at + 1;
            let (key, value) = part.split_once('=').ok_or(ResourceError::NoPair { position })?;
            let key = key.trim();
            if key.is_empty() {
                return Err(ResourceError::NoKey { position });
            }
            let key = percent_decode(key).ok_or(ResourceError::NoKey { position })?;
            let value = value.trim();
            if !value.bytes().all(is_baggage_octet) {
                return Err(ResourceError::BareCharacter { key });
            }
            let value = percent_decode(value).ok_or_else(|| ResourceError::BadEncoding { key: key.clone() })?;
            attributes.insert(key, value);
        }
        Ok(Self(attributes))
    }

    /// `target_info`: always 1, with the attributes for labels.
    pub(super) fn target_info(&self, version: &str) -> MetricFamily {
        let mut labels: BTreeMap<String, String> = BTreeMap::new();
        for (key, value) in &self.0 {
            // Two attributes may become one label: both values are kept then, in the order of their keys.
            labels
                .entry(label_name(key))
                .and_modify(|other| *other = format!("{other};{value}"))
                .or_insert_with(|| value.clone());
        }
        labels.insert("service_name".to_owned(), SERVICE_NAME.to_owned());
        labels.insert("service_version".to_owned(), version.to_owned());
        let labels: Vec<(&str, &str)> = labels.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        family("target_info", "What is known of this gateway.", MetricType::GAUGE, vec![gauge(&labels, 1.0)])
    }
}

/// What W3C Baggage lets stand in a value; the rest must be percent-encoded.
fn is_baggage_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\')
}

/// `None` for a `%` without two hexadecimal digits, and for what is not UTF-8 then.
fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        decoded.push(match byte {
            b'%' => u8::try_from(digit(bytes.next())? << 4 | digit(bytes.next())?).ok()?,
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

/// An attribute's key as the name of a label: what cannot stand in one becomes
/// `_`, and several of these in a row become one.
fn label_name(key: &str) -> String {
    let mut name = String::with_capacity(key.len() + 4);
    for letter in key.chars() {
        let letter = if letter.is_ascii_alphanumeric() { letter } else { '_' };
        if !(letter == '_' && name.ends_with('_')) {
            name.push(letter);
        }
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert_str(0, "key_");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::exposition::text;

    #[test]
    fn attributes_are_read_as_opentelemetry_says() {
        for (written, expected) in [
            ("", &[][..]),
            ("a=1", &[("a", "1")]),
            (" a = 1 ,b=x%2Cy%3D%20z,,", &[("a", "1"), ("b", "x,y= z")]),
            ("a=1,a=2", &[("a", "2")]),
            ("a=b=c,d=", &[("a", "b=c"), ("d", "")]),
            ("k=%C3%A9", &[("k", "é")]),
        ] {
            let expected = expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(ResourceAttributes::parse(written), Ok(ResourceAttributes(expected)), "{written}");
        }
    }

    #[test]
    fn one_bad_part_makes_all_of_it_void() {
        for (written, problem) in [
            ("a=1,b", "part 2 is not `key=value`"),
            ("=1", "part 1 has no usable key"),
            ("%F=1", "part 1 has no usable key"),
            ("a=x y", "the value of `a` holds a character that must be percent-encoded"),
            ("a=é", "the value of `a` holds a character that must be percent-encoded"),
            ("a=%zz", "the value of `a` is not percent-encoded UTF-8"),
            ("a=%2", "the value of `a` is not percent-encoded UTF-8"),
            ("a=%FF", "the value of `a` is not percent-encoded UTF-8"),
            ("a=%+1", "the value of `a` is not percent-encoded UTF-8"),
        ] {
            assert_eq!(ResourceAttributes::parse(written).unwrap_err().to_string(), problem, "{written}");
        }
    }

    #[test]
    fn target_info_names_the_program_whatever_the_attributes_say() {
        let attributes =
            ResourceAttributes::parse("service.name=x,deployment.environment=prod,a..b=1,a.b=2,9=n,host.name=h")
                .unwrap();
        assert_eq!(
            text(vec![attributes.target_info("0.1.0")]).unwrap().lines().last().unwrap(),
            "target_info{a_b=\"1;2\",deployment_environment=\"prod\",host_name=\"h\",key_9=\"n\",\
             service_name=\"mcpjungle\",service_version=\"0.1.0\"} 1"
        );
    }
}
