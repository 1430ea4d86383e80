//! Which keys a file may have: those of the type that reads it, so that there is no second list to forget.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;

/// The keys of a struct, as serde reads them.
pub fn keys_of<T: for<'de> Deserialize<'de>>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // Fails by design, once it was told the keys.
    let _stopped = T::deserialize(Keys(&mut keys));
    keys
}

/// Stands in for a file, only to be told what would be looked for in it.
struct Keys<'k>(&'k mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        *self.0 = fields;
        Err(Error::custom("the keys are known"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// What was probably meant by a word, of those that are known.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let fold = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let word = fold(word);
    let near = known.into_iter().map(|known| (edits(&word, &fold(known)), known)).min_by_key(|(edits, _)| *edits);
    near.filter(|(edits, known)| *edits <= (word.len().max(known.len()) / 3).max(1)).map(|(_, known)| known)
}

/// How many letters must be added, removed, replaced or swapped with their neighbour to make `b` of `a`.
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut table = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            table[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = table[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
                let plain = replaced.min(table[i - 1][j] + 1).min(table[i][j - 1] + 1);
                let is_swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                if is_swap { plain.min(table[i - 2][j - 2] + 1) } else { plain }
            };
        }
    }
    table[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_are_those_of_the_type() {
        #[derive(serde::Deserialize)]
        struct File {
            #[serde(rename = "first")]
            _a: String,
            #[serde(default, rename = "second")]
            _b: u8,
        }
        assert_eq!(keys_of::<File>(), ["first", "second"]);
        assert!(keys_of::<Vec<u8>>().is_empty());
    }

    #[test]
    fn a_slip_finds_the_word_that_was_meant() {
        let known = ["name", "transport", "url", "session_mode", "bearer_token"];
        for (slip, meant) in [
            ("transprot", Some("transport")),
            ("urll", Some("url")),
            ("URL", Some("url")),
            ("sessionMode", Some("session_mode")),
            ("bearer-token", Some("bearer_token")),
            ("colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(slip, known), meant, "{slip}");
        }
    }
}
