//! Which database the gateway keeps its state in.

use std::net::Ipv6Addr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::{Database, PostgresDatabase, PostgresSettings};
use url::Url;

use super::settings::read_named_file;
use crate::arguments::StartArguments;
use crate::environment::Environment;

/// Made where no other database is chosen or found.
const DEFAULT_FILE: &str = "mcpjungle.db";
/// What that file was called long ago.
const LEGACY_FILE: &str = "mcp.db";

const DEFAULT_POSTGRES_PORT: &str = "5432";
/// The user and the database, where none is named.
const DEFAULT_POSTGRES_NAME: &str = "postgres";
/// How long a start waits for PostgreSQL: compose files start both together, and
/// its very first start takes a while.
const POSTGRES_PATIENCE: Duration = Duration::from_secs(30);

/// What the driver knows; spellings with hyphens are its own.
const URL_PARAMETERS: [&str; 18] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "ssl-mode",
    "ssl-root-cert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "statement-cache-capacity",
];

/// Chooses in the documented order; the second is a warning.
pub(crate) fn choose(
    arguments: &StartArguments,
    environment: &Environment,
) -> anyhow::Result<(Database, Option<String>)> {
    if let Some(url) = environment.setting("DATABASE_URL") {
        check_parameters(url)?;
        let postgres = PostgresDatabase::parse(url, PostgresSettings::Url);
        let postgres = postgres.map_err(|error| anyhow!("DATABASE_URL {error}"))?;
        return Ok((Database::Postgres(postgres.waiting_for(POSTGRES_PATIENCE)), None));
    }
    if let Some(host) = environment.setting("POSTGRES_HOST") {
        let postgres = postgres_at(host, environment)?;
        return Ok((Database::Postgres(postgres.waiting_for(POSTGRES_PATIENCE)), None));
    }
    let flag = arguments.sqlite_db_path.as_ref().filter(|path| !path.as_os_str().is_empty());
    if let Some(path) = flag {
        return Ok((Database::Sqlite(environment.path(path)), None));
    }
    if let Some(path) = environment.setting("SQLITE_DB_PATH") {
        return Ok((Database::Sqlite(environment.path(path)), None));
    }
    let (default, legacy) = (environment.path(DEFAULT_FILE), environment.path(LEGACY_FILE));
    if !default.exists() && legacy.exists() {
        let warning = format!("Warning: using the old database file ./{LEGACY_FILE}; rename it to ./{DEFAULT_FILE}");
        return Ok((Database::Sqlite(legacy), Some(warning)));
    }
    Ok((Database::Sqlite(default), None))
}

/// The driver logs a parameter that it does not know, with its value: a misspelt
/// password among them. Messages do not even name it: it may be part of a password.
fn check_parameters(url: &str) -> anyhow::Result<()> {
    // Another reads the URL, and says what is wrong with it.
    let Ok(url) = Url::parse(url) else { return Ok(()) };
    let is_known = |name: &str| URL_PARAMETERS.contains(&name) || name.starts_with("options[");
    if url.scheme().starts_with("postgres") && !url.query_pairs().all(|(name, _)| is_known(&name)) {
        bail!(
            "DATABASE_URL has a parameter after the `?` that is not known: there are {}; \
             a `?` in the password is written `%3F`",
            URL_PARAMETERS.join(", ")
        );
    }
    Ok(())
}

fn postgres_at(host: &str, environment: &Environment) -> anyhow::Result<PostgresDatabase> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.contains(':') && host.parse::<Ipv6Addr>().is_err() {
        bail!(
            "invalid value for POSTGRES_HOST environment variable: '{host}', \
             must be a host without a port; the port goes into POSTGRES_PORT, a URL into DATABASE_URL"
        );
    }
    let port = environment.setting("POSTGRES_PORT").unwrap_or(DEFAULT_POSTGRES_PORT);
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        bail!("invalid value for POSTGRES_PORT environment variable: '{port}', must be a number from 1 to 65535");
    }
    let user = variable_or_file(environment, "POSTGRES_USER", "POSTGRES_USER_FILE")?;
    let password = variable_or_file(environment, "POSTGRES_PASSWORD", "POSTGRES_PASSWORD_FILE")?;
    let name = variable_or_file(environment, "POSTGRES_DB", "POSTGRES_DB_FILE")?;
    let or_default = |text: &Option<Secret>| text.as_ref().map_or(DEFAULT_POSTGRES_NAME, Secret::expose).to_owned();
    // As parameters, where one encoding is right for any text, for a socket's folder and for an IPv6 address.
    let mut url = Url::parse("postgres:///").context("an empty URL is a URL")?;
    url.query_pairs_mut()
        .append_pair("host", host)
        .append_pair("port", port)
        .append_pair("user", &or_default(&user))
        .append_pair("dbname", &or_default(&name));
    if let Some(password) = &password {
        url.query_pairs_mut().append_pair("password", password.expose());
    }
    let url = Secret::new(url);
    PostgresDatabase::parse(url.expose(), PostgresSettings::Variables)
        .map_err(|error| anyhow!("what the POSTGRES_ variables say {error}"))
}

/// The variable itself wins over the file that the other one names; empty is unset in both.
fn variable_or_file(environment: &Environment, variable: &str, file: &str) -> anyhow::Result<Option<Secret>> {
    if let Some(text) = environment.setting(variable) {
        return Ok(Some(Secret::new(text)));
    }
    Ok(read_named_file(environment, file)?.filter(|text| !text.expose().is_empty()))
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    fn sqlite(flag: Option<&str>, variables: &[(&str, &str)], files: &[&str]) -> (String, bool) {
        let directory = tempfile::tempdir().unwrap();
        for file in files {
            std::fs::write(directory.path().join(file), "").unwrap();
        }
        let arguments = StartArguments { sqlite_db_path: flag.map(PathBuf::from), ..StartArguments::default() };
        let environment = Environment::of(variables, directory.path());
        let (Database::Sqlite(path), warning) = choose(&arguments, &environment).unwrap() else {
            panic!("not PostgreSQL");
        };
        let path = path.strip_prefix(directory.path()).unwrap_or(&path);
        (path.display().to_string(), warning.is_some())
    }

    /// What is chosen with these variables, and a flag that names an SQLite file.
    fn postgres(variables: &[(&str, &str)]) -> Result<PostgresDatabase, String> {
        let arguments = StartArguments { sqlite_db_path: Some("f.db".into()), ..StartArguments::default() };
        match choose(&arguments, &Environment::of(variables, Path::new("/"))) {
            Ok((Database::Postgres(postgres), None)) => Ok(postgres),
            Ok(other) => panic!("not PostgreSQL: {other:?}"),
            Err(error) => Err(format!("{error:#}")),
        }
    }

    fn parsed(url: &str) -> PostgresDatabase {
        PostgresDatabase::parse(url, PostgresSettings::Variables).unwrap().waiting_for(POSTGRES_PATIENCE)
    }

    #[test]
    fn the_database_file_is_chosen_in_the_documented_order() {
        let variable = &[("SQLITE_DB_PATH", "sub/v.db")][..];
        for (flag, variables, files, chosen, warns) in [
            (Some("/abs/f.db"), variable, &[][..], "/abs/f.db", false),
            (Some("f.db"), variable, &[], "f.db", false),
            (None, variable, &["mcpjungle.db"], "sub/v.db", false),
            (None, &[("SQLITE_DB_PATH", ""), ("DATABASE_URL", "")], &["mcp.db", "mcpjungle.db"], "mcpjungle.db", false),
            (None, &[("POSTGRES_USER", "u"), ("POSTGRES_HOST", "")], &[], "mcpjungle.db", false),
            (None, &[], &["mcp.db"], "mcp.db", true),
            (None, &[], &[], "mcpjungle.db", false),
        ] {
            assert_eq!(sqlite(flag, variables, files), (chosen.to_owned(), warns), "{flag:?} {variables:?} {files:?}");
        }
    }

    #[test]
    fn the_url_wins_over_the_other_variables_and_both_over_a_file() {
        let url = ("DATABASE_URL", "postgres://u:hidden@h:1/d");
        let both = postgres(&[url, ("POSTGRES_HOST", "other")]).unwrap();
        assert_eq!(both.to_string(), "PostgreSQL at h:1, database `d`");
        let variables = postgres(&[("POSTGRES_HOST", "other"), ("SQLITE_DB_PATH", "v.db")]).unwrap();
        assert_eq!(variables.to_string(), "PostgreSQL at other:5432, database `postgres`");
    }

    #[test]
    fn what_stands_in_variables_and_files_is_taken_as_it_is() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(file.path(), "a b@:/?#%&+=ü\n").unwrap();
        let odd = "a%20b%40%3A%2F%3F%23%25%26%2B%3D%C3%BC";
        let expected = parsed(&format!("postgres:///?host=h&port=6&user={odd}&dbname={odd}&password={odd}"));
        let from_variables = postgres(&[
            ("POSTGRES_HOST", "h"),
            ("POSTGRES_PORT", "6"),
            ("POSTGRES_USER", "a b@:/?#%&+=ü"),
            ("POSTGRES_PASSWORD", "a b@:/?#%&+=ü"),
            ("POSTGRES_PASSWORD_FILE", "/nonexistent"),
            ("POSTGRES_DB", "a b@:/?#%&+=ü"),
        ]);
        let from_files = postgres(&[
            ("POSTGRES_HOST", "h"),
            ("POSTGRES_PORT", "6"),
            ("POSTGRES_USER_FILE", path),
            ("POSTGRES_PASSWORD_FILE", path),
            ("POSTGRES_DB_FILE", path),
        ]);
        assert_eq!(from_variables, from_files);
        assert_eq!(from_variables.unwrap().to_string(), expected.to_string());
        for (host, shown) in [("::1", "[::1]:5432"), ("[::1]", "[::1]:5432"), ("/run/pg", "/run/pg")] {
            let shown = format!("PostgreSQL at {shown}, database `postgres`");
            assert_eq!(postgres(&[("POSTGRES_HOST", host)]).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_the_name_of_the_variable_without_the_password() {
        for (variables, start) in [
            (&[("DATABASE_URL", "mysql://u:hidden@h/db")][..], "DATABASE_URL is not a PostgreSQL URL: "),
            (
                &[("DATABASE_URL", "postgres://u@h/db?sslmode=disable&pasword=hidden")],
                "DATABASE_URL has a parameter after the `?` that is not known: there are sslmode, ",
            ),
            (&[("DATABASE_URL", "postgres://u:1?hidden@h/db")], "DATABASE_URL has a parameter after the `?`"),
            (&[("DATABASE_URL", "postgres://u:hid#den@h/db")], "DATABASE_URL cannot be read ("),
            (
                &[("POSTGRES_HOST", "h"), ("POSTGRES_PORT", "0")],
                "invalid value for POSTGRES_PORT environment variable: '0', must be a number from 1 to 65535",
            ),
            (
                &[("POSTGRES_HOST", "h:5432")],
                "invalid value for POSTGRES_HOST environment variable: 'h:5432', must be a host without a port; ",
            ),
            (
                &[("POSTGRES_HOST", "h"), ("POSTGRES_PASSWORD_FILE", "/nonexistent")],
                "failed to read POSTGRES_PASSWORD_FILE: the file /nonexistent: No such file or directory",
            ),
        ] {
            let message = postgres(variables).unwrap_err();
            assert!(message.starts_with(start) && !message.contains("hid"), "{message}");
        }
    }
}
