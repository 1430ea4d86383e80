//! PostgreSQL for the tests: its programs have to be there; the tests start and end servers themselves.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::system::Requirement;

/// The oldest major version that the tests are run on.
const OLDEST: u32 = 15;

/// Debian keeps the server's programs out of the search path, in a folder for each
/// version. They refuse to run as root, so root needs the user that the package makes.
const PROBE: &str = r#"
PATH="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH"
for program in initdb postgres pg_ctl createdb; do command -v $program || exit 1; done
test "$(id -u)" != 0 || id -u postgres
"#;
const VERSION: &str = r#"
PATH="$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1):$PATH"
postgres --version
"#;

/// The server's programs.
pub(crate) const SERVER: Requirement = Requirement { probe: &["sh", "-c", PROBE], package: "postgresql" };

/// Fails where the newest version that is installed is too old.
pub(crate) fn check_version() -> Result<()> {
    let output = Command::new("sh").args(["-c", VERSION]).output().context("cannot run `sh`")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let version = major(&said).with_context(|| format!("cannot tell the version of PostgreSQL from `{said}`"))?;
    ensure!(version >= OLDEST, "{said} is too old: the tests need PostgreSQL {OLDEST} or newer");
    Ok(())
}

/// The major version in what `postgres --version` says.
fn major(said: &str) -> Option<u32> {
    let number = said.split_whitespace().find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
    number.split(|other: char| !other.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_the_first_number() {
        for (said, version) in [
            ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", Some(15)),
            ("postgres (PostgreSQL) 18beta1", Some(18)),
            ("postgres (PostgreSQL) 9.6.24", Some(9)),
            ("", None),
        ] {
            assert_eq!(major(said), version, "{said}");
        }
    }
}
