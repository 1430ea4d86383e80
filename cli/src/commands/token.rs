//! Where a client's or user's token comes from, and how it is shown when it is new.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::arguments::RotationArguments;
use crate::environment::Environment;
use crate::printer::Printer;

/// Where a configuration file says that the token is.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TokenReference {
    env: Option<String>,
    file: Option<PathBuf>,
}

/// The token that a configuration file gives: itself, by a variable of this command's, or by a file, in this order.
pub(super) fn from_file(
    written: Option<String>,
    reference: Option<TokenReference>,
    environment: &Environment,
) -> anyhow::Result<String> {
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    if let Some(token) = filled(written) {
        return Ok(token);
    }
    let TokenReference { env, file } = reference.unwrap_or_default();
    let file = file.filter(|path| !path.as_os_str().is_empty());
    if let Some(variable) = filled(env) {
        match environment.find(&variable).map(str::trim) {
            Some(token) if !token.is_empty() => return Ok(token.to_owned()),
            // The file is the second choice.
            _ if file.is_some() => {}
            _ => bail!("environment variable {variable} is not set or empty"),
        }
    }
    match file {
        Some(path) => read(&path, environment),
        None => bail!("config file must supply a custom access token"),
    }
}

fn read(written_path: &Path, environment: &Environment) -> anyhow::Result<String> {
    let shown = written_path.display();
    let text = std::fs::read_to_string(environment.path(written_path))
        .with_context(|| format!("failed to read access token file {shown}"))?;
    ensure!(!text.trim().is_empty(), "access token file {shown} is empty");
    Ok(text.trim().to_owned())
}

/// The token that a flag gives. An empty one is most likely a variable that is not set.
pub(super) fn from_flag(flag: Option<&str>) -> anyhow::Result<Option<&str>> {
    ensure!(flag != Some(""), "the flag --access-token must not be empty: leave it out to have a token generated");
    Ok(flag)
}

/// Adds to the body of a change what the flags say of a new token.
pub(super) fn add_rotation(rotation: &RotationArguments, change: &mut Map<String, Value>) -> anyhow::Result<()> {
    ensure!(rotation.access_token.as_deref() != Some(""), "the flag --access-token must not be empty");
    if let Some(token) = &rotation.access_token {
        change.insert("access_token".to_owned(), json!(token));
    }
    if rotation.rotate {
        change.insert("rotate".to_owned(), json!(true));
    }
    if let Some(grace) = rotation.grace {
        ensure!(rotation.is_given(), "the flag --grace needs a new token: set --access-token or --rotate");
        change.insert("grace_seconds".to_owned(), json!(grace.as_secs()));
    }
    Ok(())
}

/// Prints a client's new token, if the person at the terminal does not know it.
pub(super) fn print_for_client(token: Option<&str>, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer)?;
    if let Some(token) = token {
        writeln!(printer, "Access token: {token}")?;
    }
    writeln!(printer, "Send this token in the `Authorization: Bearer {{token}}` HTTP header.")
}

/// Prints what a user is to do with a new token.
pub(super) fn print_for_user(token: &str, printer: &mut Printer) -> io::Result<()> {
    writeln!(printer, "The user should now run the following command to log into mcpjungle:")?;
    writeln!(printer, "\n    mcpjungle login {token}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(token: &str, env: Option<&str>, file: Option<&Path>) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment::of(&[("SET", " from-env \n"), ("BLANK", " ")], folder.path());
        let reference = TokenReference { env: env.map(str::to_owned), file: file.map(Path::to_owned) };
        from_file(Some(token.to_owned()), Some(reference), &environment).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn the_token_itself_wins_over_the_variable_and_that_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (file, empty) = (folder.path().join("token"), folder.path().join("empty"));
        std::fs::write(&file, "from-file\n").unwrap();
        std::fs::write(&empty, " \n").unwrap();
        let missing = folder.path().join("missing");
        let given = |token, env, file| resolve(token, env, file).unwrap();
        assert_eq!(given("itself", Some("SET"), Some(&file)), "itself");
        assert_eq!(given("", Some("SET"), Some(&file)), "from-env");
        assert_eq!(given("", Some("UNSET"), Some(&file)), "from-file");
        assert_eq!(given("", Some("BLANK"), Some(&file)), "from-file");
        let refused = |env, file| resolve("", env, file).unwrap_err();
        assert_eq!(refused(Some("UNSET"), None), "environment variable UNSET is not set or empty");
        assert_eq!(refused(None, Some(&empty)), format!("access token file {} is empty", empty.display()));
        assert!(refused(None, Some(&missing)).starts_with("failed to read access token file "));
        assert_eq!(refused(None, None), "config file must supply a custom access token");
    }
}
