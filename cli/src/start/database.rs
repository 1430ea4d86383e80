//! Which database the gateway keeps its state in.

use std::path::PathBuf;

use anyhow::bail;

use crate::arguments::StartArguments;
use crate::environment::Environment;

/// Made where no other database is chosen or found.
const DEFAULT_FILE: &str = "mcpjungle.db";
/// What that file was called long ago.
const LEGACY_FILE: &str = "mcp.db";

/// The chosen database.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DatabaseChoice {
    /// A file, which is made if it is not there.
    Sqlite(PathBuf),
}

/// Chooses in the documented order; the second is a warning.
pub(super) fn choose(
    arguments: &StartArguments,
    environment: &Environment,
) -> anyhow::Result<(DatabaseChoice, Option<String>)> {
    for variable in ["DATABASE_URL", "POSTGRES_HOST"] {
        if environment.setting(variable).is_some() {
            // Refused, not ignored: state kept in a file that nobody expects would look like lost data.
            bail!(
                "{variable} asks for PostgreSQL, which this version does not support yet: \
                 unset it to use SQLite (--sqlite-db-path chooses the file)"
            );
        }
    }
    let flag = arguments.sqlite_db_path.as_ref().filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = flag {
        return Ok((DatabaseChoice::Sqlite(environment.path(path)), None));
    }
    if let Some(path) = environment.setting("SQLITE_DB_PATH") {
        return Ok((DatabaseChoice::Sqlite(environment.path(path)), None));
    }
    let (default, legacy) = (environment.path(DEFAULT_FILE), environment.path(LEGACY_FILE));
    if !default.exists() && legacy.exists() {
        let warning = format!("Warning: using the old database file ./{LEGACY_FILE}; rename it to ./{DEFAULT_FILE}");
        return Ok((DatabaseChoice::Sqlite(legacy), Some(warning)));
    }
    Ok((DatabaseChoice::Sqlite(default), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(flag: Option<&str>, variables: &[(&str, &str)], files: &[&str]) -> (String, bool) {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        let arguments = StartArguments { sqlite_db_path: flag.map(PathBuf::from), ..StartArguments::default() };
        let environment = Environment::of(variables, directory.path());
        let (DatabaseChoice::Sqlite(path), warning) = choose(&arguments, &environment).unwrap();
        let path = path.strip_prefix(directory.path()).unwrap_or(&path);
        (path.display().to_string(), warning.is_some())
    }

    #[test]
    fn the_database_file_is_chosen_in_the_documented_order() {
        let variable = &[("SQLITE_DB_PATH", "sub/v.db")][..];
        for (flag, variables, files, chosen, warns) in [
            (Some("/abs/f.db"), variable, &[][..], "/abs/f.db", false),
            (Some("f.db"), variable, &[], "f.db", false),
            (None, variable, &["mcpjungle.db"], "sub/v.db", false),
            (None, &[("SQLITE_DB_PATH", ""), ("DATABASE_URL", "")], &["mcp.db", "mcpjungle.db"], "mcpjungle.db", false),
            (None, &[], &["mcp.db"], "mcp.db", true),
            (None, &[], &[], "mcpjungle.db", false),
        ] {
            assert_eq!(sqlite(flag, variables, files), (chosen.to_owned(), warns), "{flag:?} {variables:?} {files:?}");
        }
    }

    #[test]
    fn postgresql_is_refused_by_the_name_of_the_variable() {
        for (variable, value) in [("DATABASE_URL", "postgres://u:hidden@h/db"), ("POSTGRES_HOST", "localhost")] {
            let environment = Environment::of(&[(variable, value)], std::path::Path::new("/"));
            let message = choose(&StartArguments::default(), &environment).unwrap_err().to_string();
            assert!(message.starts_with(variable) && !message.contains("hidden"), "{message}");
        }
    }
}
