//! A guard on arguments: rules say by tool and by JSON pointer what an argument must be, or set it.

mod check;
mod folder;
mod pointer;
mod sql;

use mcpjungle_policy::guard::{Parts, Review};
use mcpjungle_policy::{Guard, Host, Item, Policy, Principal, PrincipalKind, Request, matches};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::check::Checks;
use crate::pointer::{Found, Pointer, PointerError};

/// Rules, followed in their order.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// All rules that fit a call hold.
    rules: Vec<Rule>,
}

/// What one argument of some tools must be. A list is checked element by element.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Patterns for tools: a server's name, a canonical name, or either with `*`.
    #[serde(default = "everything")]
    tools: Vec<String>,
    /// Patterns for the names of the principals that the rule binds.
    #[serde(default = "everything")]
    principals: Vec<String>,
    /// Which argument, as a JSON pointer such as `/path` or `/options/depth`.
    argument: String,
    /// Put this in its place, whatever was there. Objects that it would be in are made.
    set: Option<Value>,
    /// Put this there if nothing is. Objects that it would be in are made.
    default: Option<Value>,
    /// Whether it must be there.
    #[serde(default)]
    required: bool,
    /// Whether it must not be there.
    #[serde(default)]
    forbidden: bool,
    /// One of these values.
    one_of: Option<Vec<Value>>,
    /// A regular expression that the whole text must match.
    matches: Option<String>,
    /// A regular expression that no part of the text may match.
    must_not_match: Option<String>,
    /// The most characters of a text.
    max_length: Option<usize>,
    /// The smallest number.
    min: Option<f64>,
    /// The largest number.
    max: Option<f64>,
    /// A path in one of these folders. `.` stands for the folder that relative paths begin in. Paths with `..` are
    /// refused; where links lead to only the server knows.
    inside: Option<Vec<String>>,
    /// One SQL statement that only reads. What databases read in different ways is refused. A second line of defence: the database's own rights are the first.
    #[serde(default)]
    read_only_sql: bool,
    /// What callers are told if they break this rule, in place of what is wrong.
    message: Option<String>,
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

struct ArgumentRules {
    rules: Vec<Prepared>,
}

/// A rule with what is to be read once.
struct Prepared {
    rule: Rule,
    pointer: Pointer,
    checks: Checks,
}

impl Policy for ArgumentRules {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let prepare = |(place, rule): (usize, Rule)| {
            let told = |problem: String| format!("rules[{place}]: {problem}");
            Ok(Prepared {
                pointer: Pointer::parse(&rule.argument).map_err(told)?,
                checks: Checks::read(&rule).map_err(told)?,
                rule,
            })
        };
        let rules = settings.rules.into_iter().enumerate().map(prepare).collect::<Result<_, String>>()?;
        Ok(Self { rules })
    }
}

/// `whole`: anchored at both ends.
fn regex(pattern: &str, whole: bool) -> Result<Regex, String> {
    let anchored = if whole { format!(r"\A(?:{pattern})\z") } else { pattern.to_owned() };
    Regex::new(&anchored).map_err(|error| format!("`{pattern}` is no regex: {error}"))
}

impl Guard for ArgumentRules {
    fn reviews(&self) -> Parts {
        Parts::ARGUMENTS
    }

    fn review_arguments(
        &self,
        _host: &impl Host,
        _request: &Request,
        principal: &Principal,
        item: &Item,
        arguments: &str,
    ) -> Review {
        if principal.kind == PrincipalKind::Gateway {
            return Review::Pass;
        }
        let mut rewritten: Option<String> = None;
        for prepared in self.rules.iter().filter(|prepared| prepared.rule.fits(principal, item)) {
            let current = rewritten.as_deref().unwrap_or(arguments);
            match prepared.apply(current) {
                Ok(Some(text)) => rewritten = Some(text),
                Ok(None) => {}
                Err(problem) => {
                    let reason = match &prepared.rule.message {
                        Some(message) => message.clone(),
                        None => format!("the argument `{}` of {} {problem}", prepared.rule.argument, item.name),
                    };
                    return Review::deny("argument-refused", reason);
                }
            }
        }
        rewritten.map_or(Review::Pass, Review::Rewrite)
    }
}

impl Rule {
    fn fits(&self, principal: &Principal, item: &Item) -> bool {
        self.tools.iter().any(|pattern| item.is_matched_by(pattern))
            && self.principals.iter().any(|pattern| matches(pattern, &principal.name))
    }
}

impl Prepared {
    /// The arguments as this rule wants them, if it changes them; or what is wrong with the argument.
    fn apply(&self, arguments: &str) -> Result<Option<String>, String> {
        let Rule { set, default, required, forbidden, .. } = &self.rule;
        let found = self.pointer.find(arguments).map_err(|error| describe(&error))?;
        let to_put = match (&found, set, default) {
            (_, Some(value), _) | (Found::Absent(_), None, Some(value)) => Some(value),
            _ => None,
        };
        if let Some(value) = to_put {
            return self.pointer.put(arguments, &found, value).map(Some).map_err(|error| describe(&error));
        }
        match found {
            Found::Absent(_) if *required => Err("is missing".to_owned()),
            Found::Absent(_) => Ok(None),
            Found::Present(_) if *forbidden => Err("may not be given".to_owned()),
            Found::Present(place) => {
                let value: Value = serde_json::from_str(&arguments[place]).map_err(|error| error.to_string())?;
                self.checks.hold(&value).map(|()| None)
            }
        }
    }
}

fn describe(error: &PointerError) -> String {
    match error {
        PointerError::Twice(name) => format!("cannot be told: `{name}` is given twice"),
        PointerError::Spelt(name) => format!("cannot be told: it is spelt `{name}`"),
        PointerError::NoPlace => "cannot be set: what it would be part of is no object".to_owned(),
        PointerError::Malformed(error) => format!("cannot be read: {error}"),
    }
}

mcpjungle_policy::export!(ArgumentRules: guard);

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, item, principal, request};

    use super::*;

    fn review(rules: &str, arguments: &str) -> Review {
        let settings = serde_json::from_str(&format!(r#"{{"rules":[{rules}]}}"#)).unwrap();
        let policy = ArgumentRules::new(settings).unwrap();
        policy.review_arguments(&FakeHost::new(), &request(), &client("ann"), &item("tool files__read"), arguments)
    }

    #[test]
    fn a_rule_says_which_argument_breaks_it_and_how() {
        for (rule, arguments, expected) in [
            (r#"{"argument":"/path","required":true}"#, "{}", "the argument `/path` of read is missing"),
            (r#"{"argument":"/a","forbidden":true}"#, r#"{"a":null}"#, "the argument `/a` of read may not be given"),
            (
                r#"{"argument":"/a/b","one_of":["x",1]}"#,
                r#"{"a":{"b":2}}"#,
                r#"the argument `/a/b` of read must be one of "x", 1"#,
            ),
            (r#"{"argument":"/a","max_length":2,"message":"keep it short"}"#, r#"{"a":"abc"}"#, "keep it short"),
            (
                r#"{"argument":"/a","max":9}"#,
                r#"{"a":1,"a":99}"#,
                "the argument `/a` of read cannot be told: `a` is given twice",
            ),
        ] {
            let Review::Deny(denial) = review(rule, arguments) else { panic!("{rule} let {arguments} pass") };
            assert_eq!((denial.code.as_str(), denial.reason.as_str()), ("argument-refused", expected));
        }
    }

    #[test]
    fn rules_for_others_and_arguments_that_are_not_there_pass() {
        for (rule, arguments) in [
            (r#"{"argument":"/path","required":true,"tools":["github"]}"#, "{}"),
            (r#"{"argument":"/path","required":true,"principals":["bob"]}"#, "{}"),
            (r#"{"argument":"/path","inside":["/srv"]}"#, "{}"),
        ] {
            assert_eq!(review(rule, arguments), Review::Pass, "{rule}");
        }
        let rules = serde_json::from_str(r#"{"rules":[{"argument":"/a","required":true}]}"#).unwrap();
        let gateway = principal(PrincipalKind::Gateway, "", &[]);
        let policy = ArgumentRules::new(rules).unwrap();
        let review = policy.review_arguments(&FakeHost::new(), &request(), &gateway, &item("tool a__b"), "{}");
        assert_eq!(review, Review::Pass);
    }

    #[test]
    fn what_is_set_is_put_there_and_the_rest_keeps_its_bytes() {
        for (rules, arguments, expected) in [
            (r#"{"argument":"/limit","default":50}"#, r#"{"n": 1.50}"#, r#"{"n": 1.50,"limit":50}"#),
            (r#"{"argument":"/limit","default":50}"#, r#"{ }"#, r#"{"limit":50 }"#),
            (r#"{"argument":"/limit","set":50}"#, r#"{"limit" : 1e3, "n": 1.50}"#, r#"{"limit" : 50, "n": 1.50}"#),
            (
                r#"{"argument":"/a/b","set":"x"},{"argument":"/c","default":[]}"#,
                r#"{"a":{"z":0}}"#,
                r#"{"a":{"z":0,"b":"x"},"c":[]}"#,
            ),
            (r#"{"argument":"/a/b/c","set":true}"#, r#"{"z":0}"#, r#"{"z":0,"a":{"b":{"c":true}}}"#),
            (r#"{"argument":"/a/b/c","default":1}"#, r#"{"a":{ }}"#, r#"{"a":{"b":{"c":1} }}"#),
        ] {
            assert_eq!(review(rules, arguments), Review::Rewrite(expected.to_owned()), "{rules}");
        }
        assert_eq!(review(r#"{"argument":"/a","default":1}"#, r#"{"a":2}"#), Review::Pass);
        let in_a_text = review(r#"{"argument":"/a/b/c","set":9}"#, r#"{"a":{"b":"x"}}"#);
        assert!(matches!(in_a_text, Review::Deny(denial) if denial.reason.contains("is no object")));
        let after = review(r#"{"argument":"/a","set":9},{"argument":"/a","max":5}"#, r#"{"a":1}"#);
        assert!(matches!(after, Review::Deny(_)), "{after:?}");
    }

    #[test]
    fn rules_that_cannot_be_meant_are_refused() {
        for (rule, word) in [
            (r#"{"argument":"path","required":true}"#, "JSON pointer"),
            (r#"{"argument":"/path","matches":"("}"#, "no regex"),
            (r#"{"argument":"/path"}"#, "says nothing"),
            (r#"{"argument":"/path","inside":["srv"]}"#, "srv"),
        ] {
            let settings = serde_json::from_str(&format!(r#"{{"rules":[{rule}]}}"#)).unwrap();
            let error = ArgumentRules::new(settings).err().unwrap();
            assert!(error.starts_with("rules[0]: ") && error.contains(word), "{rule}: {error}");
        }
    }
}
