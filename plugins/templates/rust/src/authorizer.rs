//! May this principal use this item?

use mcpjungle_policy::{Authorizer, Decision, Host, Item, Principal, Request, matches};

use crate::{{type}};

impl Authorizer for {{type}} {
    fn authorize(&self, _host: &impl Host, _request: &Request, _principal: &Principal, item: &Item) -> Decision {
        let name = item.canonical_name();
        match self.settings.deny.iter().find(|pattern| matches(pattern, &name)) {
            Some(pattern) => Decision::deny("denied-by-name", format!("`{pattern}` denies `{name}`")),
            None => Decision::Allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, item, request};
    use mcpjungle_policy::{Authorizer, Decision};

    use crate::policy;

    #[test]
    fn what_a_pattern_matches_is_denied_and_nothing_else() {
        let policy = policy(r#"{"deny": ["github__delete_*", "payments__*"]}"#);
        for (name, is_allowed) in [
            ("tool github__list_issues", true),
            ("tool github__delete_repo", false),
            ("prompt payments__refund", false),
            ("tool other__delete_repo", true),
        ] {
            let host = FakeHost::new();
            let decision = policy.authorize(&host, &request(), &client("cursor"), &item(name));
            assert_eq!(decision == Decision::Allow, is_allowed, "{name}: {decision:?}");
        }
    }
}
