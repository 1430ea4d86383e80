//! Bounds as somebody writes them: those that are not said stay as they are, and each must be within its range.
//! What is stored was within it when it was written, and is read as it is.

use std::fmt;
use std::num::NonZeroU32;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Unexpected, Visitor};

use crate::plugin::limits::{LARGEST_DEADLINE_MS, LARGEST_MEMORY_MIB, Limits};

/// What is different in the bounds; see [`Limits`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "see `Limits`")]
pub struct LimitChanges {
    #[serde(deserialize_with = "read::<1, LARGEST_DEADLINE_MS, _, _>")]
    pub deadline_ms: Option<NonZeroU32>,
    #[serde(deserialize_with = "read::<1, LARGEST_MEMORY_MIB, _, _>")]
    pub memory_mib: Option<NonZeroU32>,
    #[serde(deserialize_with = "read::<0, { u32::MAX }, _, _>")]
    pub host_calls: Option<u32>,
    #[serde(deserialize_with = "read::<1, { u32::MAX }, _, _>")]
    pub output_kib: Option<NonZeroU32>,
    #[serde(deserialize_with = "read::<1, { u32::MAX }, _, _>")]
    pub http_kib: Option<NonZeroU32>,
    #[serde(deserialize_with = "read::<1, { u32::MAX }, _, _>")]
    pub instances: Option<NonZeroU32>,
}

impl LimitChanges {
    /// These bounds with what is different.
    pub fn applied_to(&self, limits: Limits) -> Limits {
        Limits {
            deadline_ms: self.deadline_ms.unwrap_or(limits.deadline_ms),
            memory_mib: self.memory_mib.unwrap_or(limits.memory_mib),
            host_calls: self.host_calls.unwrap_or(limits.host_calls),
            output_kib: self.output_kib.unwrap_or(limits.output_kib),
            http_kib: self.http_kib.unwrap_or(limits.http_kib),
            instances: self.instances.unwrap_or(limits.instances),
        }
    }
}

/// A number from `LEAST` to `MOST`, or nothing.
fn read<'de, const LEAST: u32, const MOST: u32, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<u32>,
    D: Deserializer<'de>,
{
    let number = deserializer.deserialize_option(Bound::<LEAST, MOST>)?;
    // Whatever is within a range is one of its numbers.
    Ok(number.and_then(|number| T::try_from(number).ok()))
}

struct Bound<const LEAST: u32, const MOST: u32>;

impl<'de, const LEAST: u32, const MOST: u32> Visitor<'de> for Bound<LEAST, MOST> {
    type Value = Option<u32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a whole number from {LEAST} to {MOST}")
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_u64(self)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        match u32::try_from(number) {
            Ok(bound) if (LEAST..=MOST).contains(&bound) => Ok(Some(bound)),
            _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        serde_json::from_str::<LimitChanges>(text).unwrap_err().to_string()
    }

    #[test]
    fn a_bound_outside_of_its_range_is_named_with_the_range() {
        for (text, expected) in [
            (r#"{"deadline_ms":60001}"#, "integer `60001`, expected a whole number from 1 to 60000"),
            (r#"{"deadline_ms":4000000000}"#, "integer `4000000000`, expected a whole number from 1 to 60000"),
            (r#"{"deadline_ms":0}"#, "integer `0`, expected a whole number from 1 to 60000"),
            (r#"{"memory_mib":4097}"#, "integer `4097`, expected a whole number from 1 to 4096"),
            (r#"{"memory_mib":-1}"#, "integer `-1`, expected a whole number from 1 to 4096"),
            (r#"{"memory_mib":1.5}"#, "floating point `1.5`, expected a whole number from 1 to 4096"),
            (r#"{"host_calls":99999999999}"#, "integer `99999999999`, expected a whole number from 0 to 4294967295"),
            (r#"{"instances":0}"#, "integer `0`, expected a whole number from 1 to 4294967295"),
        ] {
            assert!(problem(text).contains(expected), "{text}: {}", problem(text));
        }
    }

    #[test]
    fn bounds_at_the_ends_of_their_ranges_are_taken_and_others_stay() {
        let changes: LimitChanges =
            serde_json::from_str(r#"{"deadline_ms":60000,"memory_mib":4096,"host_calls":0,"output_kib":null}"#)
                .unwrap();
        let limits = changes.applied_to(Limits::default());
        assert_eq!((limits.deadline_ms.get(), limits.memory_mib.get(), limits.host_calls), (60_000, 4_096, 0));
        assert_eq!(limits.output_kib, Limits::default().output_kib);
    }

    #[test]
    fn what_was_stored_with_larger_bounds_can_still_be_read() {
        let limits: Limits = serde_json::from_str(r#"{"deadline_ms":4000000000}"#).unwrap();
        assert_eq!(limits.deadline_ms.get(), 4_000_000_000);
    }
}
