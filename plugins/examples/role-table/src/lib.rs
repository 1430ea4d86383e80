//! An authorizer: roles are tables of patterns, and principals have roles by name or by attribute.
//!
//! The same policy stands in `role-table-js` and `role-table-python`; one `cases.yaml` holds for all three.

use std::collections::{BTreeMap, BTreeSet};

use mcpjungle_policy::{Authorizer, Decision, Host, Item, Policy, Principal, PrincipalKind, Request, matches};
use schemars::JsonSchema;
use serde::Deserialize;

/// Roles, and who has them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What each role may use, by the role's name.
    roles: BTreeMap<String, Role>,
    /// Who has which roles. All entries that fit count.
    #[serde(default)]
    assign: Vec<Assignment>,
    /// An attribute of principals that holds names of roles, separated by spaces or commas, such as one that an
    /// authenticator takes from a claim. Names that are no role here are passed over.
    role_attribute: Option<String>,
    /// What becomes of items that no role of the principal says anything about.
    #[serde(default)]
    otherwise: Otherwise,
    /// Kinds of principals that the table does not bind, besides the gateway itself.
    #[serde(default = "administrators")]
    exempt: Vec<Kind>,
}

/// Patterns: a server's name, a canonical name, or either with `*` for any run of characters.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Role {
    /// What it may use.
    #[serde(default)]
    allow: Vec<String>,
    /// What whoever has it may not use, whatever other roles say.
    #[serde(default)]
    deny: Vec<String>,
}

/// Gives roles to the principals that all its conditions fit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Assignment {
    /// A pattern for the principal's name.
    principal: Option<String>,
    /// The name of an attribute that the principal must have.
    attribute: Option<String>,
    /// A pattern for that attribute's value; any value without it.
    value: Option<String>,
    /// The roles.
    roles: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Otherwise {
    #[default]
    Deny,
    Allow,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Anonymous,
    Client,
    User,
    Admin,
}

fn administrators() -> Vec<Kind> {
    vec![Kind::Admin]
}

struct RoleTable {
    settings: Settings,
}

impl Policy for RoleTable {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        for (place, assignment) in settings.assign.iter().enumerate() {
            if assignment.principal.is_none() && assignment.attribute.is_none() {
                return Err(format!("assign[{place}] fits nobody: give it a `principal` or an `attribute`"));
            }
            if assignment.value.is_some() && assignment.attribute.is_none() {
                return Err(format!("assign[{place}] has a `value` but no `attribute` that it is of"));
            }
            if let Some(unknown) = assignment.roles.iter().find(|role| !settings.roles.contains_key(*role)) {
                return Err(format!("assign[{place}] gives the role `{unknown}`, which `roles` does not have"));
            }
        }
        Ok(Self { settings })
    }
}

impl Authorizer for RoleTable {
    fn authorize(&self, _host: &impl Host, _request: &Request, principal: &Principal, item: &Item) -> Decision {
        if self.is_exempt(principal.kind) {
            return Decision::Allow;
        }
        let roles = self.roles_of(principal);
        let name = item.canonical_name();
        let tables = || roles.iter().filter_map(|role| Some((role, self.settings.roles.get(*role)?)));
        for (role, table) in tables() {
            if let Some(pattern) = table.deny.iter().find(|pattern| item.is_matched_by(pattern)) {
                return Decision::deny("denied-by-role", format!("the role `{role}` denies `{name}` by `{pattern}`"));
            }
        }
        let is_allowed = tables().any(|(_, table)| table.allow.iter().any(|pattern| item.is_matched_by(pattern)));
        if is_allowed || self.settings.otherwise == Otherwise::Allow {
            return Decision::Allow;
        }
        if roles.is_empty() {
            return Decision::deny("no-role", format!("`{}` has no role", principal.name));
        }
        let roles = roles.into_iter().collect::<Vec<_>>().join(", ");
        Decision::deny("not-in-role", format!("no role of `{}` allows `{name}`: {roles}", principal.name))
    }
}

impl RoleTable {
    /// The gateway itself asks what its upstreams offer; nobody's role may stop that.
    fn is_exempt(&self, kind: PrincipalKind) -> bool {
        let kind = match kind {
            PrincipalKind::Gateway => return true,
            PrincipalKind::Anonymous => Kind::Anonymous,
            PrincipalKind::Client => Kind::Client,
            PrincipalKind::User => Kind::User,
            PrincipalKind::Admin => Kind::Admin,
        };
        self.settings.exempt.contains(&kind)
    }

    fn roles_of<'a>(&'a self, principal: &'a Principal) -> BTreeSet<&'a str> {
        let assigned = self.settings.assign.iter().filter(|assignment| assignment.fits(principal));
        let mut roles: BTreeSet<&str> = assigned.flat_map(|assignment| &assignment.roles).map(String::as_str).collect();
        if let Some(name) = &self.settings.role_attribute {
            let values = principal.attributes.iter().filter(|attribute| attribute.name == *name);
            let words = values.flat_map(|attribute| attribute.value.split([' ', ',']));
            roles.extend(words.filter(|word| self.settings.roles.contains_key(*word)));
        }
        roles
    }
}

impl Assignment {
    fn fits(&self, principal: &Principal) -> bool {
        let fits_name = self.principal.as_ref().is_none_or(|pattern| matches(pattern, &principal.name));
        let fits_attribute = self.attribute.as_ref().is_none_or(|name| {
            let pattern = self.value.as_deref().unwrap_or("*");
            let mut values = principal.attributes.iter().filter(|attribute| attribute.name == *name);
            values.any(|attribute| matches(pattern, &attribute.value))
        });
        fits_name && fits_attribute
    }
}

mcpjungle_policy::export!(RoleTable: authorizer);

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, item, principal, request, with_attribute};

    use super::*;

    fn table(otherwise: Otherwise) -> RoleTable {
        let role = |allow: &[&str], deny: &[&str]| Role { allow: owned(allow), deny: owned(deny) };
        let assignment =
            |principal: Option<&str>, attribute: Option<&str>, value: Option<&str>, role: &str| Assignment {
                principal: principal.map(str::to_owned),
                attribute: attribute.map(str::to_owned),
                value: value.map(str::to_owned),
                roles: owned(&[role]),
            };
        let settings = Settings {
            roles: BTreeMap::from([
                ("reader".to_owned(), role(&["github__get_*"], &[])),
                ("writer".to_owned(), role(&["github"], &["github__delete_*"])),
            ]),
            assign: vec![
                assignment(Some("dev-*"), None, None, "reader"),
                assignment(None, Some("team"), Some("platform*"), "writer"),
            ],
            role_attribute: Some("roles".to_owned()),
            otherwise,
            exempt: administrators(),
        };
        RoleTable::new(settings).unwrap()
    }

    fn owned(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn code(table: &RoleTable, principal: &Principal, name: &str) -> Option<String> {
        match table.authorize(&FakeHost::new(), &request(), principal, &item(name)) {
            Decision::Allow => None,
            Decision::Deny(denial) => Some(denial.code),
        }
    }

    #[test]
    fn roles_come_from_the_name_from_an_attribute_and_from_the_role_attribute() {
        let table = table(Otherwise::Deny);
        let of_team = with_attribute(client("anna"), "team", "platform-eu");
        let with_claim = with_attribute(client("bob"), "roles", "nobody,reader");
        for (principal, item, expected) in [
            (&client("dev-1"), "tool github__get_issue", None),
            (&client("dev-1"), "tool github__create_issue", Some("not-in-role")),
            (&client("guest"), "tool github__get_issue", Some("no-role")),
            (&of_team, "tool github__create_issue", None),
            (&of_team, "tool github__delete_repo", Some("denied-by-role")),
            (&with_claim, "tool github__get_issue", None),
            (&principal(PrincipalKind::Admin, "root", &[]), "tool github__delete_repo", None),
            (&principal(PrincipalKind::User, "root", &[]), "tool github__delete_repo", Some("no-role")),
            (&principal(PrincipalKind::Gateway, "", &[]), "tool github__delete_repo", None),
        ] {
            assert_eq!(code(&table, principal, item).as_deref(), expected, "{principal:?} {item}");
        }
    }

    #[test]
    fn what_roles_say_nothing_about_may_be_allowed_but_not_what_one_denies() {
        let table = table(Otherwise::Allow);
        let of_team = with_attribute(client("anna"), "team", "platform");
        assert_eq!(code(&table, &client("guest"), "tool time__now"), None);
        assert_eq!(code(&table, &of_team, "tool github__delete_repo").as_deref(), Some("denied-by-role"));
    }

    #[test]
    fn settings_that_fit_nobody_or_name_no_role_are_refused() {
        let settings = |assign: &str| -> Settings {
            serde_json::from_str(&format!(r#"{{"roles":{{"reader":{{}}}},"assign":[{assign}]}}"#)).unwrap()
        };
        for (assign, word) in [
            (r#"{"roles":["reader"]}"#, "fits nobody"),
            (r#"{"principal":"*","value":"x","roles":["reader"]}"#, "no `attribute`"),
            (r#"{"principal":"*","roles":["raeder"]}"#, "raeder"),
        ] {
            let error = RoleTable::new(settings(assign)).err().unwrap();
            assert!(error.contains(word), "{assign}: {error}");
        }
    }
}
