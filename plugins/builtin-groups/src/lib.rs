//! The stock tool-filter: a group is its included tools and all tools of its
//! included servers, its included prompts and its included resources, each without
//! what is excluded.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package mcpjungle:builtin-groups;
            world plugin {
                include mcpjungle:policy/configured@0.1.0;
                include mcpjungle:policy/tool-filtering@0.1.0;
            }
        ",
        path: "../../wit/v0.1",
        world: "mcpjungle:builtin-groups/plugin",
        generate_all,
    });
}

use bindings::exports::mcpjungle::policy::configuration::{self, Description};
use bindings::exports::mcpjungle::policy::tool_filter;
use bindings::mcpjungle::policy::directory::{self, GroupEntry};
use bindings::mcpjungle::policy::types::{Decision, Denial, Item, ItemKind, Listing, Request, Validity};

struct BuiltinGroups;

impl configuration::Guest for BuiltinGroups {
    fn describe() -> Description {
        Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "An item belongs to a group if the group includes it, or its server, and does not exclude it."
                .to_owned(),
            settings_schema: Some(r#"{"type":"object","additionalProperties":false}"#.to_owned()),
        }
    }

    fn accept(_settings: String) -> Result<(), String> {
        Ok(())
    }
}

impl tool_filter::Guest for BuiltinGroups {
    fn select(_request: Request, group: String, item: Item) -> Decision {
        match directory::find_in_group(&group, std::slice::from_ref(&item)).as_deref() {
            Some([entry]) if contains(*entry, item.kind) => Decision::Allow,
            Some(_) => deny("not-in-group", format!("`{}__{}` is not in group `{group}`", item.server, item.name)),
            None => deny("unknown-group", format!("there is no group `{group}`")),
        }
    }

    fn select_items(_request: Request, group: String, items: Vec<Item>) -> Listing {
        let visible = match directory::find_in_group(&group, &items) {
            Some(entries) => items.iter().zip(entries).map(|(item, entry)| contains(entry, item.kind)).collect(),
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

/// Excluded last. Servers bring their tools only.
fn contains(entry: GroupEntry, kind: ItemKind) -> bool {
    (entry.included || (entry.server_included && kind == ItemKind::Tool)) && !entry.excluded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_excluded_is_never_in_and_servers_bring_tools_only() {
        let entry = |server_included, included, excluded| GroupEntry { server_included, included, excluded };
        let kinds = [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate];
        for kind in kinds {
            assert!(contains(entry(false, true, false), kind));
            assert!(!contains(entry(false, false, false), kind));
            assert!(!contains(entry(true, true, true), kind));
            assert_eq!(contains(entry(true, false, false), kind), kind == ItemKind::Tool);
        }
    }
}
