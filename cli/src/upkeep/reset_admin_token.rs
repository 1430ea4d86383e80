//! `server reset-admin-token`: the way back in when the administrator's token is lost.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Context;
use mcpjungle_host::identity::AccessToken;
use serde_json::json;

use super::{find_database, open};
use crate::arguments::ResetArguments;
use crate::environment::Environment;
use crate::printer::Printer;

/// For so long a gateway that runs may go by the old token: it looks at an SQLite file once a second.
const UNTIL_KNOWN: Duration = Duration::from_millis(1500);

pub(super) async fn run(
    arguments: &ResetArguments,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let token = match &arguments.access_token {
        Some(chosen) => AccessToken::parse(chosen)?,
        None => AccessToken::generate().context("no randomness from the operating system")?,
    };
    let database = find_database(&arguments.database, environment, printer)?;
    let shown = database.to_string();
    // The key for secrets may be lost as well: no secret is touched.
    let store = open(database, None).await?;
    let reset = store.reset_admin_token(arguments.user.as_deref(), token.digest()).await;
    store.close().await;
    let reset = reset.with_context(|| format!("no token was replaced in the {shown}"))?;
    let made = if reset.is_new_admin { "There was no administrator left: this user is one now.\n" } else { "" };
    printer.note(format_args!(
        "The access token of administrator {} was replaced in the {shown}; the old one is worth nothing now.\n\
         {made}The new one is printed this once. Use it with `mcpjungle login <access_token>`.",
        reset.user
    ))?;
    // Whoever reads the token, as `mcpjungle login "$(…)"` does, uses it at once.
    tokio::time::sleep(UNTIL_KNOWN).await;
    if printer.is_json() {
        let answer = json!({ "username": reset.user, "access_token": token.expose() });
        return Ok(printer.json(&answer.to_string())?);
    }
    Ok(writeln!(printer, "{}", token.expose())?)
}
