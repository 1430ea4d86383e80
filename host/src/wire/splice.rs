//! Replacing byte ranges of a message.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

/// One replacement.
#[derive(Debug, Clone)]
pub struct Edit {
    /// What is replaced, in bytes of the original.
    pub range: Range<usize>,
    /// What stands there instead.
    pub replacement: Bytes,
}

/// Applies edits whose ranges do not overlap, in any order. The edits are the
/// gateway's own, so an overlap is a mistake of ours and panics.
pub fn splice(original: &[u8], mut edits: Vec<Edit>) -> Bytes {
    edits.sort_by_key(|edit| edit.range.start);
    let grown: usize = edits.iter().map(|edit| edit.replacement.len()).sum();
    let mut spliced = BytesMut::with_capacity(original.len() + grown);
    let mut copied = 0;
    for edit in edits {
        assert!(edit.range.start >= copied, "edits do not overlap");
        spliced.extend_from_slice(&original[copied..edit.range.start]);
        spliced.extend_from_slice(&edit.replacement);
        copied = edit.range.end;
    }
    spliced.extend_from_slice(&original[copied..]);
    spliced.freeze()
}

/// The same JSON on one line, for framings that end a message at a newline. In
/// valid JSON a raw line break stands only between tokens, where a space does as well.
pub fn single_line(json: Bytes) -> Bytes {
    let is_break = |byte: &u8| matches!(byte, b'\n' | b'\r');
    if !json.iter().any(is_break) {
        return json;
    }
    json.iter().map(|byte| if is_break(byte) { b' ' } else { *byte }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_apply_in_any_order() {
        let edit = |range, text: &'static str| Edit { range, replacement: Bytes::from_static(text.as_bytes()) };
        assert_eq!(splice(b"0123456789", vec![edit(7..8, "seven"), edit(0..2, ""), edit(5..5, "|")]), "234|56seven89");
        assert_eq!(splice(b"same", Vec::new()), "same");
    }

    #[test]
    fn line_breaks_between_tokens_become_spaces() {
        assert_eq!(single_line(Bytes::from_static(b"{\r\n\"a\":\n1}")), "{  \"a\": 1}");
    }
}
