//! Results of `resources/read` come with the upstream's URIs; the caller knows ours.

use std::ops::Range;

use bytes::Bytes;

use crate::catalog::resource_uri;
use crate::names::ServerName;
use crate::walk::json_text;
use crate::wire::{Edit, array_elements, borrowed_text, object_members, splice};

/// How the caller asked for a resource.
pub(super) struct AskedUri {
    /// The server that it was resolved to.
    pub(super) server: ServerName,
    /// The URI as the caller spelled it.
    pub(super) asked: String,
    /// The upstream's own.
    pub(super) original: String,
}

/// The result with `contents[].uri` as the caller knows them: the URI that was
/// asked for stays the caller's spelling of it, others become the gateway's.
/// `None` if nothing needs to change.
pub(super) fn rename(uri: &AskedUri, result: &str) -> Option<Bytes> {
    let edits: Vec<Edit> = content_uris(result)?
        .into_iter()
        .filter_map(|(range, content_uri)| {
            let renamed =
                if content_uri == uri.original { uri.asked.clone() } else { resource_uri(&uri.server, &content_uri) };
            (renamed != content_uri).then(|| Edit { range, replacement: json_text(&renamed) })
        })
        .collect();
    (!edits.is_empty()).then(|| splice(result.as_bytes(), edits))
}

fn content_uris(result: &str) -> Option<Vec<(Range<usize>, String)>> {
    let [contents] = object_members(result, ["contents"]).ok()?;
    let contents = array_elements(contents?)?;
    let uri = |content| {
        let [raw] = object_members(content, ["uri"]).ok()?;
        let raw = raw?;
        let start = raw.as_ptr() as usize - result.as_ptr() as usize;
        Some((start..start + raw.len(), borrowed_text(raw)?.into_owned()))
    };
    Some(contents.into_iter().filter_map(uri).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_uris_change() {
        let uri = AskedUri {
            server: ServerName::parse("s").unwrap(),
            asked: "mcpj://res/s/YTpi".into(),
            original: "a:b".into(),
        };
        let result = r#"{"x":1.0,"contents":[{"uri":"a:b","text":"a:b"},{ "uri" : "c:d" },{"blob":""}]}"#;
        let renamed = rename(&uri, result).unwrap();
        assert_eq!(
            renamed,
            r#"{"x":1.0,"contents":[{"uri":"mcpj://res/s/YTpi","text":"a:b"},{ "uri" : "mcpj://res/s/Yzpk" },{"blob":""}]}"#
        );
        let own = AskedUri { asked: "a:b".into(), ..uri };
        assert_eq!(rename(&own, r#"{"contents":[{"uri":"a:b"}]}"#), None);
        assert_eq!(rename(&own, "7"), None);
    }
}
