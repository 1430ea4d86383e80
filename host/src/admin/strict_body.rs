//! JSON bodies in which every member must be known, as for plugins: what is wrong is told by the member that it is
//! about and by what is expected there, not by the words of the reader.

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;

use crate::admin::error::ApiError;
use crate::admin::input::{RawBody, refuse_list};
use crate::configuration::{nearest, without_value};

/// A JSON body, whatever its `Content-Type` says.
pub(super) struct StrictBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for StrictBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let RawBody(body) = RawBody::from_request(request, state).await?;
        refuse_list(&body)?;
        read(&body).map(Self).map_err(ApiError::invalid)
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Err("the request body is empty: send a JSON object".to_owned());
    }
    let malformed = |error: &serde_json::Error| format!("the request body is not valid JSON: {error}");
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = Some(error.path().to_string()).filter(|path| path != ".");
        match error.inner() {
            inner if inner.is_data() => explain(path.as_deref(), &inner.to_string()),
            inner => malformed(inner),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// What a reader says of the member at a path (of the body as a whole, if there is none), in the words of the API.
fn explain(path: Option<&str>, said: &str) -> String {
    let said = said.rsplit_once(" at line ").map_or(said, |(said, _)| said);
    // A value may be a secret, and answers are logged by whoever gets them.
    let said = without_value(said);
    let quoted: Vec<&str> = said.split('`').skip(1).step_by(2).collect();
    let shown = |path: Option<&str>| path.map_or_else(|| "the request body".to_owned(), |path| format!("`{path}`"));
    let below = |name: &str| path.map_or_else(|| name.to_owned(), |path| format!("{path}.{name}"));
    if said.starts_with("missing field ")
        && let [name, ..] = quoted[..]
    {
        return match expected(name) {
            Some(expected) => format!("`{}` is missing: give {expected}", below(name)),
            None => format!("`{}` is missing", below(name)),
        };
    }
    if said.starts_with("duplicate field ")
        && let [name, ..] = quoted[..]
    {
        return format!("`{}` is given twice", below(name));
    }
    if said.starts_with("unknown field ")
        && let [name, known @ ..] = &quoted[..]
    {
        // The path leads to the member that is not known, and this is about what it stands in.
        let place = shown(path.and_then(|path| path.strip_suffix(name)?.strip_suffix('.')));
        return match nearest(name, known.iter().copied()) {
            Some(meant) => format!("{place} has no member `{name}`: did you mean `{meant}`?"),
            None => format!("{place} has no member `{name}`: there are {}", known.join(", ")),
        };
    }
    if said.starts_with("unknown variant ")
        && let [given, known @ ..] = &quoted[..]
    {
        return format!("{} cannot be `{given}`: there are {}", shown(path), known.join(", "));
    }
    let misfit = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "));
    match misfit.and_then(|misfit| misfit.split_once(", expected ")) {
        Some((given, by_reader)) => {
            let own = match path {
                None => Some("a JSON object"),
                Some(path) => path.rsplit('.').next().and_then(expected),
            };
            format!("{} is {}: it must be {}", shown(path), in_words(given), own.unwrap_or(by_reader))
        }
        None => format!("{}: {said}", shown(path)),
    }
}

/// What a member of this name must be, where the reader's words do not say it well.
fn expected(name: &str) -> Option<&'static str> {
    Some(match name {
        "name" => "the name of a plugin: letters, digits, underscores and hyphens, 64 at most",
        "replace" | "before" | "after" => "the name of another plugin",
        "component" => "`builtin:NAME`, or `sha256:` and the digest of a component that was uploaded",
        "settings" => "a JSON object",
        "grants" | "grant" | "revoke" => "a list of grants, such as [\"kv\", \"http:api.example.com\"]",
        "limits" => "an object, such as {\"deadline_ms\": 250}",
        "isolation" => "`reuse` or `per-call`",
        "fail_open" => "true or false",
        "stages" => "a list of stages, such as [\"authorizer\"]",
        "names" => "a list of the names of plugins",
        "changes" => "an object with what is to be different, such as {\"fail_open\": true}",
        "add" | "update" | "enable" | "disable" | "remove" | "order" | "rollback" => "an object",
        _ => return None,
    })
}

/// What was given, without the words of the reader.
fn in_words(given: &str) -> String {
    match given {
        "sequence" => "a list".to_owned(),
        "map" => "an object".to_owned(),
        "string" => "a text".to_owned(),
        _ => match given.split('`').nth(1) {
            Some(value) => value.to_owned(),
            None => given.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::pipeline::Stage;
    use crate::plugin::{Grants, Isolation, LimitChanges};

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "it is only read into")]
    struct Body {
        name: String,
        #[serde(default)]
        settings: serde_json::Map<String, serde_json::Value>,
        #[serde(default)]
        grants: Grants,
        #[serde(default)]
        limits: LimitChanges,
        #[serde(default)]
        isolation: Isolation,
        #[serde(default)]
        stages: Option<Vec<Stage>>,
        #[serde(default)]
        fail_open: bool,
    }

    #[test]
    fn what_is_wrong_is_told_with_its_member_and_what_is_expected() {
        for (body, expected) in [
            ("", "the request body is empty: send a JSON object"),
            ("{", "the request body is not valid JSON: EOF while parsing an object at line 1 column 1"),
            (r#"{"name":"a"} x"#, "the request body is not valid JSON: trailing characters at line 1 column 14"),
            ("7", "the request body is 7: it must be a JSON object"),
            ("\"secret\"", "the request body is a text: it must be a JSON object"),
            (
                "{}",
                "`name` is missing: give the name of a plugin: letters, digits, underscores and hyphens, 64 at most",
            ),
            (
                r#"{"name":5}"#,
                "`name` is 5: it must be the name of a plugin: letters, digits, underscores and hyphens, 64 at most",
            ),
            (r#"{"name":"a","name":"b"}"#, "`name` is given twice"),
            (r#"{"name":"a","setings":{}}"#, "the request body has no member `setings`: did you mean `settings`?"),
            (
                r#"{"name":"a","qqqqqq":{}}"#,
                "the request body has no member `qqqqqq`: there are name, settings, grants, limits, isolation, stages, \
                 fail_open",
            ),
            (r#"{"name":"a","settings":[1]}"#, "`settings` is a list: it must be a JSON object"),
            (r#"{"name":"a","settings":"s3cret"}"#, "`settings` is a text: it must be a JSON object"),
            (
                r#"{"name":"a","grants":"kv"}"#,
                "`grants` is a text: it must be a list of grants, such as [\"kv\", \"http:api.example.com\"]",
            ),
            (
                r#"{"name":"a","limits":{"deadline_ms":70000}}"#,
                "`limits.deadline_ms` is 70000: it must be a whole number from 1 to 60000",
            ),
            (
                r#"{"name":"a","limits":{"memory_mib":"16"}}"#,
                "`limits.memory_mib` is a text: it must be a whole number from 1 to 4096",
            ),
            (
                r#"{"name":"a","limits":{"memory_mb":1}}"#,
                "`limits` has no member `memory_mb`: did you mean `memory_mib`?",
            ),
            (r#"{"name":"a","limits":7}"#, "`limits` is 7: it must be an object, such as {\"deadline_ms\": 250}"),
            (r#"{"name":"a","isolation":"none"}"#, "`isolation` cannot be `none`: there are reuse, per-call"),
            (r#"{"name":"a","fail_open":"yes"}"#, "`fail_open` is a text: it must be true or false"),
            (r#"{"name":"a","fail_open":null}"#, "`fail_open` is null: it must be true or false"),
        ] {
            assert_eq!(read::<Body>(body.as_bytes()).unwrap_err(), expected, "{body}");
        }
        for (body, fragment) in [
            (r#"{"name":"a","grants":["all"]}"#, "`grants`: `all` is no grant"),
            (r#"{"name":"a","stages":["acl"]}"#, "`stages[0]`: there is no stage `acl`; there are authenticator, "),
        ] {
            let problem = read::<Body>(body.as_bytes()).unwrap_err();
            assert!(problem.starts_with(fragment), "{body}: {problem}");
        }
    }
}
