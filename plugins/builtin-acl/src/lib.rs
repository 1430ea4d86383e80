//! The stock authorizer: what a client may use is what its allow-list matches, on a
//! group's endpoint only if the group is open to it.

mod bindings {
    wit_bindgen::generate!({
        inline: "
            package mcpjungle:builtin-acl;
            world plugin {
                include mcpjungle:policy/configured@0.1.0;
                include mcpjungle:policy/authorization@0.1.0;
            }
        ",
        path: "../../wit/v0.1",
        world: "mcpjungle:builtin-acl/plugin",
        generate_all,
    });
}

use bindings::exports::mcpjungle::policy::authorizer;
use bindings::exports::mcpjungle::policy::configuration::{self, Description};
use bindings::mcpjungle::policy::directory;
use bindings::mcpjungle::policy::types::{
    Decision, Denial, Endpoint, Item, Listing, Principal, PrincipalKind, Request, Validity,
};

struct BuiltinAcl;

impl configuration::Guest for BuiltinAcl {
    fn describe() -> Description {
        Description {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "A client may use what its allow-list matches, in a group only if the group is open to it."
                .to_owned(),
            settings_schema: Some(r#"{"type":"object","additionalProperties":false}"#.to_owned()),
        }
    }

    fn accept(_settings: String) -> Result<(), String> {
        Ok(())
    }
}

impl authorizer::Guest for BuiltinAcl {
    fn authorize(request: Request, principal: Principal, item: Item) -> Decision {
        if !admits(&request.endpoint, &principal, directory::group_admits) {
            return deny("not-in-allowed-clients", format!("the group is not open to the client `{}`", principal.name));
        }
        if may_use(&principal, &item) {
            return Decision::Allow;
        }
        let reason = format!("the allow-list of `{}` does not match `{}__{}`", principal.name, item.server, item.name);
        deny("not-in-allow-list", reason)
    }

    fn authorize_items(request: Request, principal: Principal, items: Vec<Item>) -> Listing {
        let is_admitted = admits(&request.endpoint, &principal, directory::group_admits);
        let visible = items.iter().map(|item| is_admitted && may_use(&principal, item)).collect();
        // Changes of a group are changes of the directory.
        Listing { visible, holds: Validity::UntilChange }
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(BuiltinAcl with_types_in bindings);

fn deny(code: &str, reason: String) -> Decision {
    Decision::Deny(Denial { code: code.to_owned(), reason })
}

/// Whether the endpoint is open to the principal at all. Only a group can be closed, and only to
/// clients; one that is not there is open to none.
fn admits(endpoint: &Endpoint, principal: &Principal, group_admits: impl FnOnce(&str, &str) -> Option<bool>) -> bool {
    match (endpoint, principal.kind) {
        (Endpoint::Group(name), PrincipalKind::Client) => group_admits(name, &principal.name).unwrap_or(false),
        _ => true,
    }
}

/// Users and the gateway itself have no allow-list: they may use every server.
fn may_use(principal: &Principal, item: &Item) -> bool {
    match principal.kind {
        PrincipalKind::User | PrincipalKind::Admin | PrincipalKind::Gateway => true,
        PrincipalKind::Anonymous | PrincipalKind::Client => {
            principal.allow.iter().any(|pattern| grants(pattern, &item.server, &item.name))
        }
    }
}

/// Whether `pattern` matches the server's name or the item's canonical name.
fn grants(pattern: &str, server: &str, name: &str) -> bool {
    pattern == "*" || pattern == server || {
        let parts = [server.as_bytes(), b"__", name.as_bytes()];
        matches(pattern.as_bytes(), &parts[..1]) || matches(pattern.as_bytes(), &parts)
    }
}

/// Matches a pattern in which `*` stands for any run of bytes against the parts put
/// together. Steps back to the last `*` only, so no pattern takes more than
/// pattern × text steps.
fn matches(pattern: &[u8], parts: &[&[u8]]) -> bool {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut last_star: Option<(usize, usize)> = None;
    while at_text < length {
        match pattern.get(at_pattern) {
            Some(b'*') => {
                last_star = Some((at_pattern, at_text));
                at_pattern += 1;
            }
            Some(&byte) if byte == byte_at(parts, at_text) => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match last_star {
                Some((star, taken)) => {
                    last_star = Some((star, taken + 1));
                    at_pattern = star + 1;
                    at_text = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|&byte| byte == b'*')
}

fn byte_at(parts: &[&[u8]], mut at: usize) -> u8 {
    for part in parts {
        match part.get(at) {
            Some(&byte) => return byte,
            None => at -= part.len(),
        }
    }
    unreachable!("the matcher stays inside the text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bindings::mcpjungle::policy::types::ItemKind;

    fn principal(kind: PrincipalKind, allow: &[&str]) -> Principal {
        Principal {
            kind,
            name: "cursor".to_owned(),
            allow: allow.iter().map(|&pattern| pattern.to_owned()).collect(),
            attributes: Vec::new(),
        }
    }

    fn item(kind: ItemKind, server: &str, name: &str) -> Item {
        Item { kind, server: server.to_owned(), name: name.to_owned(), uri: None }
    }

    #[test]
    fn a_group_that_is_not_there_is_closed_as_one_that_does_not_admit_the_client() {
        let client = principal(PrincipalKind::Client, &["*"]);
        let endpoint = Endpoint::Group("g".to_owned());
        for (admitted, expected) in [(Some(true), true), (Some(false), false), (None, false)] {
            let ask = |group: &str, client: &str| {
                assert_eq!((group, client), ("g", "cursor"));
                admitted
            };
            assert_eq!(admits(&endpoint, &client, ask), expected, "{admitted:?}");
        }
    }

    #[test]
    fn only_a_groups_endpoint_and_a_client_are_a_question_about_the_group() {
        let never = |_: &str, _: &str| -> Option<bool> { panic!("the directory is not asked") };
        let client = principal(PrincipalKind::Client, &["*"]);
        for endpoint in [Endpoint::Main, Endpoint::Server("github".to_owned()), Endpoint::Api] {
            assert!(admits(&endpoint, &client, never), "{endpoint:?}");
        }
        for kind in [PrincipalKind::Anonymous, PrincipalKind::User, PrincipalKind::Admin, PrincipalKind::Gateway] {
            assert!(admits(&Endpoint::Group("g".to_owned()), &principal(kind, &[]), never), "{kind:?}");
        }
    }

    #[test]
    fn a_client_held_to_a_pattern_may_use_no_more() {
        let client = principal(PrincipalKind::Client, &["github__get_*"]);
        for (server, name, expected) in [
            ("github", "get_me", true),
            ("github", "get_", true),
            ("github", "get", false),
            ("github", "list_issues", false),
            ("github", "delete__get_me", false),
            ("github2", "get_me", false),
            ("GitHub", "get_me", false),
            ("github", "Get_me", false),
            ("other", "github__get_me", false),
        ] {
            for kind in [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
                assert_eq!(may_use(&client, &item(kind, server, name)), expected, "{server}__{name}");
            }
        }
    }

    #[test]
    fn a_pattern_is_a_server_a_canonical_name_or_either_with_stars() {
        let cases = [
            ("github", true),
            ("github__search", true),
            ("*", true),
            ("**", true),
            ("git*", true),
            ("*hub", true),
            ("github__*", true),
            ("*__search", true),
            ("g*b__s*h", true),
            ("*a*r*c*h*", true),
            ("", false),
            ("git", false),
            ("hub", false),
            ("github_", false),
            ("github__", false),
            ("search", false),
            ("github__searc", false),
            ("github__search2", false),
            ("*__searc", false),
            ("x*", false),
            ("GitHub", false),
            ("github__Search", false),
            ("github__search*", true),
            ("github__*search", true),
            ("github *", false),
        ];
        for (pattern, expected) in cases {
            assert_eq!(grants(pattern, "github", "search"), expected, "{pattern}");
        }
    }

    #[test]
    fn a_client_may_use_only_what_its_allow_list_matches() {
        let client = principal(PrincipalKind::Client, &["github", "time__now"]);
        for kind in [ItemKind::Tool, ItemKind::Prompt, ItemKind::Resource, ItemKind::ResourceTemplate] {
            assert!(may_use(&client, &item(kind, "github", "anything")));
            assert!(may_use(&client, &item(kind, "time", "now")));
            assert!(!may_use(&client, &item(kind, "time", "zone")));
            assert!(!may_use(&client, &item(kind, "github2", "anything")));
        }
    }

    #[test]
    fn an_empty_allow_list_grants_nothing() {
        assert!(!may_use(&principal(PrincipalKind::Client, &[]), &item(ItemKind::Tool, "github", "search")));
        assert!(!may_use(&principal(PrincipalKind::Anonymous, &[]), &item(ItemKind::Tool, "github", "search")));
        assert!(may_use(&principal(PrincipalKind::Anonymous, &["*"]), &item(ItemKind::Tool, "github", "search")));
    }

    #[test]
    fn users_admins_and_the_gateway_may_use_every_server() {
        for kind in [PrincipalKind::User, PrincipalKind::Admin, PrincipalKind::Gateway] {
            assert!(may_use(&principal(kind, &[]), &item(ItemKind::Tool, "github", "search")));
        }
    }
}
