//! What a group may say: names that can be, and of what it includes names that are there.

use crate::admin::error::ApiError;
use crate::admin::servers;
use crate::catalog::{ResourceAddress, Snapshot, template_uri};
use crate::group::ToolGroup;
use crate::identity::check_name;
use crate::names::{CanonicalName, ServerName};
use crate::pipeline::ItemKind;

/// Checks all names that need no registry for it. What is excluded from the tools may be anything.
pub(in crate::admin) fn check_names(group: &ToolGroup) -> Result<(), ApiError> {
    for name in group.included_tools.iter().chain(&group.included_prompts).chain(&group.excluded_prompts) {
        CanonicalName::parse(name)?;
    }
    for server in &group.included_servers {
        ServerName::parse(server)?;
    }
    for entry in group.included_resources.iter().chain(&group.excluded_resources) {
        parse_resource(entry)?;
    }
    for client in group.allowed_clients.iter().flatten() {
        check_name("client name", client).map_err(ApiError::invalid)?;
    }
    Ok(())
}

/// Checks that what is included by name is there. What `old` already included
/// is let be: it may have been disabled or deregistered since, and come back.
pub(super) fn check_included(group: &ToolGroup, old: Option<&ToolGroup>, snapshot: &Snapshot) -> Result<(), ApiError> {
    check_names(group)?;
    let missing = |what: &str, name: &str| ApiError::invalid(format!("{what} {name} does not exist or is disabled"));
    for tool in added(group, old, |group| &group.included_tools) {
        if !is_usable(snapshot, ItemKind::Tool, tool)? {
            return Err(missing("tool", tool));
        }
    }
    for prompt in added(group, old, |group| &group.included_prompts) {
        if !is_usable(snapshot, ItemKind::Prompt, prompt)? {
            return Err(missing("prompt", prompt));
        }
    }
    for entry in added(group, old, |group| &group.included_resources) {
        if !is_usable_resource(snapshot, &parse_resource(entry)?) {
            return Err(missing("resource", entry));
        }
    }
    for server in added(group, old, |group| &group.included_servers) {
        servers::find(snapshot, &ServerName::parse(server)?)?;
    }
    Ok(())
}

fn added<'a>(
    group: &'a ToolGroup,
    old: Option<&'a ToolGroup>,
    list: impl Fn(&ToolGroup) -> &Vec<String>,
) -> Vec<&'a String> {
    list(group).iter().filter(|name| old.is_none_or(|old| !list(old).contains(name))).collect()
}

fn is_usable(snapshot: &Snapshot, kind: ItemKind, name: &str) -> Result<bool, ApiError> {
    let found = snapshot.find(kind, &CanonicalName::parse(name)?);
    Ok(found.is_some_and(|(server, item)| server.enabled && item.enabled))
}

/// By its own name, or for a resource by its own URI.
fn is_usable_resource(snapshot: &Snapshot, named: &CanonicalName) -> bool {
    let Some(server) = snapshot.servers.get(&named.server).filter(|server| server.enabled) else { return false };
    server.items.iter().filter(|item| item.enabled).any(|item| match item.item.kind {
        ItemKind::Resource => item.item.name.name == named.name || item.key == named.name,
        ItemKind::ResourceTemplate => item.item.name.name == named.name,
        ItemKind::Tool | ItemKind::Prompt => false,
    })
}

/// What an entry for resources names: a server, and the name or URI of a resource there, or the
/// name of a template.
fn parse_resource(entry: &str) -> Result<CanonicalName, ApiError> {
    let by_template = || {
        let message = format!("invalid resource: '{entry}' is the URI of a template: name it as <server>__<name>");
        ApiError::invalid(message)
    };
    match ResourceAddress::parse(entry) {
        Some(ResourceAddress::OfServer(server, original)) if template_uri(&server, &original) == entry => {
            Err(by_template())
        }
        Some(ResourceAddress::OfServer(server, original)) => {
            Ok(CanonicalName { server, name: original.as_str().into() })
        }
        Some(ResourceAddress::Foreign) => match CanonicalName::parse(entry)? {
            named if is_template(&named.name) => Err(by_template()),
            named => Ok(named),
        },
        None => Err(ApiError::invalid(format!(
            "invalid resource: '{entry}' is not a URI as the gateway lists them (mcpj://res/<server>/<base64>)"
        ))),
    }
}

/// Whether it is a URI with places to fill in. No URI itself holds a brace.
fn is_template(name: &str) -> bool {
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.chars().all(|other| other.is_ascii_alphanumeric() || matches!(other, '+' | '-' | '.'))
    };
    name.contains('{') && name.split_once(':').is_some_and(|(scheme, _)| is_scheme(scheme))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_by_its_name_or_by_either_uri_and_a_template_by_its_name() {
        let named = |entry: &str| parse_resource(entry).map(|name| name.to_string());
        assert_eq!(named("docs__read me").unwrap(), "docs__read me");
        assert_eq!(named("docs__file:///r").unwrap(), "docs__file:///r");
        assert_eq!(named("mcpj://res/docs/ZmlsZTovLy9y").unwrap(), "docs__file:///r");
        assert_eq!(named("docs__{odd} name: yes").unwrap(), "docs__{odd} name: yes");
        for (bad, fragment) in [
            ("file:///r", "separator"),
            ("docs", "separator"),
            ("-/__x", "invalid server name"),
            ("mcpj://res/docs", "mcpj://res/<server>/<base64>"),
            ("mcpj://res/docs/*", "mcpj://res/<server>/<base64>"),
            ("mcpj://tpl/docs/file:///{path}", "<server>__<name>"),
            ("docs__file:///{path}", "<server>__<name>"),
        ] {
            let problem = named(bad).unwrap_err();
            assert!(problem.message().contains(fragment), "{bad}: {}", problem.message());
        }
    }
}
