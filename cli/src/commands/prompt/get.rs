//! `get prompt`: a prompt filled in with arguments.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::arguments::PromptArguments;
use crate::json_text;
use crate::printer::Printer;

pub(crate) async fn run(prompt: &PromptArguments, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let name = &prompt.name;
    let arguments = parse_arguments(&prompt.arguments)?;
    let answer = api.render_prompt(name, &arguments).await.with_context(|| format!("failed to get prompt '{name}'"))?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    writeln!(printer, "Prompt: {name}")?;
    if !answer.value.description.is_empty() {
        writeln!(printer, "Description: {}", answer.value.description)?;
    }
    writeln!(printer, "\nGenerated Messages:\n{}", "=".repeat(51))?;
    for (number, message) in (1..).zip(&answer.value.messages) {
        writeln!(printer, "\nMessage {number} ({}):\n{}", message.role, "-".repeat(31))?;
        writeln!(printer, "Content: {}", json_text::pretty(message.content.get()))?;
    }
    Ok(())
}

/// Reads `name=value`, and several of them between commas. A comma that no `name=` follows is part of the value.
fn parse_arguments(given: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut arguments = BTreeMap::new();
    for written in given {
        let (mut name, mut value) =
            written.split_once('=').with_context(|| format!("{written} must be formatted as key=value"))?;
        while let Some((own, next_name, next_value)) = split_next(value) {
            arguments.insert(name.to_owned(), own.to_owned());
            (name, value) = (next_name, next_value);
        }
        arguments.insert(name.to_owned(), value.to_owned());
    }
    Ok(arguments)
}

/// `v,name=rest` as `v`, `name` and `rest`.
fn split_next(value: &str) -> Option<(&str, &str, &str)> {
    value.match_indices(',').find_map(|(at, _)| {
        let (name, rest) = value[at + 1..].split_once('=')?;
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        is_name.then_some((&value[..at], name, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_stand_alone_or_between_commas() {
        let given = ["a=1,b=x=y,z".to_owned(), "text=one, two, k = v".to_owned(), "e=".to_owned()];
        let arguments = parse_arguments(&given).unwrap();
        let read: Vec<(&str, &str)> = arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(read, [("a", "1"), ("b", "x=y,z"), ("e", ""), ("text", "one, two, k = v")]);
    }

    #[test]
    fn an_argument_without_a_value_is_refused() {
        let message = parse_arguments(&["model".to_owned()]).unwrap_err().to_string();
        assert_eq!(message, "model must be formatted as key=value");
    }
}
