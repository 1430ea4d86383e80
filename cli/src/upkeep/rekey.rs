//! `server rekey`: the secrets of MCP servers under a new key.

use std::io::Write as _;

use anyhow::{Context, anyhow, bail};
use mcpjungle_host::secret::Secret;
use mcpjungle_host::store::{ConfiguredKey, KeyError, NewKey, RekeyError, Rekeyed, Unreadable};
use serde_json::json;

use super::{find_database, open};
use crate::arguments::RekeyArguments;
use crate::environment::Environment;
use crate::printer::Printer;
use crate::start::settings::{direct_or_file, resolve_secret_key};

const NEW_KEY_FLAG: &str = "--new-key-file";

pub(super) async fn run(
    arguments: &RekeyArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let old = resolve_secret_key(environment)?;
    let database = find_database(&arguments.database, environment, printer)?;
    let shown = database.to_string();
    let new = match configured_key(arguments, environment)? {
        Some(key) => NewKey::Configured(key),
        None if old.is_none() && database.default_key_file().is_some() => NewKey::Generated,
        None => bail!(
            "there is no new key: provide one in MCPJUNGLE_NEW_SECRET_KEY or MCPJUNGLE_NEW_SECRET_KEY_FILE, \
             or in a file with {NEW_KEY_FLAG} (`openssl rand -base64 32` prints one)"
        ),
    };
    let store = open(database, old).await?;
    let unreadable = if arguments.skip_unreadable { Unreadable::Keep } else { Unreadable::Refuse };
    let rekeyed = store.rekey(&new, unreadable).await;
    store.close().await;
    let rekeyed = rekeyed.map_err(|error| explain(error, &shown))?;
    if matches!(new, NewKey::Generated) && rekeyed.key_file.is_none() && !printer.is_json() {
        writeln!(printer, "There is no secret and no key yet in the {shown}: the key is made with the first secret.")?;
        return Ok(());
    }
    report(&rekeyed, &shown, printer)
}

/// The flag wins over the variables.
fn configured_key(arguments: &RekeyArguments, environment: &Environment) -> anyhow::Result<Option<ConfiguredKey>> {
    if let Some(path) = &arguments.new_key_file {
        let text = std::fs::read_to_string(environment.path(path)).map(Secret::new);
        let value = text.with_context(|| format!("failed to read the new key from {}", path.display()))?;
        return Ok(Some(ConfiguredKey { value, variable: NEW_KEY_FLAG }));
    }
    let key = direct_or_file(environment, "MCPJUNGLE_NEW_SECRET_KEY", "MCPJUNGLE_NEW_SECRET_KEY_FILE")?;
    Ok(key.map(|(value, variable)| ConfiguredKey { value, variable }))
}

fn explain(error: RekeyError, database: &str) -> anyhow::Error {
    match error {
        RekeyError::Unreadable { .. } => anyhow!(
            "no new key for the {database}: {error}; register these servers again with `--force` or deregister them \
             first, or leave them as they are with --skip-unreadable"
        ),
        // It is there: only its file is not in its place yet.
        error @ RekeyError::Key(KeyError::Replace { .. }) => error.into(),
        error => anyhow::Error::from(error).context(format!("no new key for the {database}")),
    }
}

fn report(rekeyed: &Rekeyed, database: &str, printer: &mut Printer) -> anyhow::Result<()> {
    let Rekeyed { secrets, servers, plugin_secrets, unreadable, key_file } = rekeyed;
    if !unreadable.is_empty() {
        printer.note(format_args!(
            "Warning: the old key did not open the secrets of {}. They are as they were, and gateways leave these \
             servers out: register them again with `--force`, or deregister them; set secrets of plugins again.",
            unreadable.join(", ")
        ))?;
    }
    if printer.is_json() {
        let answer = json!({
            "secrets": secrets, "servers": servers, "plugin_secrets": plugin_secrets, "unreadable": unreadable,
            "key_file": key_file
        });
        return Ok(printer.json(&answer.to_string())?);
    }
    let (secrets, servers) = (count(*secrets, "secret"), count(*servers, "MCP server"));
    let for_plugins = match plugin_secrets {
        0 => String::new(),
        number => format!(", and {} for plugins,", count(*number, "secret")),
    };
    writeln!(printer, "Encrypted {secrets} of {servers}{for_plugins} under a new key in the {database}.")?;
    match key_file {
        Some(path) => writeln!(printer, "The new key is in {}: keep a copy with your backups.", path.display())?,
        None => writeln!(printer, "From now on gateways need the new key in MCPJUNGLE_SECRET_KEY or its _FILE.")?,
    }
    Ok(writeln!(
        printer,
        "Restart the gateways that run on this database: until then they serve on, and store no secrets."
    )?)
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
