//! A guard: so many calls in so much time, counted in the gateway's store and so on all gateways together.
//!
//! It is a guard rather than an authorizer for two reasons: guards are asked about calls and not about lists, so a
//! list costs nobody anything, and a guard's reason is what the caller is told.

use std::collections::BTreeSet;
use std::time::Duration;

use mcpjungle_policy::guard::{Parts, Review};
use mcpjungle_policy::host::{Level, StoreError};
use mcpjungle_policy::{Guard, Host, Item, Policy, Principal, PrincipalKind, Request, matches};
use schemars::JsonSchema;
use serde::Deserialize;

/// How often who may call what.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// All limits that fit a call count it, in their order, up to the first that is used up.
    limits: Vec<Limit>,
    /// What becomes of calls while the store does not answer or is full.
    #[serde(default)]
    without_store: WithoutStore,
}

/// One limit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Limit {
    /// A name of its own: lower-case letters, digits and `-`. Callers are told it.
    name: String,
    /// Patterns for names of principals.
    #[serde(default = "everything")]
    clients: Vec<String>,
    /// Patterns for tools: a server's name, a canonical name, or either with `*`.
    #[serde(default = "everything")]
    tools: Vec<String>,
    /// How many calls there may be in one window.
    calls: u32,
    /// How long a window is, in seconds.
    seconds: u32,
    /// Whether all principals share one count. Otherwise each has its own.
    #[serde(default)]
    shared: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum WithoutStore {
    #[default]
    Deny,
    Allow,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

struct RateLimit {
    settings: Settings,
}

impl Policy for RateLimit {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let mut names = BTreeSet::new();
        for limit in &settings.limits {
            let name = &limit.name;
            let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(is_word) {
                return Err(format!("the limit `{name}` needs a name of lower-case letters, digits and `-`"));
            }
            if !names.insert(name) {
                return Err(format!("there are two limits `{name}`, which would share their counts"));
            }
            if limit.seconds == 0 {
                return Err(format!("the limit `{name}` has windows of 0 `seconds`: at least 1"));
            }
        }
        Ok(Self { settings })
    }
}

impl Guard for RateLimit {
    fn reviews(&self) -> Parts {
        Parts::ARGUMENTS
    }

    fn review_arguments(
        &self,
        host: &impl Host,
        _request: &Request,
        principal: &Principal,
        item: &Item,
        _arguments: &str,
    ) -> Review {
        if principal.kind == PrincipalKind::Gateway {
            return Review::Pass;
        }
        for limit in self.settings.limits.iter().filter(|limit| limit.fits(principal, item)) {
            match limit.count(host, principal) {
                Ok(Count::Within) => {}
                Ok(Count::UsedUp { wait_seconds }) => {
                    let Limit { name, calls, seconds, .. } = limit;
                    let reason = format!(
                        "the rate limit `{name}` of {calls} calls in {seconds} s is used up: try again in {wait_seconds} s"
                    );
                    return Review::deny("rate-limited", reason);
                }
                Err(error) => {
                    host.log(Level::Warn, "cannot count", &[("limit", &limit.name), ("error", describe(&error))]);
                    // A caller whose name cannot be counted under must not go uncounted for that.
                    let is_uncountable = matches!(error, StoreError::Invalid(_));
                    if is_uncountable || self.settings.without_store == WithoutStore::Deny {
                        return Review::deny("rate-unknown", "the calls cannot be counted now: try again later");
                    }
                }
            }
        }
        Review::Pass
    }
}

enum Count {
    Within,
    UsedUp { wait_seconds: u64 },
}

impl Limit {
    fn fits(&self, principal: &Principal, item: &Item) -> bool {
        self.clients.iter().any(|pattern| matches(pattern, &principal.name))
            && self.tools.iter().any(|pattern| item.is_matched_by(pattern))
    }

    /// Counts one call. Windows begin at whole multiples of their length, so all gateways mean the same one, and
    /// the caller can be told when it ends.
    fn count(&self, host: &impl Host, principal: &Principal) -> Result<Count, StoreError> {
        let length = u64::from(self.seconds) * 1000;
        let now = host.now();
        let (window, passed) = (now / length, now % length);
        let key = if self.shared {
            format!("{}/{window}", self.name)
        } else {
            // A client and a user may have the same name. It stands last: it may hold anything.
            format!("{}/{window}/{}/{}", self.name, principal.kind.name(), principal.name)
        };
        // The count has to outlast the window on gateways whose clocks are behind.
        let kept = Duration::from_millis(2 * length);
        let calls = host.increment(&key, 1, Some(kept))?;
        if calls <= i64::from(self.calls) {
            return Ok(Count::Within);
        }
        Ok(Count::UsedUp { wait_seconds: (length - passed).div_ceil(1000) })
    }
}

fn describe(error: &StoreError) -> &str {
    match error {
        StoreError::QuotaExceeded => "the plugin's quota of stored values is used up",
        StoreError::Unavailable(problem) | StoreError::Invalid(problem) => problem,
    }
}

mcpjungle_policy::export!(RateLimit: guard);

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, item, principal, request};

    use super::*;

    fn policy(limits: &str, without_store: &str) -> Result<RateLimit, String> {
        let text = format!(r#"{{"limits":[{limits}],"without_store":"{without_store}"}}"#);
        RateLimit::new(serde_json::from_str(&text).map_err(|error| error.to_string())?)
    }

    fn call(policy: &RateLimit, host: &FakeHost, principal: &Principal, tool: &str) -> Option<String> {
        match policy.review_arguments(host, &request(), principal, &item(tool), "{}") {
            Review::Pass => None,
            Review::Deny(denial) => Some(format!("{}: {}", denial.code, denial.reason)),
            Review::Rewrite(text) => panic!("rewrote to {text}"),
        }
    }

    #[test]
    fn each_client_has_its_own_count_until_the_window_ends() {
        let policy = policy(r#"{"name":"search","tools":["*__search"],"calls":2,"seconds":60}"#, "deny").unwrap();
        let host = FakeHost::new().at(90_000);
        let (ann, bob) = (client("ann"), client("bob"));
        assert_eq!(call(&policy, &host, &ann, "tool github__search"), None);
        assert_eq!(call(&policy, &host, &ann, "tool jira__search"), None);
        let refused = call(&policy, &host, &ann, "tool github__search").unwrap();
        assert_eq!(refused, "rate-limited: the rate limit `search` of 2 calls in 60 s is used up: try again in 30 s");
        assert_eq!(call(&policy, &host, &ann, "tool github__get"), None);
        assert_eq!(call(&policy, &host, &bob, "tool github__search"), None);
        let user = principal(PrincipalKind::User, "ann", &[]);
        assert_eq!(call(&policy, &host, &user, "tool github__search"), None);
        host.advance(Duration::from_secs(30));
        assert_eq!(call(&policy, &host, &ann, "tool github__search"), None);
    }

    #[test]
    fn a_shared_limit_counts_all_and_the_gateway_is_not_limited() {
        let policy = policy(r#"{"name":"all","calls":1,"seconds":1,"shared":true}"#, "deny").unwrap();
        let host = FakeHost::new();
        assert_eq!(call(&policy, &host, &client("ann"), "tool a__b"), None);
        assert!(call(&policy, &host, &client("bob"), "tool a__b").unwrap().starts_with("rate-limited"));
        assert_eq!(call(&policy, &host, &principal(PrincipalKind::Gateway, "", &[]), "tool a__b"), None);
    }

    #[test]
    fn without_a_store_the_settings_decide_and_the_log_says_so() {
        let limit = r#"{"name":"all","calls":1,"seconds":1}"#;
        for (without_store, expected) in [("deny", Some("rate-unknown")), ("allow", None)] {
            let host = FakeHost::new().with_room_for(0);
            let answer = call(&policy(limit, without_store).unwrap(), &host, &client("ann"), "tool a__b");
            assert_eq!(answer.as_deref().and_then(|text| text.split(':').next()), expected);
            assert_eq!(host.lines().len(), 1);
        }
    }

    #[test]
    fn limits_that_cannot_be_kept_apart_or_never_end_are_refused() {
        for (limits, word) in [
            (r#"{"name":"A b","calls":1,"seconds":1}"#, "lower-case"),
            (r#"{"name":"a","calls":1,"seconds":0}"#, "at least 1"),
            (r#"{"name":"a","calls":1,"seconds":1},{"name":"a","calls":2,"seconds":9}"#, "two limits"),
        ] {
            let error = policy(limits, "deny").err().unwrap();
            assert!(error.contains(word), "{limits}: {error}");
        }
    }
}
