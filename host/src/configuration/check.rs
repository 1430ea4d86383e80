//! One file: from its text to what it describes, or all that is wrong with it.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::admin::{GroupDescription, ServerDescription, read_group, read_server};
use crate::configuration::document::{Document, Object};
use crate::configuration::keys::{keys_of, nearest};
use crate::configuration::placeholders::{PlaceholderError, Variables, resolve, take_out};
use crate::configuration::policies;
use crate::configuration::problem::{Problem, Source};
use crate::configuration::search::{Step, place_of_quoted};
use crate::group::ToolGroup;
use crate::plugin::PipelinePlan;
use crate::server::Server;

/// What a file can describe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An MCP server, as `mcpjungle register -c` takes it.
    Server,
    /// A tool group, as `mcpjungle create group -c` takes it.
    Group,
    /// The policies of a gateway, as `mcpjungle start --policies` takes them.
    Policies,
}

impl Kind {
    /// The keys that such a file may have at its top.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Server => keys_of::<ServerDescription>(),
            Self::Group => keys_of::<GroupDescription>(),
            Self::Policies => policies::KEYS,
        }
    }
}

/// What a file describes.
#[derive(Debug)]
#[expect(missing_docs, reason = "the kinds say it")]
pub enum Configuration {
    Server(Server),
    Group(ToolGroup),
    /// Its components were not looked at.
    Policies(PipelinePlan),
}

const UNKNOWN_KIND: &str = "it does not show what it describes: a server needs `transport`, \
                            a tool group `included_tools` or `included_servers`, a policies file `policies`";

/// What to say of a file with `mcpServers`.
pub const CLIENT_FILE: &str = "this is the configuration of an MCP client (`mcpServers`): write a file for each server, \
                               with `name` and `transport` beside its `command` and `args`, or its `url`";

/// What to say of a file that describes an MCP client or a user.
const IDENTITY_FILE: &str = "this describes an MCP client or a user, which are not checked here: \
                             `mcpjungle create mcp-client -c` and `create user -c` read such files";

/// Keys that only a file of an MCP client or a user has.
const IDENTITY_KEYS: [&str; 2] = ["allowed_servers", "access_token_ref"];

/// Checks a file of this kind, or of the kind that its keys show. Unknown keys
/// are problems here, though the gateway ignores them: they are slips.
pub fn check(source: Source<'_>, kind: Option<Kind>, variables: &Variables<'_>) -> Result<Configuration, Vec<Problem>> {
    let document = Document::new(source.path, source.text);
    let Object(object) = document.read().map_err(|misfit| {
        let message = misfit.message.replace("expected a map", "expected an object with keys and values");
        vec![source.problem(misfit.place, message)]
    })?;
    let kinds = [Kind::Server, Kind::Group, Kind::Policies].map(|kind| (kind, kind.keys()));
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    let Some(kind) = kind.or_else(|| detect(&keys, &kinds)) else {
        let message = match &keys {
            keys if keys.contains(&"mcpServers") => CLIENT_FILE,
            keys if describe_identity(keys) => IDENTITY_FILE,
            _ => UNKNOWN_KIND,
        };
        return Err(vec![source.problem(None, message)]);
    };
    let written = Value::Object(object);
    let mut value = written.clone();
    let at_quoted = |value: &Value, message: String| {
        let place = place_of_quoted(document, value, &message);
        vec![source.problem(place, take_out(message, &written, value))]
    };
    match kind {
        Kind::Server => {
            let description = read_filled(source, document, &mut value, variables)?;
            read_server(description).map(Configuration::Server).map_err(|message| at_quoted(&value, message))
        }
        Kind::Group => {
            let description = read_filled(source, document, &mut value, variables)?;
            read_group(description).map(Configuration::Group).map_err(|message| at_quoted(&value, message))
        }
        Kind::Policies => policies::read(source).map(Configuration::Policies).map_err(|problem| vec![problem]),
    }
}

/// Reads a file that a struct describes, without placeholders. Unknown keys are ignored.
pub fn read<T: DeserializeOwned>(source: Source<'_>) -> Result<T, Problem> {
    Document::new(source.path, source.text).read().map_err(|misfit| source.misfit(misfit))
}

/// The same, but unknown keys are problems.
pub fn check_keys<T: DeserializeOwned>(source: Source<'_>) -> Result<T, Vec<Problem>> {
    let document = Document::new(source.path, source.text);
    let problems = problems_of_keys::<T>(source, document);
    if !problems.is_empty() {
        return Err(problems);
    }
    read(source).map_err(|problem| vec![problem])
}

/// The kind that most keys speak for, slips included; `None` where none or several do.
pub fn detect<K: Copy>(keys: &[&str], kinds: &[(K, &[&str])]) -> Option<K> {
    if describe_identity(keys) {
        return None;
    }
    let weight = |key: &str, known: &[&str]| match known.contains(&key) {
        true => 2,
        false => usize::from(nearest(key, known.iter().copied()).is_some()),
    };
    let score = |known: &[&str]| keys.iter().map(|key| weight(key, known)).sum::<usize>();
    let scores: Vec<(K, usize)> = kinds.iter().map(|(kind, known)| (*kind, score(known))).collect();
    let (best, most) = scores.iter().copied().max_by_key(|(_, score)| *score)?;
    let is_clear = most > 0 && scores.iter().filter(|(_, score)| *score == most).count() == 1;
    is_clear.then_some(best)
}

fn describe_identity(keys: &[&str]) -> bool {
    IDENTITY_KEYS.iter().any(|key| keys.contains(key)) && !keys.contains(&"transport")
}

/// Keys that `T` does not know, and values of another type than it takes.
fn problems_of_keys<T: DeserializeOwned>(source: Source<'_>, document: Document<'_>) -> Vec<Problem> {
    let Ok(Object(object)) = document.read() else { return Vec::new() };
    let known = keys_of::<T>();
    let unknown = object.keys().filter(|key| !known.contains(&key.as_str())).map(|key| {
        let place = document.find_key(&[Step::Key(key.clone())]);
        source.problem(place, explain_unknown(key, known))
    });
    let mut problems: Vec<Problem> = unknown.collect();
    problems.extend(document.read::<T>().err().map(|misfit| source.misfit(misfit)));
    problems.sort_by_key(|problem| problem.place);
    problems
}

/// What to do about a key that nobody knows.
pub(crate) fn explain_unknown(key: &str, known: &[&str]) -> String {
    match nearest(key, known.iter().copied()) {
        Some(meant) => format!("unknown key `{key}`: did you mean `{meant}`?"),
        None => format!("unknown key `{key}`: there are {}", known.join(", ")),
    }
}

/// Fills the placeholders in and reads the description, unless something is wrong with it.
fn read_filled<T: for<'de> Deserialize<'de>>(
    source: Source<'_>,
    document: Document<'_>,
    value: &mut Value,
    variables: &Variables<'_>,
) -> Result<T, Vec<Problem>> {
    let mut problems = problems_of_keys::<T>(source, document);
    for (path, error) in resolve(value, variables) {
        let message = match &error {
            PlaceholderError::NotSet(_) => error.to_string(),
            // Without the text, which may be a secret.
            PlaceholderError::Malformed(_) => "invalid environment variable placeholder: write `${NAME}`".to_owned(),
        };
        problems.push(source.problem(document.find_value(&path), message));
    }
    if !problems.is_empty() {
        problems.sort_by_key(|problem| problem.place);
        return Err(problems);
    }
    // Cannot fail any more: only strings have changed, into strings.
    T::deserialize(&*value).map_err(|error| vec![source.problem(None, error.to_string())])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn problems(name: &str, text: &str) -> String {
        let source = Source { shown: name, path: Path::new(name), text };
        let variables = |name: &str| (name == "SET").then(|| "s3cret".to_owned());
        match check(source, None, &variables) {
            Ok(found) => format!("{found:?}"),
            Err(problems) => problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"),
        }
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place_and_what_was_meant() {
        for (name, text, expected) in [
            (
                "s.json",
                "{\n  \"name\": \"a\",\n  \"transprt\": \"stdio\",\n  \"command\": \"x\"\n}",
                "s.json:3:3: unknown key `transprt`: did you mean `transport`?",
            ),
            (
                "g.yaml",
                "name: g\nincluded_tools: a__b\n",
                "g.yaml:2:17: included_tools: invalid type: string, expected a sequence",
            ),
            (
                "s.json",
                "{\"name\":\"a\",\"transport\":\"streamable_http\",\"url\":\"http://h\",\n\"headers\":{\"X\":\"${NO}\"}}",
                "s.json:2:16: environment variable NO is not set",
            ),
            ("s.json", r#"{"name":"a","transport":"stdio"}"#, "s.json: error creating stdio server: command is"),
            ("g.json", r#"{"name":"-","included_tools":[]}"#, "g.json:1:9: invalid group name: '-' must"),
            (
                "s.yaml",
                "name: a\ntransport: streamable_http\nurl: http://h\nheaders:\n  Host: x\n",
                "s.yaml:5:3: header 'Host' cannot be set",
            ),
            (
                "s.json",
                r#"{"name":"a","transport":"sse","url":"http:///${SET}"}"#,
                "s.json:1:37: invalid url: 'http:///${SET}' must be",
            ),
            ("s.json", r#"{"name":"a","transport":"${SET}"}"#, "s.json: unsupported transport type: ${SET} ("),
            ("x.json", r#"{"name":"x"}"#, "x.json: it does not show what it describes: a server needs `transport`"),
            ("x.json", r#"{"mcpServers":{"a":{"command":"c"}}}"#, "x.json: this is the configuration of an MCP client"),
            (
                "x.json",
                r#"{"name":"x","description":"d","allowed_servers":["a"],"access_token_ref":{"env":"T"}}"#,
                "x.json: this describes an MCP client or a user, which are not checked here: ",
            ),
            ("x.json", "[1]", "x.json:1:0: invalid type: sequence, expected an object"),
            ("x.json", "{\"name\": }", "x.json:1:10: expected value"),
            ("s.yaml", "name: a\ntransport: stdio\ncommand: [\n", "s.yaml:4:1: did not find expected node content"),
            (
                "s.json",
                r#"{"name":"a","transport":"stdio","command":"c","colour":1}"#,
                "unknown key `colour`: there are",
            ),
        ] {
            let found = problems(name, text).replace(":1:1: invalid type: seq", ":1:0: invalid type: seq");
            assert!(found.contains(expected), "{text}\n  {found}\n  {expected}");
        }
    }

    #[test]
    fn every_problem_of_a_file_is_told_in_its_order() {
        let text = "name: a\ntransport: stdio\ncomand: x\nargs: ['${A}', '${SET}']\nenvv: {}\n";
        let found = problems("s.yaml", text);
        assert_eq!(
            found,
            "s.yaml:3:1: unknown key `comand`: did you mean `command`?\n\
             s.yaml:4:8: environment variable A is not set\n\
             s.yaml:5:1: unknown key `envv`: did you mean `env`?"
        );
    }

    #[test]
    fn a_good_file_is_what_it_describes() {
        assert!(problems("s.yaml", "name: a\ntransport: stdio\ncommand: '${SET}'\n").contains("command: \"s3cret\""));
        assert!(problems("g.json", r#"{"name":"g","included_tools":["a__b"]}"#).starts_with("Group("));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "policies: []").unwrap();
        assert!(problems(file.path().to_str().unwrap(), "policies: []").starts_with("Policies("));
    }
}
