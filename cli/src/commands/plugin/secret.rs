//! `plugin secret`: secrets that plugins may be granted. None is ever printed.

use std::io::{Read as _, Write as _};

use anyhow::{Context, ensure};
use mcpjungle_host::secret::Secret;

use crate::api::Api;
use crate::arguments::{SecretCommand, SetSecretArguments};
use crate::commands::print_deleted;
use crate::environment::Environment;
use crate::printer::Printer;

pub(super) async fn run(
    command: &SecretCommand,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    match command {
        SecretCommand::Set(arguments) => set(arguments, api, environment, printer).await,
        SecretCommand::List => list(api, printer).await,
        SecretCommand::Delete(secret) => delete(&secret.name, api, printer).await,
    }
}

async fn set(
    arguments: &SetSecretArguments,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let value = read_value(arguments, environment, printer)?;
    let body = api.set_plugin_secret(&arguments.name, &value).await?;
    if printer.is_json() {
        return Ok(printer.json(&body)?);
    }
    let name = &arguments.name;
    Ok(writeln!(printer, "Secret '{name}' is set: a plugin reads it if it is granted `secret:{name}`.")?)
}

/// The value as a file, a variable or standard input gives it. Files end in a line break that nobody means.
fn read_value(
    arguments: &SetSecretArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<Secret> {
    let (text, origin) = match (&arguments.from_file, &arguments.from_env) {
        (Some(path), _) => {
            let origin = format!("file {}", path.display());
            let text = std::fs::read_to_string(environment.path(path));
            (text.with_context(|| format!("failed to read the secret from {origin}"))?, origin)
        }
        (None, Some(variable)) => {
            let text = environment.find(variable);
            let text = text.with_context(|| format!("environment variable {variable} is not set"))?;
            (text.to_owned(), format!("environment variable {variable}"))
        }
        (None, None) => {
            if environment.stdin_is_terminal {
                printer.note("Enter the secret, then end the input with Ctrl-D on a line of its own:")?;
            }
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("failed to read the secret from standard input")?;
            (text, "standard input".to_owned())
        }
    };
    let value = Secret::new(text.trim_end());
    ensure!(!value.expose().is_empty(), "there is no secret: {origin} is empty");
    Ok(value)
}

async fn list(api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    let answer = api.list_plugin_secrets().await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if answer.value.is_empty() {
        return Ok(writeln!(printer, "There are no secrets for plugins.")?);
    }
    let widest = answer.value.iter().map(|secret| secret.name.len()).max().unwrap_or(0);
    for secret in &answer.value {
        let note = if secret.readable { "" } else { " (the gateway's key does not open it)" };
        writeln!(printer, "{:<widest$}  set {}{note}", secret.name, secret.updated_at)?;
    }
    Ok(())
}

async fn delete(name: &str, api: &Api, printer: &mut Printer) -> anyhow::Result<()> {
    api.delete_plugin_secret(name).await?;
    if printer.is_json() {
        return Ok(print_deleted(name, printer)?);
    }
    Ok(writeln!(printer, "Secret '{name}' deleted successfully (if it existed)!")?)
}
