//! The stock tool-filter: a group is its included tools and all tools of its
//! included servers, its included prompts and its included resources, each without
//! what is excluded.

mod bindings {
    wit_bindgen::generate!({ world: "tool-filtering", path: "../../wit/v0.1" });
}

use std::collections::BTreeSet;

use bindings::exports::mcpjungle::policy::tool_filter::Guest;
use bindings::mcpjungle::policy::directory::{self, ToolGroup};
use bindings::mcpjungle::policy::types::{Decision, Denial, Item, ItemKind, Listing, Request, Validity};

struct BuiltinGroups;

impl Guest for BuiltinGroups {
    fn select(_request: Request, group: String, item: Item) -> Decision {
        match directory::find_group(&group) {
            Some(definition) if contains(&definition, &item) => Decision::Allow,
            Some(_) => deny("not-in-group", format!("`{}__{}` is not in group `{group}`", item.server, item.name)),
            None => deny("unknown-group", format!("there is no group `{group}`")),
        }
    }

    fn select_items(_request: Request, group: String, items: Vec<Item>) -> Listing {
        let visible = match directory::find_group(&group) {
            Some(definition) => contained(&definition, &items),
            None => vec![false; items.len()],
        };
        // Changes of a group are changes of the directory.
        Listing { visible, holds: Validity::UntilChange }
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(BuiltinGroups with_types_in bindings);

fn deny(code: &str, reason: String) -> Decision {
    Decision::Deny(Denial { code: code.to_owned(), reason })
}

/// What the definition says of one kind of item.
struct Part<'a> {
    /// All items of these servers, too.
    servers: &'a [String],
    included: &'a [String],
    excluded: &'a [String],
}

/// Servers bring their tools only.
fn part_of(group: &ToolGroup, kind: ItemKind) -> Part<'_> {
    match kind {
        ItemKind::Tool => {
            Part { servers: &group.included_servers, included: &group.included_tools, excluded: &group.excluded_tools }
        }
        ItemKind::Prompt => Part { servers: &[], included: &group.included_prompts, excluded: &group.excluded_prompts },
        ItemKind::Resource | ItemKind::ResourceTemplate => {
            Part { servers: &[], included: &group.included_resources, excluded: &group.excluded_resources }
        }
    }
}

/// Under what an entry can name an item: its name, and a resource also under its URI. Not so a
/// template: where one of its resources is read, its URI is that of the resource.
fn names_of(item: &Item) -> impl Iterator<Item = (&str, &str)> {
    let uri = if item.kind == ItemKind::Resource { item.uri.as_deref() } else { None };
    [Some(item.name.as_str()), uri].into_iter().flatten().map(|name| (item.server.as_str(), name))
}

/// Looks at the definition once: right for one item.
fn contains(group: &ToolGroup, item: &Item) -> bool {
    let part = part_of(group, item.kind);
    let is_listed = |entries: &[String]| {
        entries.iter().filter_map(|entry| split(entry)).any(|entry| names_of(item).any(|name| name == entry))
    };
    (part.servers.contains(&item.server) || is_listed(part.included)) && !is_listed(part.excluded)
}

/// Sorts the definition first: right for thousands of items.
fn contained(group: &ToolGroup, items: &[Item]) -> Vec<bool> {
    let kinds = [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource];
    let [tools, prompts, resources] = kinds.map(|kind| SortedPart::of(&part_of(group, kind)));
    let part = |kind| match kind {
        ItemKind::Tool => &tools,
        ItemKind::Prompt => &prompts,
        ItemKind::Resource | ItemKind::ResourceTemplate => &resources,
    };
    items.iter().map(|item| part(item.kind).contains(item)).collect()
}

/// A part that is found in quickly.
struct SortedPart<'a> {
    servers: BTreeSet<&'a str>,
    included: BTreeSet<(&'a str, &'a str)>,
    excluded: BTreeSet<(&'a str, &'a str)>,
}

impl<'a> SortedPart<'a> {
    fn of(part: &Part<'a>) -> Self {
        let sorted = |entries: &'a [String]| entries.iter().filter_map(|entry| split(entry)).collect();
        Self {
            servers: part.servers.iter().map(String::as_str).collect(),
            included: sorted(part.included),
            excluded: sorted(part.excluded),
        }
    }

    fn contains(&self, item: &Item) -> bool {
        let is_listed = |entries: &BTreeSet<_>| names_of(item).any(|name| entries.contains(&name));
        (self.servers.contains(item.server.as_str()) || is_listed(&self.included)) && !is_listed(&self.excluded)
    }
}

/// Server and item of an entry.
fn split(canonical: &str) -> Option<(&str, &str)> {
    canonical.split_once("__")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn item(kind: ItemKind, server: &str, name: &str) -> Item {
        Item { kind, server: server.to_owned(), name: name.to_owned(), uri: None }
    }

    fn group() -> ToolGroup {
        ToolGroup {
            name: "g".to_owned(),
            included_tools: strings(&["github__search", "time__now", "fs__read__all"]),
            included_servers: strings(&["time", "gone"]),
            excluded_tools: strings(&["time__zone", "github__search", "fs__write", "nonsense"]),
            included_prompts: strings(&["github__review", "time__now", "fs__draft"]),
            excluded_prompts: strings(&["fs__draft", "nonsense"]),
            included_resources: strings(&["fs__notes", "fs__file:///a__b", "fs__by path", "time__x:{y}", "gone__r"]),
            excluded_resources: strings(&["gone__r", "fs__file:///draft", "nonsense"]),
            allowed_clients: None,
        }
    }

    #[test]
    fn a_group_is_included_tools_and_servers_without_excluded_tools() {
        let cases = [
            ("time", "now", true),
            ("time", "anything", true),
            ("time", "zone", false),
            ("fs", "read__all", true),
            ("fs", "read", false),
            ("github", "search", false),
            ("github", "other", false),
        ];
        for (server, name, expected) in cases {
            assert_eq!(contains(&group(), &item(ItemKind::Tool, server, name)), expected, "{server}__{name}");
        }
    }

    fn resource(name: &str, uri: &str) -> Item {
        Item { uri: Some(uri.to_owned()), ..item(ItemKind::Resource, "fs", name) }
    }

    fn template(server: &str, name: &str, uri: &str) -> Item {
        Item { uri: Some(uri.to_owned()), ..item(ItemKind::ResourceTemplate, server, name) }
    }

    #[test]
    fn prompts_enter_by_name_and_servers_bring_none() {
        for (server, name, expected) in [
            ("github", "review", true),
            ("time", "now", true),
            ("time", "zone", false),
            ("fs", "draft", false),
            // These are tools of the group.
            ("time", "anything", false),
            ("fs", "read__all", false),
        ] {
            assert_eq!(contains(&group(), &item(ItemKind::Prompt, server, name)), expected, "{server}__{name}");
        }
    }

    #[test]
    fn resources_enter_by_name_or_uri_and_templates_by_name() {
        for (item, expected) in [
            (resource("notes", "file:///notes"), true),
            (resource("other", "file:///a__b"), true),
            (resource("other", "file:///other"), false),
            // Excluded last, be it by the one name or the other.
            (resource("notes", "file:///draft"), false),
            (item(ItemKind::Resource, "gone", "r"), false),
            (item(ItemKind::Resource, "time", "now"), false),
            // The same template as it is listed, and as one of its resources is read.
            (template("fs", "by path", "file:///{path}"), true),
            (template("fs", "by path", "file:///draft"), true),
            (template("fs", "other", "file:///{path}"), false),
            (template("fs", "other", "file:///a__b"), false),
            (template("time", "by y", "x:{y}"), false),
            (template("time", "by y", "x:1"), false),
        ] {
            assert_eq!(contains(&group(), &item), expected, "{item:?}");
        }
    }

    #[test]
    fn both_forms_agree() {
        let mut items = Vec::new();
        for kind in [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
            for server in ["time", "fs", "github", "gone"] {
                for name in ["now", "zone", "search", "read__all", "write", "review", "draft", "notes", "by path", "r"]
                {
                    for uri in [None, Some("file:///a__b"), Some("file:///draft"), Some("x:{y}")] {
                        items.push(Item { uri: uri.map(str::to_owned), ..item(kind, server, name) });
                    }
                }
            }
        }
        let one_by_one: Vec<bool> = items.iter().map(|item| contains(&group(), item)).collect();
        assert_eq!(contained(&group(), &items), one_by_one);
        assert!(one_by_one.contains(&true) && one_by_one.contains(&false));
    }
}
