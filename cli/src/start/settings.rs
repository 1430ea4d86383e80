//! What `start` comes to: arguments, environment, `.env` and defaults together.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, bail};
use mcpjungle_host::audit::AuditSettings;
use mcpjungle_host::config_dir::ConfigDir;
use mcpjungle_host::gateway::{AdminAuthentication, PolicySource};
use mcpjungle_host::pipeline::Mode;
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::{ConfiguredKey, Database};
use mcpjungle_host::telemetry::ResourceAttributes;
use mcpjungle_host::upstream::{ProxySettings, UpstreamSettings};

use super::child_environment;
use super::database;
use crate::arguments::{AdminAuth, StartArguments};
use crate::environment::Environment;

const DEFAULT_PORT: &str = "8080";
/// In development mode nobody is asked who they are, so nobody from outside is let in.
const DEVELOPMENT_HOST: &str = "127.0.0.1";
/// In enterprise mode everybody is asked: it is there to be reached.
const ENTERPRISE_HOST: &str = "0.0.0.0";
const DEFAULT_INIT_TIMEOUT: &str = "30";
const DEFAULT_IDLE_TIMEOUT: &str = "-1";

/// All that a gateway needs to know before it starts.
#[derive(Debug)]
pub(crate) struct StartSettings {
    /// How the gateway is run.
    pub(crate) mode: Mode,
    /// An address or a name to listen on.
    pub(crate) host: String,
    /// Whether nobody chose the host.
    pub(crate) host_is_default: bool,
    /// 0 takes any free one.
    pub(crate) port: u16,
    /// Where state is kept.
    pub(crate) database: Database,
    /// What upstream secrets are encrypted with; without it, a file beside the database.
    pub(crate) secret_key: Option<ConfiguredKey>,
    /// What whoever initialises the gateway must know.
    pub(crate) bootstrap_token: Option<Secret>,
    /// Where it is said which policies run.
    pub(crate) policies: PolicySource,
    /// Who says who may use the admin API.
    pub(crate) admin_authentication: AdminAuthentication,
    /// A folder of configuration files to keep to.
    pub(crate) config_dir: Option<ConfigDir>,
    /// Where compiled policies are kept, if the user has a place for such things.
    pub(crate) plugin_cache: Option<PathBuf>,
    /// What upstream connections depend on.
    pub(crate) upstream: UpstreamSettings,
    /// Values of `Host` that are accepted besides the usual ones.
    pub(crate) allowed_hosts: Vec<String>,
    /// Values of `Origin` that are accepted besides the gateway's own.
    pub(crate) allowed_origins: Vec<String>,
    /// What is said of this gateway at `/metrics`; without it, there are no metrics.
    pub(crate) metrics: Option<ResourceAttributes>,
    /// How the audit log is kept; without it, there is none.
    pub(crate) audit: Option<AuditSettings>,
    /// What is logged; without it, the usual.
    pub(crate) log_filter: Option<String>,
    /// What the user should know but need not act on.
    pub(crate) warnings: Vec<String>,
}

impl StartSettings {
    /// Resolves everything; the first setting that is wrong is the error.
    pub(crate) fn resolve(arguments: &StartArguments, environment: &Environment) -> anyhow::Result<Self> {
        let (mode, mode_warning) = resolve_mode(arguments, environment)?;
        let (database, database_warning) = database::choose(arguments, environment)?;
        let (metrics, metrics_warning) = resolve_metrics(mode, environment)?;
        let default_host = match mode {
            Mode::Development => DEVELOPMENT_HOST,
            Mode::Enterprise => ENTERPRISE_HOST,
        };
        let audit = audit::resolve(mode, &database, arguments, environment)?;
        let warnings = [mode_warning, database_warning, metrics_warning];
        Ok(Self {
            mode,
            host: arguments.host.clone().unwrap_or_else(|| default_host.to_owned()),
            host_is_default: arguments.host.is_none(),
            port: resolve_port(arguments, environment)?,
            database,
            secret_key: resolve_secret_key(environment)?,
            bootstrap_token: resolve_bootstrap_token(environment)?,
            policies: match &arguments.policies {
                Some(path) => PolicySource::File(environment.path(path)),
                None if arguments.safe_mode => PolicySource::SafeMode,
                None => PolicySource::Store,
            },
            admin_authentication: match arguments.admin_auth {
                AdminAuth::Stock => AdminAuthentication::Stock,
                AdminAuth::Installed => AdminAuthentication::Installed,
            },
            config_dir: resolve_config_dir(arguments, environment)?,
            plugin_cache: find_plugin_cache(environment),
            upstream: resolve_upstream(environment)?,
            allowed_hosts: comma_list(environment.setting("MCPJUNGLE_ALLOWED_HOSTS")),
            allowed_origins: comma_list(environment.setting("MCPJUNGLE_ALLOWED_ORIGINS")),
            metrics,
            audit,
            log_filter: environment.setting("MCPJUNGLE_LOG").or(environment.setting("RUST_LOG")).map(str::to_owned),
            warnings: warnings.into_iter().flatten().collect(),
        })
    }
}

/// The flag wins over the variable. Deprecated words for enterprise mode are taken with a warning.
fn resolve_mode(arguments: &StartArguments, environment: &Environment) -> anyhow::Result<(Mode, Option<String>)> {
    let variable = environment.setting("SERVER_MODE").unwrap_or("development");
    let mode = Mode::parse(variable).with_context(|| {
        format!(
            "invalid value for SERVER_MODE environment variable: '{variable}', \
             valid values are 'development' and 'enterprise'"
        )
    })?;
    let warning = if arguments.prod {
        Some("Warning: --prod flag is deprecated, please use --enterprise flag instead")
    } else if variable.eq_ignore_ascii_case("production") {
        Some("Warning: 'production' in SERVER_MODE is deprecated, please use 'enterprise' instead")
    } else {
        None
    };
    let mode = if arguments.enterprise || arguments.prod { Mode::Enterprise } else { mode };
    Ok((mode, warning.map(str::to_owned)))
}

fn resolve_port(arguments: &StartArguments, environment: &Environment) -> anyhow::Result<u16> {
    let written = arguments.port.as_deref().or(environment.setting("PORT")).unwrap_or(DEFAULT_PORT);
    written.parse().ok().with_context(|| format!("invalid port '{written}': must be a number from 0 to 65535"))
}

/// What metrics say of the gateway, if they are on, and what the user should know.
/// Attributes that cannot be read are left out as a whole: that is the rule for this variable everywhere.
fn resolve_metrics(
    mode: Mode,
    environment: &Environment,
) -> anyhow::Result<(Option<ResourceAttributes>, Option<String>)> {
    let default = match mode {
        Mode::Development => "false",
        Mode::Enterprise => "true",
    };
    let written = environment.setting("OTEL_ENABLED").unwrap_or(default);
    let is_enabled = match written.trim().to_ascii_lowercase().as_str() {
        "true" | "1" => true,
        "false" | "0" => false,
        _ => bail!(
            "invalid value for OTEL_ENABLED environment variable: '{written}', valid values are 'true', '1', 'false' and '0'"
        ),
    };
    if !is_enabled {
        return Ok((None, None));
    }
    let attributes = environment.setting("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    Ok(match ResourceAttributes::parse(attributes) {
        Ok(attributes) => (Some(attributes), None),
        Err(problem) => {
            let warning = format!("Warning: OTEL_RESOURCE_ATTRIBUTES is ignored: {problem}");
            (Some(ResourceAttributes::default()), Some(warning))
        }
    })
}

pub(crate) fn resolve_secret_key(environment: &Environment) -> anyhow::Result<Option<ConfiguredKey>> {
    let key = direct_or_file(environment, "MCPJUNGLE_SECRET_KEY", "MCPJUNGLE_SECRET_KEY_FILE")?;
    Ok(key.map(|(value, variable)| ConfiguredKey { value, variable }))
}

fn resolve_bootstrap_token(environment: &Environment) -> anyhow::Result<Option<Secret>> {
    let token = direct_or_file(environment, "MCPJUNGLE_BOOTSTRAP_TOKEN", "MCPJUNGLE_BOOTSTRAP_TOKEN_FILE")?;
    Ok(token.map(|(value, _)| value))
}

/// A secret from one variable, or from the file that another one names; and which it was.
pub(crate) fn direct_or_file(
    environment: &Environment,
    direct: &'static str,
    file: &'static str,
) -> anyhow::Result<Option<(Secret, &'static str)>> {
    if let Some(value) = environment.setting(direct) {
        return Ok(Some((Secret::new(value), direct)));
    }
    match read_named_file(environment, file)? {
        Some(value) if value.expose().is_empty() => {
            bail!("failed to read {file}: the file {} is empty", environment.setting(file).unwrap_or_default())
        }
        value => Ok(value.map(|value| (value, file))),
    }
}

/// The content of the file that a variable names, trimmed.
pub(super) fn read_named_file(environment: &Environment, variable: &str) -> anyhow::Result<Option<Secret>> {
    let Some(path) = environment.setting(variable) else {
        return Ok(None);
    };
    let content = std::fs::read_to_string(environment.path(path)).map(Secret::new);
    let content = content.with_context(|| format!("failed to read {variable}: the file {path}"))?;
    Ok(Some(Secret::new(content.expose().trim())))
}

/// A folder that is not there at the start is a slip; one that goes away later is waited for.
fn resolve_config_dir(arguments: &StartArguments, environment: &Environment) -> anyhow::Result<Option<ConfigDir>> {
    let Some(written) = &arguments.config_dir else {
        return Ok(None);
    };
    let path: PathBuf = environment.path(written).components().collect();
    std::fs::read_dir(&path).with_context(|| format!("failed to read the config directory {}", written.display()))?;
    let variables = environment.variables().map(|(name, value)| (name.to_owned(), Secret::new(value))).collect();
    Ok(Some(ConfigDir { path, variables }))
}

/// The place for such files by the XDG base directory specification; only an absolute one counts.
pub(super) fn find_plugin_cache(environment: &Environment) -> Option<PathBuf> {
    let chosen = environment.setting("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let base = chosen.or_else(|| Some(environment.home_directory.as_ref()?.join(".cache")))?;
    Some(base.join("mcpjungle"))
}

fn resolve_upstream(environment: &Environment) -> anyhow::Result<UpstreamSettings> {
    let proxy = |upper: &str, lower: &str| environment.setting(upper).or(environment.setting(lower));
    let program = environment.program.clone();
    Ok(UpstreamSettings {
        init_timeout: resolve_init_timeout(environment)?,
        session_idle_timeout: resolve_idle_timeout(environment)?,
        supervisor: (program, vec![crate::SUPERVISE.to_owned()]),
        child_environment: child_environment::choose(environment),
        proxies: ProxySettings {
            http: proxy("HTTP_PROXY", "http_proxy").map(Secret::new),
            https: proxy("HTTPS_PROXY", "https_proxy").map(Secret::new),
            no_proxy: proxy("NO_PROXY", "no_proxy").map(str::to_owned),
        },
        gateway_version: crate::banner::version().to_owned(),
    })
}

fn resolve_init_timeout(environment: &Environment) -> anyhow::Result<Duration> {
    let rule = "must be a positive number of seconds";
    match parse_variable::<u64>(environment, "MCP_SERVER_INIT_REQ_TIMEOUT_SEC", DEFAULT_INIT_TIMEOUT, rule)? {
        (0, refusal) => bail!(refusal),
        (seconds, _) => Ok(Duration::from_secs(seconds)),
    }
}

/// `None` is never.
fn resolve_idle_timeout(environment: &Environment) -> anyhow::Result<Option<Duration>> {
    let rule = "must be a number of seconds, or -1 or 0 for no timeout";
    match parse_variable::<i64>(environment, "SESSION_IDLE_TIMEOUT_SEC", DEFAULT_IDLE_TIMEOUT, rule)? {
        (-1 | 0, _) => Ok(None),
        (seconds, refusal) => match u64::try_from(seconds) {
            Ok(seconds) => Ok(Some(Duration::from_secs(seconds))),
            Err(_) => bail!(refusal),
        },
    }
}

/// A variable's value, and what to say if it is not a good one after all.
fn parse_variable<T: FromStr>(
    environment: &Environment,
    variable: &str,
    default: &str,
    rule: impl Display,
) -> anyhow::Result<(T, String)> {
    let written = environment.setting(variable).unwrap_or(default);
    let refusal = format!("invalid value for {variable} environment variable: '{written}', {rule}");
    match written.trim().parse() {
        Ok(value) => Ok((value, refusal)),
        Err(_) => bail!(refusal),
    }
}

fn comma_list(written: Option<&str>) -> Vec<String> {
    let parts = written.unwrap_or_default().split(',').map(str::trim);
    parts.filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

mod audit;
#[cfg(test)]
mod tests;
