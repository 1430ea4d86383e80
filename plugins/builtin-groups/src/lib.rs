//! The stock tool-filter: a group is its included tools and all tools of its
//! included servers, without its excluded tools.

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

/// Looks at the definition once: right for one item.
fn contains(group: &ToolGroup, item: &Item) -> bool {
    let is_listed = |names: &[String]| names.iter().any(|name| split(name) == Some((&item.server, &item.name)));
    item.kind == ItemKind::Tool
        && (group.included_servers.contains(&item.server) || is_listed(&group.included_tools))
        && !is_listed(&group.excluded_tools)
}

/// Sorts the definition first: right for thousands of items.
fn contained(group: &ToolGroup, items: &[Item]) -> Vec<bool> {
    let servers: BTreeSet<&str> = group.included_servers.iter().map(String::as_str).collect();
    let included: BTreeSet<_> = group.included_tools.iter().filter_map(|name| split(name)).collect();
    let excluded: BTreeSet<_> = group.excluded_tools.iter().filter_map(|name| split(name)).collect();
    let is_member = |item: &Item| {
        let name = (item.server.as_str(), item.name.as_str());
        item.kind == ItemKind::Tool
            && (servers.contains(name.0) || included.contains(&name))
            && !excluded.contains(&name)
    };
    items.iter().map(is_member).collect()
}

/// Server and tool of a canonical name.
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
            included_prompts: Vec::new(),
            excluded_prompts: Vec::new(),
            included_resources: Vec::new(),
            excluded_resources: Vec::new(),
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

    #[test]
    fn both_forms_agree() {
        let mut items = Vec::new();
        for kind in [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
            for server in ["time", "fs", "github", "gone"] {
                for name in ["now", "zone", "search", "read__all", "write"] {
                    items.push(item(kind, server, name));
                }
            }
        }
        let one_by_one: Vec<bool> = items.iter().map(|item| contains(&group(), item)).collect();
        assert_eq!(contained(&group(), &items), one_by_one);
        assert!(one_by_one.contains(&true) && one_by_one.contains(&false));
    }

    #[test]
    fn prompts_and_resources_do_not_enter_a_group() {
        for kind in [ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
            assert!(!contains(&group(), &item(kind, "time", "now")));
        }
    }
}
