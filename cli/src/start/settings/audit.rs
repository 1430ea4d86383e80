//! How the audit log is kept.

use std::path::{Path, PathBuf};

use anyhow::bail;
use mcpjungle_host::audit::{AuditSettings, Retention, WhenFull};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::store::Database;

use super::parse_variable;
use crate::arguments::StartArguments;
use crate::environment::Environment;

/// The journal's folder, beside the database where that is a file.
const FOLDER: &str = "mcpjungle-audit";
const DEFAULT_JOURNAL_MB: &str = "256";
const DEFAULT_RETENTION_DAYS: &str = "90";
const DEFAULT_MAX_MB: &str = "1024";
const DAY_MS: i64 = 86_400_000;
const MB: u32 = 1 << 20;

/// Nothing, where there is to be no audit log.
pub(super) fn resolve(
    mode: Mode,
    database: &Database,
    arguments: &StartArguments,
    environment: &Environment,
) -> anyhow::Result<Option<AuditSettings>> {
    if !is_on(mode, environment)? {
        if arguments.audit_sync {
            bail!("--audit-sync needs the audit log, which is off: set MCPJUNGLE_AUDIT=true");
        }
        return Ok(None);
    }
    Ok(Some(AuditSettings {
        folder: match environment.setting("MCPJUNGLE_AUDIT_DIR") {
            Some(folder) => environment.path(folder),
            None => default_folder(database, environment),
        },
        max_journal_bytes: match megabytes(environment, "MCPJUNGLE_AUDIT_JOURNAL_MB", DEFAULT_JOURNAL_MB)? {
            0 => bail!(
                "invalid value for MCPJUNGLE_AUDIT_JOURNAL_MB environment variable: '0', must be a positive number of megabytes"
            ),
            bytes => bytes.unsigned_abs(),
        },
        when_full: resolve_when_full(arguments.audit_sync, environment)?,
        sync: arguments.audit_sync,
        retention: Retention {
            max_age_ms: limit(resolve_days(environment)?),
            max_bytes: limit(megabytes(environment, "MCPJUNGLE_AUDIT_MAX_MB", DEFAULT_MAX_MB)?),
        },
    }))
}

fn is_on(mode: Mode, environment: &Environment) -> anyhow::Result<bool> {
    let Some(written) = environment.setting("MCPJUNGLE_AUDIT") else {
        return Ok(mode == Mode::Enterprise);
    };
    match written.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => bail!(
            "invalid value for MCPJUNGLE_AUDIT environment variable: '{written}', valid values are 'true', '1', 'false' and '0'"
        ),
    }
}

fn default_folder(database: &Database, environment: &Environment) -> PathBuf {
    match database {
        Database::Sqlite(path) => path.with_file_name(FOLDER),
        Database::Postgres(_) => environment.path(Path::new(FOLDER)),
    }
}

/// Who has answers wait for their records wants none of them lost.
fn resolve_when_full(sync: bool, environment: &Environment) -> anyhow::Result<WhenFull> {
    let default = if sync { "refuse" } else { "drop" };
    let written = environment.setting("MCPJUNGLE_AUDIT_WHEN_FULL").unwrap_or(default);
    match written.trim().to_ascii_lowercase().as_str() {
        "refuse" => Ok(WhenFull::Refuse),
        "drop" => Ok(WhenFull::Drop),
        _ => bail!(
            "invalid value for MCPJUNGLE_AUDIT_WHEN_FULL environment variable: '{written}', valid values are 'refuse' and 'drop'"
        ),
    }
}

fn resolve_days(environment: &Environment) -> anyhow::Result<i64> {
    let rule = "must be a number of days, or 0 to keep records for ever";
    let (days, _) = parse_variable::<u32>(environment, "MCPJUNGLE_AUDIT_RETENTION_DAYS", DEFAULT_RETENTION_DAYS, rule)?;
    Ok(i64::from(days) * DAY_MS)
}

fn megabytes(environment: &Environment, variable: &str, default: &str) -> anyhow::Result<i64> {
    let (megabytes, _) = parse_variable::<u32>(environment, variable, default, "must be a number of megabytes")?;
    Ok(i64::from(megabytes) * i64::from(MB))
}

/// 0 is no limit.
fn limit(number: i64) -> Option<i64> {
    (number > 0).then_some(number)
}
