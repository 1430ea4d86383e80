//! `login`: finds out whose a token is, and keeps it for the commands that follow.

use std::io::Write as _;

use anyhow::Context;

use crate::api::Api;
use crate::arguments::LoginArguments;
use crate::conf_file;
use crate::environment::Environment;
use crate::printer::Printer;
use crate::settings::ClientSettings;

pub(super) async fn run(
    arguments: &LoginArguments,
    settings: &ClientSettings,
    api: &Api,
    environment: &Environment,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let answer = api.whoami().await?;
    if printer.is_json() {
        printer.json(&answer.body)?;
    } else {
        writeln!(printer, "You are now logged in as {}", answer.value.username)?;
        let what = if answer.value.is_admin() { "an administrator" } else { "a user" };
        writeln!(printer, "You are {what} of MCPJungle")?;
    }
    let saved = conf_file::save(&settings.registry, arguments.access_token.trim(), environment);
    let saved = saved.context("failed to save your access token")?;
    saved.set_aside.iter().try_for_each(|note| printer.note(note))?;
    if !printer.is_json() {
        writeln!(printer, "Your access token has been saved to {}", saved.path.display())?;
    }
    Ok(())
}
