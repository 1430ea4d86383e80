//! A guard on results: what looks like a secret is masked before the client sees it.
//!
//! Only text is touched: text content, embedded texts, and the strings of structured content. Everything else of the
//! result stays as the upstream sent it, byte for byte; a result in which nothing was found passes unchanged.

mod detect;
mod texts;

use std::ops::Range;

use mcpjungle_policy::guard::{Parts, Review};
use mcpjungle_policy::host::Level;
use mcpjungle_policy::{Guard, Host, Item, Policy, Principal, Request};
use regex_lite::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::detect::Secret;

/// What to mask.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The known secrets to look for; all of them by default.
    #[serde(default = "all_secrets")]
    secrets: Vec<Secret>,
    /// Further patterns of one's own.
    #[serde(default)]
    patterns: Vec<Pattern>,
    /// Patterns for the tools whose results are looked at: a server's name, a canonical name, or either with `*`.
    #[serde(default = "everything")]
    tools: Vec<String>,
    /// What is put in place of a secret; `{name}` stands for what it was.
    #[serde(default = "mask")]
    mask: String,
}

/// A pattern of one's own.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Pattern {
    /// What to call it where it was masked.
    name: String,
    /// A regular expression. If it has a group named `secret`, only that is masked.
    regex: String,
}

fn all_secrets() -> Vec<Secret> {
    Secret::ALL.to_vec()
}

fn everything() -> Vec<String> {
    vec!["*".to_owned()]
}

fn mask() -> String {
    "[redacted: {name}]".to_owned()
}

struct Redact {
    settings: Settings,
    patterns: Vec<(String, Regex)>,
}

impl Policy for Redact {
    type Settings = Settings;

    fn new(settings: Settings) -> Result<Self, String> {
        let compile = |pattern: &Pattern| {
            let Pattern { name, regex } = pattern;
            let compiled = Regex::new(regex).map_err(|error| format!("the pattern `{name}` is no regex: {error}"))?;
            if compiled.is_match("") {
                return Err(format!("the pattern `{name}` matches nothing at all, and so everywhere"));
            }
            Ok((name.clone(), compiled))
        };
        let patterns = settings.patterns.iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { settings, patterns })
    }
}

impl Guard for Redact {
    fn reviews(&self) -> Parts {
        Parts::RESULTS
    }

    fn review_result(
        &self,
        host: &impl Host,
        _request: &Request,
        _principal: &Principal,
        item: &Item,
        outcome: &str,
    ) -> Review {
        if !self.settings.tools.iter().any(|pattern| item.is_matched_by(pattern)) {
            return Review::Pass;
        }
        let texts = match texts::find(outcome) {
            Ok(texts) => texts,
            Err(problem) => return Review::deny("cannot-redact", format!("the result cannot be searched: {problem}")),
        };
        let mut masked = 0_usize;
        let mut rewritten = String::new();
        let mut copied = 0;
        for text in texts {
            let secrets = self.find(&text.value);
            if secrets.is_empty() {
                continue;
            }
            masked += secrets.len();
            rewritten.push_str(&outcome[copied..text.place.start]);
            rewritten.push_str(&texts::quote(&self.mask(&text.value, &secrets)));
            copied = text.place.end;
        }
        if masked == 0 {
            return Review::Pass;
        }
        rewritten.push_str(&outcome[copied..]);
        let fields = [("item", item.canonical_name()), ("secrets", masked.to_string())];
        host.log(
            Level::Info,
            "masked secrets in a result",
            &fields.each_ref().map(|(name, value)| (*name, value.as_str())),
        );
        Review::Rewrite(rewritten)
    }
}

impl Redact {
    /// Where secrets are in a text and what they are, in order; where several overlap, the one that begins first.
    fn find(&self, text: &str) -> Vec<(Range<usize>, &str)> {
        let known = detect::find(text, &self.settings.secrets).map(|(place, secret)| (place, secret.name()));
        let mut found: Vec<_> = known.collect();
        for (name, regex) in &self.patterns {
            let places = regex.captures_iter(text).filter_map(|groups| groups.name("secret").or(groups.get(0)));
            found.extend(places.map(|place| (place.range(), name.as_str())));
        }
        found.sort_by_key(|(place, _)| (place.start, usize::MAX - place.end));
        let mut end = 0;
        // What reaches beyond the one before it is masked from there on.
        for (place, _) in &mut found {
            place.start = place.start.max(end);
            end = end.max(place.end);
        }
        found.retain(|(place, _)| place.start < place.end);
        found
    }

    fn mask(&self, text: &str, secrets: &[(Range<usize>, &str)]) -> String {
        let mut masked = String::with_capacity(text.len());
        let mut copied = 0;
        for (place, name) in secrets {
            masked.push_str(&text[copied..place.start]);
            masked.push_str(&self.settings.mask.replace("{name}", name));
            copied = place.end;
        }
        masked.push_str(&text[copied..]);
        masked
    }
}

mcpjungle_policy::export!(Redact: guard);

#[cfg(test)]
mod tests {
    use mcpjungle_policy::testing::{FakeHost, client, item, request};

    use super::*;

    fn policy(settings: &str) -> Result<Redact, String> {
        Redact::new(serde_json::from_str(settings).map_err(|error| error.to_string())?)
    }

    fn review(settings: &str, outcome: &str) -> Review {
        let policy = policy(settings).unwrap();
        policy.review_result(&FakeHost::new(), &request(), &client("ann"), &item("tool aws__show"), outcome)
    }

    #[test]
    fn secrets_are_masked_and_all_else_keeps_its_bytes() {
        let outcome = r#"{ "content":[{"type":"text","text":"id \u0041KIAIOSFODNN7EXAMPLE, n 1.50"} ],
            "structuredContent":{"n": 1.50,"b":["x","Bearer abcdefghijklmnop1234"]},"_meta":{"k":"AKIAIOSFODNN7EXAMPLE"}}"#;
        let expected = r#"{ "content":[{"type":"text","text":"id [redacted: aws-key], n 1.50"} ],
            "structuredContent":{"n": 1.50,"b":["x","Bearer [redacted: bearer-token]"]},"_meta":{"k":"AKIAIOSFODNN7EXAMPLE"}}"#;
        assert_eq!(review("{}", outcome), Review::Rewrite(expected.to_owned()));
    }

    #[test]
    fn what_holds_no_secret_passes() {
        let outcome = r#"{"content":[{"type":"image","data":"AKIAIOSFODNN7EXAMPLE","mimeType":"image/png"}]}"#;
        assert_eq!(review("{}", outcome), Review::Pass);
        let outcome = r#"{"content":[{"type":"text","text":"AKIAIOSFODNN7EXAMPLE"}]}"#;
        assert_eq!(review(r#"{"secrets":["jwt"]}"#, outcome), Review::Pass);
        assert_eq!(review(r#"{"tools":["github"]}"#, outcome), Review::Pass);
    }

    #[test]
    fn own_patterns_mask_their_group_and_overlaps_are_masked_once() {
        let settings = r#"{"patterns":[{"name":"employee","regex":"E-[0-9]{4}"},
            {"name":"password","regex":"password: (?<secret>\\S+)"},{"name":"all","regex":"E-[0-9]{4} and"}],"mask":"<{name}>"}"#;
        let outcome = r#"{"content":[{"type":"text","text":"E-1234 and password: AKIAIOSFODNN7EXAMPLE."}]}"#;
        let expected = r#"{"content":[{"type":"text","text":"<all> password: <password>"}]}"#;
        assert_eq!(review(settings, outcome), Review::Rewrite(expected.to_owned()));
    }

    #[test]
    fn what_cannot_be_searched_does_not_pass_and_what_cannot_be_meant_is_refused() {
        let deep = format!(r#"{{"structuredContent":{}1{}}}"#, "[".repeat(500), "]".repeat(500));
        assert!(matches!(review("{}", &deep), Review::Deny(denial) if denial.code == "cannot-redact"));
        for (settings, word) in [
            (r#"{"patterns":[{"name":"a","regex":"("}]}"#, "no regex"),
            (r#"{"patterns":[{"name":"a","regex":"x*"}]}"#, "everywhere"),
            (r#"{"secrets":["aws"]}"#, "aws-key"),
        ] {
            let error = policy(settings).err().unwrap();
            assert!(error.contains(word), "{settings}: {error}");
        }
    }
}
