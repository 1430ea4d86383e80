//! What a tool group says of an item, as the gateway reads it.

use crate::host::{GroupEntry, ToolGroup};
use crate::{Item, ItemKind};

/// A group that holds nothing and is open to every client.
pub(super) fn empty(name: &str) -> ToolGroup {
    ToolGroup {
        name: name.to_owned(),
        included_tools: Vec::new(),
        included_servers: Vec::new(),
        excluded_tools: Vec::new(),
        included_prompts: Vec::new(),
        excluded_prompts: Vec::new(),
        included_resources: Vec::new(),
        excluded_resources: Vec::new(),
        allowed_clients: None,
    }
}

/// What `group` says of `item`.
pub(super) fn entry(group: &ToolGroup, item: &Item) -> GroupEntry {
    let (included, excluded) = match item.kind {
        ItemKind::Tool => (&group.included_tools, &group.excluded_tools),
        ItemKind::Prompt => (&group.included_prompts, &group.excluded_prompts),
        ItemKind::Resource | ItemKind::ResourceTemplate => (&group.included_resources, &group.excluded_resources),
    };
    let name = item.canonical_name();
    // Not so a template: where one of its resources is read, its URI is that of the resource.
    let by_uri = match (item.kind, &item.uri) {
        (ItemKind::Resource, Some(uri)) => Some(format!("{}__{uri}", item.server)),
        _ => None,
    };
    let is_in = |list: &[String]| list.iter().any(|entry| *entry == name || Some(entry) == by_uri.as_ref());
    GroupEntry {
        server_included: group.included_servers.contains(&item.server),
        included: is_in(included),
        excluded: is_in(excluded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::item;

    #[test]
    fn an_item_is_looked_up_in_the_lists_of_its_kind() {
        let group = ToolGroup {
            included_servers: vec!["time".to_owned()],
            included_tools: vec!["github__search".to_owned()],
            excluded_tools: vec!["time__zone".to_owned()],
            included_resources: vec!["files__file:///readme.md".to_owned()],
            ..empty("mine")
        };
        for (text, expected) in [
            ("tool github__search", (false, true, false)),
            ("prompt github__search", (false, false, false)),
            ("tool time__now", (true, false, false)),
            ("tool time__zone", (true, false, true)),
            ("resource files__readme file:///readme.md", (false, true, false)),
            ("resource-template files__readme file:///readme.md", (false, false, false)),
        ] {
            let entry = entry(&group, &item(text));
            assert_eq!((entry.server_included, entry.included, entry.excluded), expected, "{text}");
        }
    }
}
