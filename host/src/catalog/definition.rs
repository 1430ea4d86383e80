//! From an upstream's raw definitions to items: what identifies each, and how it
//! stands in our lists.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use crate::catalog::{CatalogItem, resource_uri, template_uri};
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::{Item, ItemKind};
use crate::store::ItemRecord;
use crate::upstream::Offer;
use crate::wire::{Edit, borrowed_text, object_members, splice};

/// One usable item of an offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedItem {
    /// What it is.
    pub kind: ItemKind,
    /// What tells it from others of its kind and server; see [`CatalogItem::key`].
    pub key: String,
    /// The definition as it came.
    pub definition: Bytes,
}

/// The usable items of an offer, kind by kind, in the upstream's order. A
/// malformed one, and a second one of the same key, is left out with a warning:
/// it must not hide the others.
pub fn read_offer(server: &ServerName, offer: &Offer) -> Vec<OfferedItem> {
    let kinds = [
        (ItemKind::Tool, &offer.tools),
        (ItemKind::Prompt, &offer.prompts),
        (ItemKind::Resource, &offer.resources),
        (ItemKind::ResourceTemplate, &offer.resource_templates),
    ];
    let mut items = Vec::new();
    for (kind, definitions) in kinds {
        let mut seen = HashSet::new();
        for definition in definitions {
            match read_definition(kind, definition) {
                Some(read) if seen.insert(read.key.to_string()) => {
                    items.push(OfferedItem { kind, key: read.key.into_owned(), definition: definition.clone() });
                }
                Some(read) => {
                    tracing::warn!(upstream.server = %server, item.kind = ?kind, item.key = %read.key, "an item is listed twice; the first one counts");
                }
                None => {
                    tracing::warn!(upstream.server = %server, item.kind = ?kind, "a malformed item is left out: it has no usable {}", key_member(kind));
                }
            }
        }
    }
    items
}

struct Definition<'a> {
    /// The member that identifies the item, as text and where it stands.
    key: Cow<'a, str>,
    raw_key: &'a str,
    name: Cow<'a, str>,
}

fn key_member(kind: ItemKind) -> &'static str {
    match kind {
        ItemKind::Tool | ItemKind::Prompt => "name",
        ItemKind::Resource => "uri",
        ItemKind::ResourceTemplate => "uriTemplate",
    }
}

fn read_definition(kind: ItemKind, definition: &Bytes) -> Option<Definition<'_>> {
    let text = std::str::from_utf8(definition).ok()?;
    let [raw_key, raw_name] = match kind {
        // One member, asked for once: `object_members` gives each name to its first place.
        ItemKind::Tool | ItemKind::Prompt => object_members(text, ["name"]).ok().map(|[name]| [name, name])?,
        ItemKind::Resource | ItemKind::ResourceTemplate => object_members(text, [key_member(kind), "name"]).ok()?,
    };
    let raw_key = raw_key?;
    let key: Cow<'_, str> = borrowed_text(raw_key)?;
    // A resource without a name is identified well enough by its URI.
    let name = raw_name.and_then(borrowed_text).unwrap_or_else(|| key.clone());
    (!key.is_empty()).then_some(Definition { key, raw_key, name })
}

/// The item as the catalog keeps it; `None`, with a warning, if its definition is malformed.
pub(super) fn catalog_item(server: &ServerName, record: ItemRecord) -> Option<CatalogItem> {
    let Some(definition) = read_definition(record.kind, &record.definition) else {
        tracing::warn!(upstream.server = %server, item.kind = ?record.kind, item.key = %record.key, "a malformed item is left out");
        return None;
    };
    let name = CanonicalName { server: server.clone(), name: definition.name.as_ref().into() };
    let (uri, listed_key) = match record.kind {
        ItemKind::Tool | ItemKind::Prompt => (None, name.to_string()),
        ItemKind::Resource => (Some(Arc::from(definition.key.as_ref())), resource_uri(server, &definition.key)),
        ItemKind::ResourceTemplate => (Some(Arc::from(definition.key.as_ref())), template_uri(server, &definition.key)),
    };
    let start = definition.raw_key.as_ptr() as usize - record.definition.as_ptr() as usize;
    let edit = Edit {
        range: start..start + definition.raw_key.len(),
        replacement: serde_json::to_vec(&listed_key).expect("text serialises").into(),
    };
    Some(CatalogItem {
        key: definition.key.as_ref().into(),
        listed: splice(&record.definition, vec![edit]),
        item: Item { kind: record.kind, name, uri },
        enabled: record.enabled,
        id: record.id,
        definition: record.definition,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: ItemKind, definition: &'static str) -> ItemRecord {
        ItemRecord {
            kind,
            key: String::new(),
            definition: Bytes::from_static(definition.as_bytes()),
            enabled: true,
            id: 1,
        }
    }

    #[test]
    fn only_the_identifying_member_changes_in_our_lists() {
        let server = ServerName::parse("s").unwrap();
        let cases = [
            (ItemKind::Tool, "{ \"x\":1e3 ,\"n\\u0061me\" : \"t\" }", "{ \"x\":1e3 ,\"n\\u0061me\" : \"s__t\" }", "t"),
            (ItemKind::Prompt, r#"{"name":"p q","title":"P"}"#, r#"{"name":"s__p q","title":"P"}"#, "p q"),
            (ItemKind::Resource, r#"{"name":"r","uri":"a:b"}"#, r#"{"name":"r","uri":"mcpj://res/s/YTpi"}"#, "r"),
            (
                ItemKind::ResourceTemplate,
                r#"{"uriTemplate":"a:{id}"}"#,
                r#"{"uriTemplate":"mcpj://tpl/s/a:{id}"}"#,
                "a:{id}",
            ),
        ];
        for (kind, definition, listed, name) in cases {
            let item = catalog_item(&server, record(kind, definition)).unwrap();
            assert_eq!(item.listed, listed);
            assert_eq!(&*item.item.name.name, name);
        }
    }

    #[test]
    fn a_malformed_item_hides_only_itself() {
        let server = ServerName::parse("s").unwrap();
        let tools = [r#"{"name":"a"}"#, r#"{"name":3}"#, r#"{}"#, "7", r#"{"name":"a","x":1}"#, r#"{"name":"b"}"#];
        let offer = Offer { tools: tools.map(Bytes::from_static_str).to_vec(), ..Offer::default() };
        let keys: Vec<_> = read_offer(&server, &offer).into_iter().map(|item| item.key).collect();
        assert_eq!(keys, ["a", "b"]);
    }

    trait FromStaticStr {
        fn from_static_str(text: &'static str) -> Bytes;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(text: &'static str) -> Bytes {
            Bytes::from_static(text.as_bytes())
        }
    }
}
