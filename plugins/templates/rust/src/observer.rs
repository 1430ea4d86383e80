//! What happened?

use mcpjungle_policy::host::Level;
use mcpjungle_policy::observer::{Observation, Outcome};
use mcpjungle_policy::{Host, Observer};

use crate::{{type}};

impl Observer for {{type}} {
    /// Logs what policies refused.
    fn observe(&self, host: &impl Host, observations: &[Observation]) {
        for observation in observations.iter().filter(|one| one.outcome == Outcome::Denied) {
            let item = observation.item.as_ref().map(|item| item.canonical_name());
            let principal = observation.principal.as_ref().map(|principal| principal.name.as_str());
            let fields = [
                ("item", item.as_deref().unwrap_or_default()),
                ("principal", principal.unwrap_or_default()),
                ("denied_by", observation.denied_by.as_deref().unwrap_or_default()),
            ];
            host.log(Level::Info, "refused", &fields);
        }
    }
}

#[cfg(test)]
mod tests {
    use mcpjungle_policy::Observer;
    use mcpjungle_policy::observer::{Observation, Outcome};
    use mcpjungle_policy::testing::{FakeHost, client, item, request};

    use crate::policy;

    #[test]
    fn what_was_refused_is_logged_and_nothing_else() {
        let ended = |outcome| Observation {
            request: request(),
            principal: Some(client("cursor")),
            item: Some(item("tool github__delete_repo")),
            outcome,
            denied_by: Some("acl".to_owned()),
            duration: 1000,
        };
        let host = FakeHost::new();
        policy("{}").observe(&host, &[ended(Outcome::Success), ended(Outcome::Denied)]);
        let lines = host.lines();
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].fields[0], ("item".to_owned(), "github__delete_repo".to_owned()));
    }
}
