//! The stock authorizer: what a client may use is what its allow-list matches.

mod bindings {
    wit_bindgen::generate!({ world: "authorization", path: "../../wit/v0.1" });
}

use bindings::exports::mcpjungle::policy::authorizer::Guest;
use bindings::mcpjungle::policy::types::{
    Decision, Denial, Item, Listing, Principal, PrincipalKind, Request, Validity,
};

struct BuiltinAcl;

impl Guest for BuiltinAcl {
    fn authorize(_request: Request, principal: Principal, item: Item) -> Decision {
        if may_use(&principal, &item) {
            Decision::Allow
        } else {
            Decision::Deny(Denial {
                code: "not-in-allow-list".to_owned(),
                reason: format!("the allow-list of `{}` matches nothing of server `{}`", principal.name, item.server),
            })
        }
    }

    fn authorize_items(_request: Request, principal: Principal, items: Vec<Item>) -> Listing {
        // The answer depends on nothing but the principal and the items.
        Listing { visible: items.iter().map(|item| may_use(&principal, item)).collect(), holds: Validity::UntilChange }
    }
}

#[cfg(target_arch = "wasm32")]
bindings::export!(BuiltinAcl with_types_in bindings);

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
