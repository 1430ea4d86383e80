//! Templates: texts with `{{placeholders}}` and with blocks of lines that depend on a word.
//!
//! A block begins with `%% if WORD…` (any of the words) or `%% unless WORD…` (none of them) and ends with
//! `%% end`; blocks may stand in blocks.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail, ensure};

/// What a text is rendered with.
#[derive(Debug, Default)]
pub(super) struct Rendering {
    /// The words that hold.
    pub(super) words: BTreeSet<&'static str>,
    /// What placeholders stand for.
    pub(super) values: BTreeMap<&'static str, String>,
}

impl Rendering {
    /// The text with its placeholders filled in, and with the blocks that hold.
    pub(super) fn render(&self, text: &str) -> anyhow::Result<String> {
        let mut rendered = String::with_capacity(text.len());
        let mut open: Vec<bool> = Vec::new();
        for line in text.lines() {
            match line.strip_prefix("%% ") {
                Some(directive) => self.direct(directive, &mut open)?,
                None if open.contains(&false) => {}
                None => {
                    rendered.push_str(&self.fill(line)?);
                    rendered.push('\n');
                }
            }
        }
        ensure!(open.is_empty(), "a block has no end");
        Ok(rendered)
    }

    fn direct(&self, directive: &str, open: &mut Vec<bool>) -> anyhow::Result<()> {
        let mut words = directive.split_whitespace();
        let keyword = words.next();
        let is_any = words.any(|word| self.words.contains(word));
        match keyword {
            Some("if") => open.push(is_any),
            Some("unless") => open.push(!is_any),
            Some("end") => open.pop().map(drop).context("a block ends that did not begin")?,
            _ => bail!("`{directive}` is no directive"),
        }
        Ok(())
    }

    fn fill(&self, line: &str) -> anyhow::Result<String> {
        let mut filled = String::with_capacity(line.len());
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            let (name, after) = after.split_once("}}").with_context(|| format!("`{line}` has no `}}}}`"))?;
            filled.push_str(before);
            filled.push_str(self.values.get(name).with_context(|| format!("nothing is known of `{name}`"))?);
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendering() -> Rendering {
        Rendering { words: BTreeSet::from(["a", "b"]), values: BTreeMap::from([("name", "deny-list".to_owned())]) }
    }

    #[test]
    fn blocks_stand_or_fall_with_their_words() {
        let text = "1\n%% if a x\n2\n%% unless b\n3\n%% end\n4\n%% end\n%% if x\n5\n%% if a\n6\n%% end\n%% end\n7\n";
        assert_eq!(rendering().render(text).unwrap(), "1\n2\n4\n7\n");
    }

    #[test]
    fn placeholders_are_filled_in() {
        assert_eq!(rendering().render("<{{name}}> {{name}} {x}").unwrap(), "<deny-list> deny-list {x}\n");
    }

    #[test]
    fn a_mistake_in_a_template_is_an_error() {
        for text in ["{{other}}", "{{name", "%% if a", "%% end", "%% maybe a"] {
            assert!(rendering().render(text).is_err(), "{text}");
        }
    }
}
