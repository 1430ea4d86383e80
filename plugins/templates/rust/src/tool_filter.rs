//! Which items belong to a tool group?

use mcpjungle_policy::{Decision, Host, Item, Request, ToolFilter, matches};

use crate::{{type}};

impl ToolFilter for {{type}} {
    fn select(&self, _host: &impl Host, _request: &Request, group: &str, item: &Item) -> Decision {
        let name = item.canonical_name();
        match self.settings.leave_out.iter().find(|pattern| matches(pattern, &name)) {
            Some(pattern) => Decision::deny("left-out", format!("`{pattern}` leaves `{name}` out of `{group}`")),
            None => Decision::Allow,
        }
    }
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, item, request};
    use mcpjungle_policy::{Decision, ToolFilter};

    use crate::policy;

    #[test]
    fn what_a_pattern_matches_belongs_to_no_group() {
        let policy = policy(r#"{"leave_out": ["*__delete_*"]}"#);
        for (name, is_selected) in [("tool github__list_issues", true), ("tool github__delete_repo", false)] {
            let decision = policy.select(&FakeHost::new(), &request(), "agents", &item(name));
            assert_eq!(decision == Decision::Allow, is_selected, "{name}: {decision:?}");
        }
    }
}
