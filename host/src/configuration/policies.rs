//! A policies file, with the components that it names.

use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::admin::with_sources;
use crate::catalog::FixedDirectory;
use crate::configuration::check::explain_unknown;
use crate::configuration::document::{Document, Misfit};
use crate::configuration::problem::{Problem, Source};
use crate::pipeline::Mode;
use crate::plugin::{PipelinePlan, PlanError, PluginHost, PluginSettings};

/// The one key at the top of the file; what is below it, its reader checks.
pub(crate) const KEYS: &[&str] = &["policies"];

/// Reads the file as `start` does.
pub(crate) fn read(source: Source<'_>) -> Result<PipelinePlan, Problem> {
    PipelinePlan::read(source.path).map_err(|error| match &error {
        PlanError::Parse { source: cause, .. } => {
            let Misfit { place, message } = Misfit::of_yaml(cause);
            source.problem(place, suggest(&message))
        }
        PlanError::Read { source: cause, .. } => {
            source.problem(None, format!("cannot read the policies file: {cause}"))
        }
        PlanError::DuplicateName { name, .. } => source.problem(None, format!("names two plugins `{name}`")),
        PlanError::Settings { source: cause, .. } => source.problem(None, cause.to_string()),
    })
}

/// Reads a file into a type that denies unknown keys, and says what was probably meant by one.
pub(crate) fn read_strictly<T: DeserializeOwned>(source: Source<'_>) -> Result<T, Problem> {
    Document::new(source.path, source.text)
        .read()
        .map_err(|Misfit { place, message }| source.problem(place, suggest(&message)))
}

/// Adds what was probably meant by an unknown key; its reader lists what there is.
fn suggest(message: &str) -> String {
    let Some((before, rest)) = message.split_once("unknown field `") else {
        return message.to_owned();
    };
    let words: Vec<&str> = rest.split('`').step_by(2).collect();
    match words.split_first() {
        Some((key, known)) => format!("{before}{}", explain_unknown(key, known)),
        None => message.to_owned(),
    }
}

/// Loads every component that a plan names, and has it accept its settings, as
/// `start` would. All that is wrong is told, not only the first.
pub async fn check_components(plan: &PipelinePlan) -> Result<(), Vec<String>> {
    let directory = Arc::new(FixedDirectory::new(Mode::Development));
    let host = PluginHost::new(PluginSettings::default(), directory).map_err(|error| vec![with_sources(&error)])?;
    let mut problems = Vec::new();
    for plugin in &plan.plugins {
        problems.extend(host.load(plugin).await.err().map(|error| with_sources(&error)));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_of_a_policy_comes_with_what_was_meant() {
        assert_eq!(
            suggest("policies[0]: unknown field `failopen`, expected one of `name`, `component`, `fail_open`"),
            "policies[0]: unknown key `failopen`: did you mean `fail_open`?"
        );
        assert_eq!(suggest("missing field `policies`"), "missing field `policies`");
    }
}
