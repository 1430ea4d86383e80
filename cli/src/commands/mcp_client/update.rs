//! `update mcp-client`: another token, allow-list or description.

use std::io::Write as _;

use anyhow::ensure;
use serde_json::{Map, json};

use super::{note_wildcard, print_access, split_allow_list};
use crate::api::Api;
use crate::arguments::UpdateClientArguments;
use crate::commands::token;
use crate::printer::Printer;

pub(in crate::commands) async fn run(
    arguments: &UpdateClientArguments,
    api: &Api,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    let UpdateClientArguments { name, rotation, allow, description } = arguments;
    let mut change = Map::new();
    token::add_rotation(rotation, &mut change)?;
    let allow_list = allow.as_deref().map(split_allow_list);
    if let Some(allow_list) = &allow_list {
        note_wildcard(allow_list, printer)?;
        change.insert("allow_list".to_owned(), json!(allow_list));
    }
    if let Some(description) = description {
        change.insert("description".to_owned(), json!(description));
    }
    ensure!(
        !change.is_empty(),
        "at least one of the flags \"access-token\", \"rotate\", \"allow\" and \"description\" must be set"
    );
    let answer = api.update_client(name, &change).await?;
    if printer.is_json() {
        return Ok(printer.json(&answer.body)?);
    }
    if allow_list.is_some() || description.is_some() {
        writeln!(printer, "MCP client {name} updated successfully.")?;
    }
    if allow_list.is_some() {
        print_access("Servers accessible", &answer.value.allow_list, printer)?;
    }
    if rotation.is_given() {
        writeln!(printer, "MCP client {name} access token updated successfully.")?;
    }
    match answer.value.access_token.filter(|_| rotation.rotate) {
        Some(generated) => Ok(token::print_for_client(Some(&generated), printer)?),
        None => Ok(()),
    }
}
