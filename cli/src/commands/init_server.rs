//! `init-server`: makes the first administrator of a gateway in enterprise mode.

use std::io::Write as _;

use anyhow::{Context, ensure};
use mcpjungle_host::secret::Secret;
use serde_json::{Map, json};

use crate::api::Api;
use crate::arguments::InitServerArguments;
use crate::conf_file;
use crate::environment::Environment;
use crate::printer::Printer;
use crate::settings::ClientSettings;
use crate::start::settings::direct_or_file;

/// What the request is sent with, if anything.
pub(super) fn bootstrap_token(
    arguments: &InitServerArguments,
    environment: &Environment,
) -> anyhow::Result<Option<Secret>> {
    match &arguments.bootstrap_token {
        Some(token) => Ok(Some(Secret::new(token.trim()))),
        None => {
            let found = direct_or_file(environment, "MCPJUNGLE_BOOTSTRAP_TOKEN", "MCPJUNGLE_BOOTSTRAP_TOKEN_FILE")?;
            Ok(found.map(|(token, _)| token))
        }
    }
}

pub(super) async fn run(
    arguments: &InitServerArguments,
    settings: &ClientSettings,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    if !printer.is_json() {
        writeln!(printer, "Initializing the MCPJungle Server in Enterprise Mode...")?;
        printer.flush()?;
    }
    // The word that servers of every version know for enterprise mode.
    let mut body = Map::from_iter([("mode".to_owned(), json!("production"))]);
    if let Some(token) = &arguments.access_token {
        body.insert("access_token".to_owned(), json!(token));
    }
    let answer = api.init_server(&body).await.context("failed to initialize the server")?;
    let token = &answer.value.admin_access_token;
    ensure!(!token.is_empty(), "failed to initialize the server: it did not answer with an access token");
    // Before anything that can fail: it is not shown again.
    if printer.is_json() {
        printer.json(&answer.body)?;
        printer.flush()?;
    }
    let saved = conf_file::save(&settings.registry, token, environment);
    match saved {
        Ok(saved) => {
            saved.set_aside.iter().try_for_each(|note| printer.note(note))?;
            if !printer.is_json() {
                writeln!(printer, "Your Admin access token has been saved to {}", saved.path.display())?;
                writeln!(printer, "All done!")?;
            }
            Ok(())
        }
        Err(error) => {
            if !printer.is_json() {
                writeln!(printer, "Your Admin access token: {token}")?;
            }
            Err(error.context(
                "the server is initialized, but the token could not be saved; keep the one that is printed here, \
                 it is not shown again",
            ))
        }
    }
}
