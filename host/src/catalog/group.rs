//! A tool group made ready for look-ups: what it says of one item takes the same time however long it is.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::catalog::ResourceAddress;
use crate::group::ToolGroup;
use crate::names::SEPARATOR;
use crate::pipeline::{GroupEntry, Item, ItemKind};

/// A stored group with its entries hashed.
#[derive(Debug)]
pub struct CatalogGroup {
    /// As an administrator wrote it.
    pub definition: ToolGroup,
    servers: HashSet<String>,
    tools: Entries,
    prompts: Entries,
    resources: Entries,
    /// `None`: open to every client.
    clients: Option<HashSet<String>>,
}

#[derive(Debug)]
struct Entries {
    included: HashSet<String>,
    excluded: HashSet<String>,
}

impl CatalogGroup {
    /// Hashes the entries of a group.
    pub fn new(definition: ToolGroup) -> Self {
        let set = |entries: &[String]| entries.iter().cloned().collect();
        let resources = |entries: &[String]| entries.iter().map(|entry| resource_entry(entry).into_owned()).collect();
        Self {
            servers: set(&definition.included_servers),
            tools: Entries { included: set(&definition.included_tools), excluded: set(&definition.excluded_tools) },
            prompts: Entries {
                included: set(&definition.included_prompts),
                excluded: set(&definition.excluded_prompts),
            },
            resources: Entries {
                included: resources(&definition.included_resources),
                excluded: resources(&definition.excluded_resources),
            },
            clients: definition.allowed_clients.as_deref().map(set),
            definition,
        }
    }

    /// What it says of an item.
    pub fn entry(&self, item: &Item) -> GroupEntry {
        let entries = match item.kind {
            ItemKind::Tool => &self.tools,
            ItemKind::Prompt => &self.prompts,
            ItemKind::Resource | ItemKind::ResourceTemplate => &self.resources,
        };
        let named = item.name.to_string();
        // Not so a template: where one of its resources is read, its URI is that of the resource.
        let by_uri = match (item.kind, &item.uri) {
            (ItemKind::Resource, Some(uri)) => Some(format!("{}{SEPARATOR}{uri}", item.name.server)),
            _ => None,
        };
        let is_in =
            |set: &HashSet<String>| set.contains(&named) || by_uri.as_ref().is_some_and(|by_uri| set.contains(by_uri));
        GroupEntry {
            is_server_included: self.servers.contains(item.name.server.as_str()),
            is_included: is_in(&entries.included),
            is_excluded: is_in(&entries.excluded),
        }
    }

    /// Whether it is open to this client.
    pub fn admits(&self, client: &str) -> bool {
        self.clients.as_ref().is_none_or(|clients| clients.contains(client))
    }
}

/// Our own URI of a resource means nothing to policies; the server's means the same.
pub(super) fn resource_entry(entry: &str) -> Cow<'_, str> {
    match ResourceAddress::parse(entry) {
        Some(ResourceAddress::OfServer(server, original)) => format!("{server}{SEPARATOR}{original}").into(),
        Some(ResourceAddress::Foreign) | None => entry.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{CanonicalName, GroupName};

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn group() -> CatalogGroup {
        CatalogGroup::new(ToolGroup {
            included_tools: strings(&["github__search", "fs__read__all"]),
            included_servers: strings(&["time", "gone"]),
            excluded_tools: strings(&["time__zone", "github__search", "nonsense"]),
            included_prompts: strings(&["github__review", "fs__draft"]),
            excluded_prompts: strings(&["fs__draft"]),
            included_resources: strings(&["fs__notes", "fs__file:///a__b", "fs__by path", "time__x:{y}"]),
            excluded_resources: strings(&["fs__file:///draft"]),
            ..ToolGroup::new(GroupName::parse("g").unwrap())
        })
    }

    fn item(kind: ItemKind, name: &str, uri: Option<&str>) -> Item {
        Item { kind, name: CanonicalName::parse(name).unwrap(), uri: uri.map(Into::into) }
    }

    /// Server included, included, excluded.
    fn entry(kind: ItemKind, name: &str, uri: Option<&str>) -> (bool, bool, bool) {
        let entry = group().entry(&item(kind, name, uri));
        (entry.is_server_included, entry.is_included, entry.is_excluded)
    }

    #[test]
    fn each_kind_has_entries_of_its_own() {
        assert_eq!(entry(ItemKind::Tool, "github__search", None), (false, true, true));
        assert_eq!(entry(ItemKind::Tool, "fs__read__all", None), (false, true, false));
        assert_eq!(entry(ItemKind::Tool, "fs__read", None), (false, false, false));
        assert_eq!(entry(ItemKind::Tool, "time__zone", None), (true, false, true));
        assert_eq!(entry(ItemKind::Tool, "github__review", None), (false, false, false));
        assert_eq!(entry(ItemKind::Prompt, "github__review", None), (false, true, false));
        assert_eq!(entry(ItemKind::Prompt, "fs__draft", None), (false, true, true));
        assert_eq!(entry(ItemKind::Prompt, "time__zone", None), (true, false, false));
    }

    #[test]
    fn resources_are_found_by_name_or_uri_and_templates_by_name() {
        let (resource, template) = (ItemKind::Resource, ItemKind::ResourceTemplate);
        for (kind, name, uri, expected) in [
            (resource, "fs__notes", "file:///notes", (false, true, false)),
            (resource, "fs__other", "file:///a__b", (false, true, false)),
            (resource, "fs__other", "file:///other", (false, false, false)),
            (resource, "fs__notes", "file:///draft", (false, true, true)),
            // The same template as it is listed, and as one of its resources is read.
            (template, "fs__by path", "file:///{path}", (false, true, false)),
            (template, "fs__by path", "file:///draft", (false, true, false)),
            (template, "fs__other", "file:///a__b", (false, false, false)),
            (template, "time__by y", "x:{y}", (true, false, false)),
        ] {
            assert_eq!(entry(kind, name, Some(uri)), expected, "{name} {uri}");
        }
    }

    #[test]
    fn a_group_is_open_to_the_clients_that_it_names_or_to_all() {
        let open_to = |clients: Option<&[&str]>| {
            let definition =
                ToolGroup { allowed_clients: clients.map(strings), ..ToolGroup::new(GroupName::parse("g").unwrap()) };
            CatalogGroup::new(definition).admits("cursor")
        };
        assert!(open_to(None) && open_to(Some(&["claude", "cursor"])));
        assert!(!open_to(Some(&["claude"])) && !open_to(Some(&["Cursor", "cur", "*"])) && !open_to(Some(&[])));
    }
}
